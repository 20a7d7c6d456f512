// Names what is in pictures: predict FOLDER PICTURE...   (FOLDER holds model.onnx and classes.txt)
//
// Everything from the decoded picture on is inside model.onnx: it takes RGB bytes of any size.
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "picture.h"

int main(int count, char** arguments) try {
  if (count < 3) throw std::runtime_error("give the model's folder and at least one picture");
  const std::filesystem::path folder = arguments[1];
  std::vector<std::string> classes;
  std::ifstream lines(folder / "classes.txt");
  for (std::string line; std::getline(lines, line);) classes.push_back(line);

  Ort::Env environment;
  Ort::Session session(environment, (folder / "model.onnx").c_str(), Ort::SessionOptions());
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const char* takes[] = {"image"};
  const char* gives[] = {"probabilities"};

  for (int index = 2; index < count; ++index) {
    Picture picture = read_picture(arguments[index]);
    const std::array<int64_t, 4> shape = {1, picture.height, picture.width, 3};
    Ort::Value image = Ort::Value::CreateTensor<uint8_t>(memory, picture.rgb.data(), picture.rgb.size(),
                                                         shape.data(), shape.size());
    const auto answers = session.Run(Ort::RunOptions(), takes, &image, 1, gives, 1);
    const float* probabilities = answers[0].GetTensorData<float>();
    const auto best = std::max_element(probabilities, probabilities + classes.size()) - probabilities;
    std::printf("%s\t%s\t%.4f\n", arguments[index], classes.at(best).c_str(), probabilities[best]);
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
