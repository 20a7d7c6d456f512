// Android: names what is in a picture. build.gradle.kts:
//     implementation("org.pytorch:executorch-android:1.5.1")  // the version that wrote model.pte, or a newer one
// Put model.pte into the app's files. Everything from the decoded picture on is inside: fit, normalisation, network,
// calibration, softmax. Do not scale, cut or normalise before.

import android.graphics.Bitmap
import org.json.JSONArray
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

class Classifier(modelPath: String) {
    private val module = Module.load(modelPath)
    private val classes = JSONArray(module.execute("classes")[0].toStr())

    /**
     * @param picture decoded in full (no inSampleSize, no inScaled), ARGB_8888, turned upright by its EXIF orientation.
     *     Sides up to 2048 px; a larger one is brought there by Bitmap.createScaledBitmap(..., true) first, and its
     *     answer then differs a little from the one that was checked.
     */
    fun classify(picture: Bitmap): Pair<String, Float> {
        val (width, height) = picture.width to picture.height
        require(maxOf(width, height) <= 2048) { "${width}x$height: make it smaller, to 2048 px a side" }
        val pixels = IntArray(width * height)
        picture.getPixels(pixels, 0, width, 0, 0, width, height)
        val bytes = Tensor.allocateByteBuffer(3 * pixels.size)
        for (pixel in pixels) {  // RGB, in this order
            bytes.put((pixel shr 16).toByte()).put((pixel shr 8).toByte()).put(pixel.toByte())
        }
        val image = Tensor.fromBlobUnsigned(bytes, longArrayOf(1, height.toLong(), width.toLong(), 3))
        val probabilities = module.forward(EValue.from(image))[0].toTensor().dataAsFloatArray
        val best = probabilities.indices.maxByOrNull { probabilities[it] }!!
        return classes.getString(best) to probabilities[best]
    }
}
