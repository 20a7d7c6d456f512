package ai.onnxruntime;

public class OrtEnvironment implements AutoCloseable {
  public static OrtEnvironment getEnvironment() {
    return null;
  }

  public OrtSession createSession(String modelPath) throws OrtException {
    return null;
  }

  @Override
  public void close() {}
}
