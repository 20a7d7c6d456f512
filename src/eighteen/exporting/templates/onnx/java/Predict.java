// Names what is in pictures: java -cp onnxruntime.jar Predict.java FOLDER PICTURE...
//
// The jar is com.microsoft.onnxruntime:onnxruntime. Everything from the decoded picture on is inside model.onnx:
// it takes RGB bytes of any size. ImageIO does not turn pictures by their EXIF orientation: turn photos of phones
// upright first.
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.imageio.ImageIO;

public class Predict {
  static final Color BACKGROUND = new Color(255, 255, 255 /* background */);

  public static void main(String[] arguments) throws IOException, OrtException {
    Path folder = Path.of(arguments[0]);
    List<String> classes = Files.readAllLines(folder.resolve("classes.txt"));
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    try (OrtSession session = environment.createSession(folder.resolve("model.onnx").toString())) {
      for (int index = 1; index < arguments.length; index++) {
        try (OnnxTensor image = read(environment, arguments[index]);
            OrtSession.Result answer = session.run(Map.of("image", image), Set.of("probabilities"))) {
          float[] probabilities = ((float[][]) answer.get(0).getValue())[0];
          int best = 0;
          for (int k = 1; k < probabilities.length; k++) if (probabilities[k] > probabilities[best]) best = k;
          System.out.printf("%s\t%s\t%.4f%n", arguments[index], classes.get(best), probabilities[best]);
        }
      }
    }
  }

  /** uint8 [1, H, W, 3], RGB, transparency laid over the background that the model was trained with. */
  static OnnxTensor read(OrtEnvironment environment, String path) throws IOException, OrtException {
    BufferedImage file = ImageIO.read(new File(path));
    if (file == null) throw new IOException(path + " is no picture that ImageIO reads");
    int width = file.getWidth(), height = file.getHeight();
    BufferedImage flat = flat(file);
    ByteBuffer bytes = ByteBuffer.allocateDirect(height * width * 3).order(ByteOrder.nativeOrder());
    for (int pixel : flat.getRGB(0, 0, width, height, null, 0, width))
      bytes.put((byte) (pixel >> 16)).put((byte) (pixel >> 8)).put((byte) pixel);
    bytes.rewind();
    return OnnxTensor.createTensor(environment, bytes, new long[] {1, height, width, 3}, OnnxJavaType.UINT8);
  }

  static BufferedImage flat(BufferedImage file) {
    BufferedImage flat = new BufferedImage(file.getWidth(), file.getHeight(), BufferedImage.TYPE_INT_RGB);
    Graphics2D canvas = flat.createGraphics();
    canvas.drawImage(coloured(file), 0, 0, BACKGROUND, null);
    canvas.dispose();
    return flat;
  }

  /** Grey by the numbers in the file: Java takes them for linear light, and drawing would brighten grey with alpha. */
  static BufferedImage coloured(BufferedImage file) {
    if (file.getColorModel().getColorSpace().getType() != ColorSpace.TYPE_GRAY) return file;
    Raster numbers = file.getRaster();
    int most = (1 << file.getColorModel().getComponentSize(0)) - 1;
    BufferedImage made = new BufferedImage(file.getWidth(), file.getHeight(), BufferedImage.TYPE_INT_ARGB);
    for (int y = 0; y < made.getHeight(); y++)
      for (int x = 0; x < made.getWidth(); x++) {
        int grey = (numbers.getSample(x, y, 0) * 255 + most / 2) / most;
        int opacity = numbers.getNumBands() < 2 ? 255 : (numbers.getSample(x, y, 1) * 255 + most / 2) / most;
        made.setRGB(x, y, opacity << 24 | grey << 16 | grey << 8 | grey);
      }
    return made;
  }
}
