// iOS 16, macOS 13 and newer: names what is in a picture. Add model.mlpackage to the Xcode project.
// The model takes one picture of its own size. `fitted` brings a picture to it as training did: antialiased, in
// floating point, rounded once at the end. Vision's and Core Graphics' scaling are other pictures than that.

import CoreGraphics
import CoreML
import CoreVideo
import Foundation

struct InputSpec: Decodable {
  let size: Int, channels: Int
  let fit: String, kernel: String
  let crop_fraction: Double
  let background: [Double]
}

final class Classifier {
  private let model: MLModel
  private let classes: [String]
  private let spec: InputSpec

  /// - Parameter url: of the compiled model: Bundle.main.url(forResource: "model", withExtension: "mlmodelc").
  init(url: URL) throws {
    model = try MLModel(contentsOf: url)
    let notes = model.modelDescription.metadata[.creatorDefinedKey] as! [String: String]
    classes = try JSONDecoder().decode([String].self, from: Data(notes["classes"]!.utf8))
    spec = try JSONDecoder().decode(InputSpec.self, from: Data(notes["input_spec"]!.utf8))
    precondition(spec.channels == 3, "this example hands colours over; make grey pictures with kCVPixelFormatType_OneComponent8")
  }

  /// - Parameter picture: decoded in full and upright (UIImage.cgImage is not turned yet).
  func classify(_ picture: CGImage) throws -> (String, Float) {
    let input = try MLDictionaryFeatureProvider(dictionary: ["image": MLFeatureValue(pixelBuffer: fitted(picture))])
    let probabilities = try model.prediction(from: input).featureValue(for: "probabilities")!.multiArrayValue!
    let best = (0..<classes.count).max { probabilities[$0].floatValue < probabilities[$1].floatValue }!
    return (classes[best], probabilities[best].floatValue)
  }

  private func fitted(_ picture: CGImage) -> CVPixelBuffer {
    let (width, height, size) = (picture.width, picture.height, spec.size)
    var source = [UInt8](repeating: 0, count: 4 * width * height)
    let sRGB = CGColorSpace(name: CGColorSpace.sRGB)!
    // The numbers as they were stored: training converted no colour profile, such as the P3 of photos here.
    let plain = picture.copy(colorSpace: sRGB) ?? picture
    source.withUnsafeMutableBytes { bytes in
      let context = CGContext(
        data: bytes.baseAddress, width: width, height: height, bitsPerComponent: 8, bytesPerRow: 4 * width,
        space: sRGB, bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)!
      let all = CGRect(x: 0, y: 0, width: width, height: height)
      let under = spec.background.map { CGFloat($0 / 255) }
      context.setFillColor(red: under[0], green: under[1], blue: under[2], alpha: 1)
      context.fill(all)
      context.draw(plain, in: all)
    }
    let (newHeight, newWidth) = newSides(height, width)
    let rows = weights(height, newHeight), columns = weights(width, newWidth)
    var buffer: CVPixelBuffer?
    CVPixelBufferCreate(nil, size, size, kCVPixelFormatType_32BGRA, nil, &buffer)
    CVPixelBufferLockBaseAddress(buffer!, [])
    defer { CVPixelBufferUnlockBaseAddress(buffer!, []) }
    let out = CVPixelBufferGetBaseAddress(buffer!)!.assumingMemoryBound(to: UInt8.self)
    let stride = CVPixelBufferGetBytesPerRow(buffer!)
    for channel in 0..<3 {
      var narrow = [Double](repeating: 0, count: height * size)  // columns first
      for y in 0..<height {
        for x in 0..<size {
          guard let (first, shares) = columns[x] else { continue }
          for (i, share) in shares.enumerated() {
            narrow[y * size + x] += share * Double(source[4 * (y * width + first + i) + channel])
          }
        }
      }
      for y in 0..<size {
        for x in 0..<size {
          var value = spec.background[channel]
          if let (first, shares) = rows[y], columns[x] != nil {
            value = 0
            for (i, share) in shares.enumerated() { value += share * narrow[(first + i) * size + x] }
          }
          out[y * stride + 4 * x + 2 - channel] = UInt8(min(255, max(0, value)).rounded(.toNearestOrEven))
          out[y * stride + 4 * x + 3] = 255
        }
      }
    }
    return buffer!
  }

  private func newSides(_ height: Int, _ width: Int) -> (Int, Int) {
    let size = spec.size
    func whole(_ value: Double) -> Int { Int(value.rounded(.toNearestOrEven)) }
    if spec.fit == "squash" { return (size, size) }
    if spec.fit == "letterbox" {
      let longer = Double(max(height, width))
      return (max(1, whole(Double(height * size) / longer)), max(1, whole(Double(width * size) / longer)))
    }
    let short = max(size, whole(Double(size) / spec.crop_fraction)), least = min(height, width)
    let long = max(short, whole(Double(short * min(max(height, width), 64 * least)) / Double(least)))
    return height <= width ? (short, long) : (long, short)
  }

  /// For each pixel of the output: the first pixel that it is made of, and the shares; nil where the margin is.
  private func weights(_ length: Int, _ newLength: Int) -> [(Int, [Double])?] {
    let step = Double(length) / Double(newLength), reach = max(1, step)
    let start = newLength >= spec.size ? (newLength - spec.size) / 2 : -((spec.size - newLength) / 2)
    return (0..<spec.size).map { index in
      let place = index + start
      guard place >= 0 && place < newLength else { return nil }
      let centre = (Double(place) + 0.5) * step
      let support = (spec.kernel == "bilinear" ? 1 : 2) * reach
      let first = max(0, Int(centre - support)), last = min(length, Int(centre + support) + 1)
      let shares = (first..<last).map { kernel((Double($0) + 0.5 - centre) / reach) }
      let total = shares.reduce(0, +)
      return (first, shares.map { $0 / total })
    }
  }

  private func kernel(_ distance: Double) -> Double {
    let x = abs(distance)
    if spec.kernel == "bilinear" { return max(0, 1 - x) }
    if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
  }
}
