"""LiteRT beyond what all formats promise: its metadata, its converter's environment, and the code for what
stays outside of the file. What needs the converter is in `test_formats.py`."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from eighteen.core import store
from eighteen.core.errors import EighteenError, RunError
from eighteen.core.inputs import InputSpec
from eighteen.exporting.awkward import awkward_pictures
from eighteen.exporting.bundle import examples
from eighteen.formats import _litert_environment as environment
from eighteen.formats import _tflite
from eighteen.inference.predictor import Predictor

EXAMPLES = examples("litert")
NOTES = {"classes": '["a", "ü"]', "input_spec": "{}"}

FITS = [
    InputSpec(size=32, fit="squash", kernel="bilinear"),
    InputSpec(size=32, fit="crop", crop_fraction=0.8, kernel="bicubic"),
    InputSpec(size=48, fit="letterbox", kernel="bicubic", background=(10, 200, 30)),
    InputSpec(size=32, fit="letterbox", channels=1, mean=(0.5,), std=(0.2,), background=(10, 200, 30)),
]


def small_model() -> bytes:
    """A .tflite file by hand: x + 1, with a signature such as the converter writes."""
    schema = pytest.importorskip(
        "ai_edge_litert.schema_py_generated", reason="ai-edge-litert is not installed"
    )
    import flatbuffers

    def tensor(name: str, buffer: int, shape: list[int]) -> object:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, schema.TensorType.FLOAT32, buffer
        return made

    def named(name: str, index: int) -> object:
        made = schema.TensorMapT()
        made.name, made.tensorIndex = name, index
        return made

    one = schema.BufferT()
    one.data = np.frombuffer(np.ones(1, np.float32).tobytes(), np.uint8)
    code, operator, graph, signature = (
        schema.OperatorCodeT(),
        schema.OperatorT(),
        schema.SubGraphT(),
        schema.SignatureDefT(),
    )
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    code.version = 1
    operator.inputs, operator.outputs, operator.opcodeIndex = [0, 1], [2], 0
    operator.builtinOptionsType, operator.builtinOptions = (
        schema.BuiltinOptions.AddOptions,
        schema.AddOptionsT(),
    )
    graph.tensors = [tensor("args_0", 0, [1, 4]), tensor("one", 1, [1]), tensor("output_0", 0, [1, 4])]
    graph.inputs, graph.outputs, graph.operators = [0], [2], [operator]
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs, signature.outputs = [named("args_0", 0)], [named("output_0", 2)]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers, model.signatureDefs, model.metadata = [schema.BufferT(), one], [signature], []
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_names_and_metadata_are_in_the_file_and_it_still_runs(tmp_path: Path) -> None:
    content = _tflite.described(small_model(), "tensor", ["logits"], NOTES)
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    assert _tflite.is_tflite(content)
    assert _tflite.notes_of(path) == NOTES
    from ai_edge_litert.interpreter import Interpreter

    answer = Interpreter(str(path)).get_signature_runner()(tensor=np.zeros((1, 4), np.float32))
    assert answer["logits"].tolist() == [[1, 1, 1, 1]]


def test_the_archive_behind_the_file_says_the_same_without_a_schema() -> None:
    content = _tflite.described(small_model(), "tensor", ["logits"], NOTES)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("labels.txt").decode() == "a\nü"
        assert json.loads(archive.read("metadata.json")) == NOTES
    assert content == _tflite.described(small_model(), "tensor", ["logits"], NOTES)


def test_a_file_that_takes_tensors_is_refused_with_a_sentence(tmp_path: Path) -> None:
    notes = {"classes": '["a"]', "input_spec": json.dumps(FITS[0].to_json())}
    path = tmp_path / "bare.tflite"
    path.write_bytes(_tflite.described(small_model(), "tensor", ["logits"], notes))
    with pytest.raises(RunError, match=r"bare\.tflite takes 'tensor', and a file that takes pictures"):
        Predictor.open(path)


# The code for what stays outside


def example(folder: Path, inputs: InputSpec) -> ModuleType:
    """The bundle's `predict.py` as a module, beside a file with metadata."""
    notes = {"classes": '["a"]', "input_spec": json.dumps(inputs.to_json())}
    (folder / "model.tflite").write_bytes(_tflite.described(small_model(), "image", ["probabilities"], notes))
    path = folder / "predict.py"
    path.write_text(EXAMPLES["predict.py"], "utf-8")
    spec = importlib.util.spec_from_file_location("example", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("inputs", FITS, ids=lambda inputs: f"{inputs.fit}-{inputs.channels}")
def test_the_python_example_fits_pictures_exactly_as_training_does(inputs: InputSpec, tmp_path: Path) -> None:
    module = example(tmp_path, inputs)
    for picture in awkward_pictures(inputs.size):
        pixels = inputs.to_channels_of(picture)
        expected = inputs.fitted(pixels).transpose(1, 2, 0)
        np.testing.assert_allclose(module.fit(pixels), expected, atol=1e-5)
    source = EXAMPLES["predict.py"]
    assert "eighteen" not in source and "torch" not in source


HARNESS = """
import java.io.*;
import java.nio.*;
import java.nio.file.*;

public class Harness {
  public static void main(String[] a) throws IOException {
    String[] of = a[5].split(",");  // channels, then the background
    boolean grey = of[0].equals("1");
    int colour = Integer.parseInt(of[1]) << 16 | Integer.parseInt(of[2]) << 8 | Integer.parseInt(of[3]);
    float[] background = grey ? Fitting.grey(new int[] {colour}) : Fitting.rgb(new int[] {colour});
    Fitting fitting = new Fitting(
        Integer.parseInt(a[1]), a[2], Double.parseDouble(a[3]), a[4], background);
    for (int n = 6; n < a.length; n++) {
      String[] sides = a[n].split("x");
      int height = Integer.parseInt(sides[1]), width = Integer.parseInt(sides[2]);
      byte[] raw = Files.readAllBytes(Paths.get(a[0], sides[0]));
      int[] argb = new int[height * width];
      for (int i = 0; i < argb.length; i++) {
        argb[i] = 0xff000000 | (raw[3 * i] & 255) << 16 | (raw[3 * i + 1] & 255) << 8 | raw[3 * i + 2] & 255;
      }
      float[] made = fitting.apply(
          grey ? Fitting.grey(argb) : Fitting.rgb(argb), height, width);
      ByteBuffer out = ByteBuffer.allocate(4 * made.length).order(ByteOrder.LITTLE_ENDIAN);
      out.asFloatBuffer().put(made);
      Files.write(Paths.get(a[0], sides[0] + ".fitted"), out.array());
    }
  }
}
"""


@pytest.mark.parametrize("inputs", FITS, ids=lambda inputs: f"{inputs.fit}-{inputs.channels}")
def test_the_java_example_fits_pictures_exactly_as_training_does(inputs: InputSpec, tmp_path: Path) -> None:
    if shutil.which("javac") is None:
        pytest.skip("there is no Java compiler")
    (tmp_path / "Fitting.java").write_text(EXAMPLES["Fitting.java"], "utf-8")
    (tmp_path / "Harness.java").write_text(HARNESS)
    subprocess.run(["javac", "-d", ".", "Harness.java", "Fitting.java"], cwd=tmp_path, check=True)
    pictures = awkward_pictures(inputs.size)
    names = []
    for number, picture in enumerate(pictures):
        (tmp_path / str(number)).write_bytes(picture.tobytes())
        names.append(f"{number}x{picture.shape[0]}x{picture.shape[1]}")
    settings = [inputs.size, inputs.fit, inputs.crop_fraction, inputs.kernel]
    background = ",".join(map(str, (inputs.channels, *inputs.background)))
    command = ["java", "-Xshare:auto", "-cp", ".", "Harness", ".", *map(str, settings), background, *names]
    subprocess.run(command, cwd=tmp_path, check=True)
    for number, picture in enumerate(pictures):
        made = np.fromfile(tmp_path / f"{number}.fitted", "<f4")
        expected = inputs.fitted_batch([picture])[0].transpose(1, 2, 0)
        np.testing.assert_allclose(made.reshape(expected.shape), expected, atol=2e-3)


# The converter's environment


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The environment is made without network and without waiting; gives the commands that were run."""
    ran: list[list[str]] = []

    def said(command: list[str]) -> subprocess.CompletedProcess[str]:
        ran.append(list(command))
        if "venv" in command:
            python = environment._python(Path(command[-1]))
            python.parent.mkdir(parents=True)
            python.touch()
        out = str(Path(command[0]).parent) if "sysconfig" in command[-1] else ""
        return subprocess.CompletedProcess(command, 0, out, "")

    monkeypatch.delenv(environment.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(environment, "_said", said)
    return ran


def kept(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache" / "eighteen" / "litert").iterdir())


def test_the_environment_is_made_once_with_pinned_packages_and_said_before(
    faked: list[list[str]], tmp_path: Path
) -> None:
    notes: list[str] = []
    python = environment.converter_python(lambda stage, done, total, note: notes.append(note))
    assert python.is_file() and kept(tmp_path) == [python.parents[1]]
    (install,) = [command for command in faked if "pip" in command]
    pins = [line for line in Path(install[-1]).read_text().splitlines() if not line.startswith("#")]
    assert "--no-deps" in install and all(line.count("==") == 1 for line in pins)
    assert len(notes) == 1 and "750 MB" in notes[0] and "minutes" in notes[0]
    count = len(faked)
    assert environment.converter_python() == python
    assert len(faked) == count


def test_an_interrupted_making_leaves_nothing_and_the_next_one_works(
    faked: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = environment._said

    def interrupted(command: list[str]) -> subprocess.CompletedProcess[str]:
        if "pip" in command:
            raise KeyboardInterrupt
        return right(command)

    with monkeypatch.context() as patch:
        patch.setattr(environment, "_said", interrupted)
        with pytest.raises(KeyboardInterrupt):
            environment.converter_python()
    assert kept(tmp_path) == []
    left = tmp_path / "cache" / "eighteen" / "litert" / f".{environment._key()}.1.part"
    left.mkdir()  # a process that was killed cannot clean up
    python = environment.converter_python()
    assert kept(tmp_path) == [python.parents[1]]


def test_without_network_it_says_what_to_do_and_leaves_nothing(
    faked: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = environment._said

    def offline(command: list[str]) -> subprocess.CompletedProcess[str]:
        if "pip" not in command:
            return right(command)
        lines = "WARNING: Retrying\nERROR: Could not find a version that satisfies jax==0.10.2\n\n[notice] x"
        return subprocess.CompletedProcess(command, 1, "", lines)

    monkeypatch.setattr(environment, "_said", offline)
    with pytest.raises(EighteenError, match=r"Could not find a version .* EIGHTEEN_LITERT_PYTHON"):
        environment.converter_python()
    assert kept(tmp_path) == []


def test_without_room_nothing_is_begun(faked: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "free_bytes", lambda path: 10**8)
    with pytest.raises(EighteenError, match=r"needs 1\.3 GB .* 0\.1 GB are free; make room"):
        environment.converter_python()
    assert faked == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no lock on folders")
def test_two_that_need_it_at_once_make_one(faked: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    right, begun = environment._said, threading.Event()

    def slowly(command: list[str]) -> subprocess.CompletedProcess[str]:
        if "venv" in command:
            begun.wait(0.3)
        return right(command)

    monkeypatch.setattr(environment, "_said", slowly)
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(environment.converter_python())) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and found[0] == found[1]
    assert len([command for command in faked if "venv" in command]) == 1


def test_a_named_environment_is_used_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.VARIABLE, str(tmp_path / "none"))
    with pytest.raises(EighteenError, match="which is no file"):
        environment.converter_python()
    script = tmp_path / "script"
    script.write_text("no program")
    for mode in (0o644, 0o755):
        script.chmod(mode)
        monkeypatch.setenv(environment.VARIABLE, str(script))
        with pytest.raises(EighteenError, match=r"script, which is no program that can be run \("):
            environment.converter_python()
    monkeypatch.setenv(environment.VARIABLE, sys.executable)
    if importlib.util.find_spec("litert_torch") is None:
        with pytest.raises(EighteenError, match=r"has no converter \(.*litert-torch"):
            environment.converter_python()
