// For iOS and macOS, with the Swift package onnxruntime-swift-package-manager. model.onnx and classes.txt lie in the
// bundle. Everything from the decoded picture on is inside model.onnx: it takes RGB bytes of any size.
import CoreImage
import Foundation
import OnnxRuntimeBindings

final class Classifier {
    private let session: ORTSession
    private let classes: [String]

    init(folder: URL) throws {
        let environment = try ORTEnv(loggingLevel: .warning)
        session = try ORTSession(env: environment, modelPath: folder.appending(path: "model.onnx").path, sessionOptions: nil)
        let lines = try String(contentsOf: folder.appending(path: "classes.txt"), encoding: .utf8)
        classes = lines.split(separator: "\n").map(String.init)
    }

    /// Class names with their probabilities, the likeliest first.
    func classify(_ file: URL) throws -> [(String, Float)] {
        let (bytes, height, width) = try rgb(file)
        let image = try ORTValue(
            tensorData: NSMutableData(data: bytes), elementType: .uInt8,
            shape: [1, NSNumber(value: height), NSNumber(value: width), 3])
        let answer = try session.run(withInputs: ["image": image], outputNames: ["probabilities"], runOptions: nil)
        let data = try answer["probabilities"]!.tensorData() as Data
        let probabilities = data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        return zip(classes, probabilities).sorted { $0.1 > $1.1 }
    }

    /// RGB, upright by its EXIF orientation, over the background that the model was trained with.
    private func rgb(_ file: URL) throws -> (Data, Int, Int) {
        guard let picture = CIImage(contentsOf: file, options: [.applyOrientationProperty: true, .colorSpace: NSNull()])
        else { throw CocoaError(.fileReadCorruptFile) }
        let (red, green, blue) = (255, 255, 255 /* background */)
        let colour = CIColor(red: CGFloat(red) / 255, green: CGFloat(green) / 255, blue: CGFloat(blue) / 255)
        let flat = picture.composited(over: CIImage(color: colour).cropped(to: picture.extent))
        let (height, width) = (Int(picture.extent.height), Int(picture.extent.width))
        var rgba = [UInt8](repeating: 0, count: height * width * 4)
        CIContext(options: [.workingColorSpace: NSNull()]).render(
            flat, toBitmap: &rgba, rowBytes: width * 4, bounds: picture.extent, format: .RGBA8, colorSpace: nil)
        var bytes = Data(capacity: height * width * 3)
        for pixel in stride(from: 0, to: rgba.count, by: 4) { bytes.append(contentsOf: rgba[pixel..<pixel + 3]) }
        return (bytes, height, width)
    }
}
