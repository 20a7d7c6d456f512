// For Android. In build.gradle.kts: com.microsoft.onnxruntime:onnxruntime-android and androidx.exifinterface:exifinterface
// model.onnx and classes.txt lie in the assets. Everything from the decoded picture on is inside model.onnx.
import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Matrix
import androidx.exifinterface.media.ExifInterface
import java.nio.ByteBuffer

class Classifier(context: Context) : AutoCloseable {
    private val environment = OrtEnvironment.getEnvironment()
    private val session = environment.createSession(context.assets.open("model.onnx").use { it.readBytes() })
    private val classes = context.assets.open("classes.txt").bufferedReader().use { it.readLines() }

    /** Class names with their probabilities, the likeliest first, of the bytes of a JPEG, PNG or WebP file. */
    fun classify(file: ByteArray): List<Pair<String, Float>> {
        val picture = upright(file)
        val (height, width) = picture.height to picture.width
        val pixels = IntArray(height * width).also { picture.getPixels(it, 0, width, 0, 0, width, height) }
        val bytes = ByteBuffer.allocateDirect(height * width * 3)
        for (pixel in pixels) bytes.put((pixel shr 16).toByte()).put((pixel shr 8).toByte()).put(pixel.toByte())
        bytes.rewind()
        val shape = longArrayOf(1, height.toLong(), width.toLong(), 3)
        OnnxTensor.createTensor(environment, bytes, shape, OnnxJavaType.UINT8).use { image ->
            session.run(mapOf("image" to image), setOf("probabilities")).use { answer ->
                val probabilities = (answer[0].value as Array<*>)[0] as FloatArray
                return classes.zip(probabilities.toList()).sortedByDescending { it.second }
            }
        }
    }

    /** Decoded, over the model's background, and turned by its EXIF orientation. */
    private fun upright(file: ByteArray): Bitmap {
        val decoded = requireNotNull(BitmapFactory.decodeByteArray(file, 0, file.size)) { "no picture" }
        val flat = Bitmap.createBitmap(decoded.width, decoded.height, Bitmap.Config.ARGB_8888)
        Canvas(flat).apply { drawColor(Color.rgb(255, 255, 255 /* background */)) }.drawBitmap(decoded, 0f, 0f, null)
        val exif = ExifInterface(file.inputStream())
        val turn = Matrix().apply {
            if (exif.isFlipped) postScale(-1f, 1f)
            postRotate(exif.rotationDegrees.toFloat())
        }
        return Bitmap.createBitmap(flat, 0, 0, flat.width, flat.height, turn, false)
    }

    override fun close() = session.close()
}
