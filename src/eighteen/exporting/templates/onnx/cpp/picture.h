// A picture file as RGB bytes, upright, transparency laid over the background that the model was trained with.
// Decoding is by stb_image.h (public domain, one header); it leaves the EXIF orientation to its caller.
#pragma once

#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

struct Picture {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> rgb;  // height * width * 3
};

constexpr uint8_t BACKGROUND[3] = {255, 255, 255 /* background */};

// 1 to 8 as EXIF counts them; 1, which is upright, where the file says nothing, or says it in a broken way.
inline int exif_orientation(const std::vector<uint8_t>& file) try {
  for (size_t at = 2; at + 10 < file.size() && file[0] == 0xFF && file[at] == 0xFF && file[at + 1] != 0xDA;
       at += 2 + (file[at + 2] << 8 | file[at + 3])) {
    if (file[at + 1] != 0xE1 || std::memcmp(&file[at + 4], "Exif\0", 6) != 0) continue;
    const size_t tiff = at + 10;
    const auto number = [&](size_t from, size_t bytes) {
      uint32_t value = 0;
      for (size_t i = 0; i < bytes; ++i)
        value |= uint32_t(file.at(from + i)) << 8 * (file.at(tiff) == 'I' ? i : bytes - 1 - i);
      return value;
    };
    const size_t table = tiff + number(tiff + 4, 4);
    for (size_t entry = table + 2; entry < table + 2 + 12 * number(table, 2); entry += 12)
      if (number(entry, 2) == 0x0112) return int(number(entry + 8, 2));
  }
  return 1;
} catch (const std::out_of_range&) {
  return 1;
}

inline Picture read_picture(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::vector<uint8_t> file{std::istreambuf_iterator<char>(stream), {}};
  int width, height, channels;
  const std::unique_ptr<uint8_t, void (*)(void*)> rgba(
      stbi_load_from_memory(file.data(), int(file.size()), &width, &height, &channels, 4), stbi_image_free);
  if (!rgba) throw std::runtime_error(path + " cannot be read: " + stbi_failure_reason());
  const int turn = file.size() > 12 ? exif_orientation(file) : 1;
  const bool sideways = turn >= 5 && turn <= 8;
  Picture out{sideways ? width : height, sideways ? height : width, {}};
  out.rgb.resize(size_t(width) * height * 3);
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x) {
      const bool flip_x = turn == 2 || turn == 3 || turn == 7 || turn == 8, flip_y = turn == 3 || turn == 4 || turn == 6 || turn == 7;
      const int64_t across = sideways ? y : x, down = sideways ? x : y;
      const int64_t from_x = flip_x ? width - 1 - across : across, from_y = flip_y ? height - 1 - down : down;
      const uint8_t* pixel = rgba.get() + 4 * (from_y * width + from_x);
      const float share = pixel[3] / 255.0f;
      for (int c = 0; c < 3; ++c)
        out.rgb[3 * (y * out.width + x) + c] = uint8_t(pixel[c] * share + BACKGROUND[c] * (1 - share) + 0.5f);
    }
  return out;
}
