// iOS and macOS: names what is in a picture. Swift package: https://github.com/pytorch/executorch, branch
// swiftpm-1.5.1 (the version that wrote model.pte, or a newer one), products executorch, backend_xnnpack,
// kernels_optimized and kernels_quantized; linker flag -all_load. Everything from the decoded picture on is inside
// model.pte: fit, normalisation, network, calibration, softmax. Do not scale, cut or normalise before.

import CoreGraphics
import ExecuTorch
import Foundation

final class Classifier {
  private let module: Module
  private let classes: [String]

  init(modelPath: String) throws {
    module = Module(filePath: modelPath)
    let names: [Value] = try module.execute("classes", [])
    classes = try JSONDecoder().decode([String].self, from: Data(names[0].string!.utf8))
  }

  /// - Parameter picture: decoded in full and upright (UIImage.cgImage is not turned yet). Sides up to 2048 px; a
  ///   larger one is drawn smaller first, and its answer then differs a little from the one that was checked.
  func classify(_ picture: CGImage) throws -> (String, Float) {
    let (width, height) = (picture.width, picture.height)
    precondition(max(width, height) <= 2048, "make it smaller, to 2048 px a side")
    let sRGB = CGColorSpace(name: CGColorSpace.sRGB)!
    // The numbers as they were stored: training converted no colour profile, such as the P3 of photos here.
    let plain = picture.copy(colorSpace: sRGB) ?? picture
    let background: [CGFloat] = [255, 255, 255 /* background */]
    var pixels = [UInt8](repeating: 0, count: 4 * width * height)
    pixels.withUnsafeMutableBytes { bytes in
      let context = CGContext(
        data: bytes.baseAddress, width: width, height: height, bitsPerComponent: 8, bytesPerRow: 4 * width,
        space: sRGB, bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)!
      let all = CGRect(x: 0, y: 0, width: width, height: height)
      let under = background.map { $0 / 255 }
      context.setFillColor(red: under[0], green: under[1], blue: under[2], alpha: 1)
      context.fill(all)
      context.draw(plain, in: all)
    }
    var rgb = [UInt8](repeating: 0, count: 3 * width * height)
    for pixel in 0..<(width * height) {
      for channel in 0..<3 { rgb[3 * pixel + channel] = pixels[4 * pixel + channel] }
    }
    let image = Tensor<UInt8>(data: Data(rgb), shape: [1, height, width, 3])
    let outputs: [Value] = try module.forward([image])
    let answer: Tensor<Float> = outputs[0].tensor()!
    let probabilities = answer.scalars()
    let best = probabilities.indices.max { probabilities[$0] < probabilities[$1] }!
    return (classes[best], probabilities[best])
  }
}
