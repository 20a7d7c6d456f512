// Names what is in pictures: dotnet run -- PICTURE...
//
// Everything from the decoded picture on is inside model.onnx: it takes RGB bytes of any size.
using Microsoft.ML.OnnxRuntime;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.PixelFormats;
using SixLabors.ImageSharp.Processing;

const string folder = "..";
string[] classes = File.ReadAllLines(Path.Combine(folder, "classes.txt"));
Color background = Color.FromRgb(255, 255, 255 /* background */);
using var session = new InferenceSession(Path.Combine(folder, "model.onnx"));
using var run = new RunOptions();

foreach (string path in args)
{
    // Upright by its EXIF orientation, transparency laid over the background that the model was trained with.
    using Image<Rgba32> picture = Image.Load<Rgba32>(path);
    picture.Mutate(it => it.AutoOrient().BackgroundColor(background));
    using Image<Rgb24> flat = picture.CloneAs<Rgb24>();
    byte[] bytes = new byte[flat.Height * flat.Width * 3];
    flat.CopyPixelDataTo(bytes);
    using OrtValue image = OrtValue.CreateTensorValueFromMemory(bytes, [1, flat.Height, flat.Width, 3]);
    using var answer = session.Run(run, ["image"], [image], ["probabilities"]);
    float[] probabilities = answer[0].GetTensorDataAsSpan<float>().ToArray();
    int best = Array.IndexOf(probabilities, probabilities.Max());
    Console.WriteLine($"{path}\t{classes[best]}\t{probabilities[best]:F4}");
}
