"""The examples of an ONNX export in other languages: compiled, and run where their runtime is at hand."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from eighteen import Predictor, Run, export
from eighteen.core.inputs import InputSpec
from eighteen.core.pixels import decode
from eighteen.exporting.bundle import examples

JAVA_STAND_IN = Path(__file__).parent / "onnxruntime_java"
STB = next((place.parent for place in Path("/usr/include").glob("stb*/stb_image.h")), None)


@pytest.fixture(scope="module")
def exported(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(trained, "onnx", out=tmp_path_factory.mktemp("shipped") / "onnx").artifact.path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All EXIF orientations of one picture whose corners differ, a transparent one, a palette, a grey one."""
    folder = tmp_path_factory.mktemp("awkward")
    rows, columns = np.mgrid[0:60, 0:90]
    planes = [rows * 4, columns * 2, (rows // 20 + columns // 30) % 2 * 255]
    picture = Image.fromarray(np.stack(planes, -1).astype(np.uint8))
    for number in range(1, 9):
        turned = Image.Exif()
        turned[0x0112] = number
        picture.save(folder / f"turned-{number}.jpg", exif=turned, quality=98, subsampling=0)
    see_through = picture.copy()
    see_through.putalpha(Image.fromarray((columns * 255 // 89).astype(np.uint8)))
    see_through.save(folder / "transparent.png")
    picture.quantize(16).save(folder / "palette.png")
    picture.convert("L").save(folder / "grey.png")
    return sorted(folder.iterdir())


def check(said: str, files: list[Path], exported: Path, tolerance: float) -> None:
    """Rows of file, class and probability, against Python."""
    rows = [line.split("\t") for line in said.splitlines()]
    expected = Predictor.open(exported).predict(files)
    assert [row[0] for row in rows] == [str(path) for path in files]
    assert [row[1] for row in rows] == [each.label for each in expected]
    np.testing.assert_allclose(
        [float(row[2]) for row in rows], [each.score for each in expected], atol=tolerance
    )


def ran(*command: object, cwd: Path | None = None, **environment: str) -> str:
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_cpp(exported: Path, files: list[Path], tmp_path: Path) -> None:
    headers = os.environ.get("EIGHTEEN_ONNXRUNTIME_INCLUDE", "/usr/include/onnxruntime")
    if not (Path(headers) / "onnxruntime_cxx_api.h").exists():
        pytest.skip("no onnxruntime_cxx_api.h: set EIGHTEEN_ONNXRUNTIME_INCLUDE to its folder")
    if STB is None or shutil.which("g++") is None:
        pytest.skip("no stb_image.h or no g++")
    library = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    (tmp_path / "libonnxruntime.so.1").symlink_to(library)
    program = tmp_path / "predict"
    warned = ("-Wall", "-Wextra", "-Werror", "-isystem", headers, "-isystem", STB)
    ran("g++", "-std=c++17", *warned, exported / "cpp" / "predict.cpp", library, "-o", program)
    said = ran(program, exported, *files, LD_LIBRARY_PATH=str(tmp_path))
    check(said, files, exported, tolerance=5e-3)  # its inverse DCT rounds otherwise


def test_cpp_reads_pictures_whose_exif_block_is_broken(exported: Path, tmp_path: Path) -> None:
    if STB is None or shutil.which("g++") is None:
        pytest.skip("no stb_image.h or no g++")
    whole = io.BytesIO()
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (40, 20), "red").save(whole, "jpeg", exif=turned)
    content = whole.getvalue()
    block = content.index(b"Exif\0\0") + 6
    far = content[: block + 4] + b"\xff\xff\xff\x7f" + content[block + 8 :]  # where the table is said to be
    many = content[: block + 8] + b"\xff\xff" + content[block + 10 :]  # entries that it is said to have
    files = [tmp_path / f"{name}.jpg" for name in ("whole", "far", "many")]
    for path, each in zip(files, (content, far, many), strict=True):
        path.write_bytes(each)
    (tmp_path / "sides.cpp").write_text(
        f'#include "{exported / "cpp" / "picture.h"}"\n#include <iostream>\n'
        "int main(int n, char** files) {\n"
        "  for (int i = 1; i < n; ++i) {\n"
        "    const Picture read = read_picture(files[i]);\n"
        "    std::cout << read.width << 'x' << read.height << ' ';\n"
        "  }\n}\n"
    )
    program = tmp_path / "sides"
    ran(
        "g++",
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-isystem",
        STB,
        tmp_path / "sides.cpp",
        "-o",
        program,
    )
    said = ran(program, *files).split()
    assert said[:2] == ["20x40", "40x20"] and said[2] in ("20x40", "40x20")


def test_javascript(exported: Path, files: list[Path]) -> None:
    packages = os.environ.get("EIGHTEEN_NODE_MODULES", "")
    if not (Path(packages) / "onnxruntime-node").exists() or shutil.which("node") is None:
        pytest.skip(
            "no onnxruntime-node and sharp: set EIGHTEEN_NODE_MODULES to a node_modules folder with both"
        )
    (exported / "javascript" / "node_modules").symlink_to(packages)
    check(ran("node", exported / "javascript" / "predict.mjs", *files), files, exported, tolerance=1e-4)


READS = """
import java.awt.image.BufferedImage;
import java.io.File;
import javax.imageio.ImageIO;

public class Reads {
  public static void main(String[] files) throws Exception {
    for (String file : files) {
      BufferedImage flat = Predict.flat(ImageIO.read(new File(file)));
      for (int pixel : flat.getRGB(0, 0, flat.getWidth(), flat.getHeight(), null, 0, flat.getWidth()))
        System.out.printf("%06x", pixel & 0xffffff);
      System.out.println();
    }
  }
}
"""


def test_java_compiles_and_reads_pictures_as_they_are(tmp_path: Path) -> None:
    if shutil.which("javac") is None or shutil.which("java") is None:
        pytest.skip("no javac and java")
    inputs = InputSpec(background=(10, 200, 30))
    stand_in = sorted(JAVA_STAND_IN.rglob("*.java"))
    for name, text in (
        ("Predict", examples("onnx", inputs.background)["java/Predict.java"]),
        ("Reads", READS),
    ):
        (tmp_path / f"{name}.java").write_text(text, "utf-8")
    sources = (tmp_path / "Predict.java", tmp_path / "Reads.java")
    ran("javac", "-Xlint:all,-try", "-Werror", "-d", tmp_path, *stand_in, *sources)
    pictures = pictures_of_all_modes(tmp_path)
    for path, line in zip(pictures, ran("java", "-cp", tmp_path, "Reads", *pictures).split(), strict=True):
        wanted = inputs.to_channels(decode(path))
        found = np.frombuffer(bytes.fromhex(line), np.uint8).reshape(wanted.shape)
        # Blending and 16 bits are rounded otherwise.
        assert np.abs(found.astype(int) - wanted).max() <= 1, path.name


def pictures_of_all_modes(folder: Path) -> list[Path]:
    """With noise in every band."""
    random = np.random.default_rng(4)
    colours = Image.fromarray(random.integers(0, 256, (20, 30, 4), dtype=np.uint8))
    pictures = {mode: colours.convert(mode) for mode in ("L", "LA", "RGB", "RGBA", "1")}
    pictures["P"] = colours.convert("RGB").quantize(16)
    pictures["I16"] = Image.fromarray(random.integers(0, 65536, (20, 30), dtype=np.uint16))
    for mode, picture in pictures.items():
        picture.save(folder / f"{mode}.png")
    colours.convert("L").save(folder / "grey.jpg", quality=95)
    return [*(folder / f"{mode}.png" for mode in pictures), folder / "grey.jpg"]


@pytest.mark.parametrize("folder", ["browser/page", "onnx/javascript"])
def test_scripts_are_whole(folder: str, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("no node")
    templates = Path(__file__).parents[2] / "src/eighteen/exporting/templates" / folder
    for script in sorted([*templates.glob("*.js"), *templates.glob("*.mjs")]):
        module = tmp_path / f"{script.stem}.mjs"
        module.write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
        ran("node", "--check", module)


def test_openvino_example_answers(trained: Run, files: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    folder = export(trained, "openvino", out=tmp_path / "openvino").artifact.path
    check(ran(sys.executable, "-I", folder / "predict.py", *files), files, folder, tolerance=1e-3)
    assert "eighteen" not in (folder / "predict.py").read_text(encoding="utf-8").replace('["eighteen", ', "")
