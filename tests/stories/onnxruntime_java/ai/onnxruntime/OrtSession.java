package ai.onnxruntime;

public class OrtSession implements AutoCloseable {
  public Result run(java.util.Map<String, ? extends OnnxTensorLike> inputs, java.util.Set<String> requestedOutputs)
      throws OrtException {
    return null;
  }

  @Override
  public void close() throws OrtException {}

  public static class Result implements AutoCloseable {
    public OnnxValue get(int index) {
      return null;
    }

    @Override
    public void close() {}
  }
}
