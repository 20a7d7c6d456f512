"""How the Python examples beside a model read files: as this package does, whatever the depth."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from eighteen.core.inputs import InputSpec
from eighteen.core.pixels import decode
from eighteen.exporting.bundle import examples
from eighteen.inference.exported import formats

SPEC = InputSpec(background=(10, 200, 30))
READING = {"coreml": "fitting.py"}
"""Of examples that read files elsewhere than in `predict.py`."""

KINDS = [kind for kind in formats() if "predict.py" in examples(kind)]


def reader(kind: str) -> Callable[[Path], npt.NDArray[np.uint8]]:
    """The example's own `read`, without the runtime that its program opens."""
    tree = ast.parse(examples(kind)[READING.get(kind, "predict.py")])
    tree.body = [part for part in tree.body if getattr(part, "name", "") in ("in_8_bits", "read")]
    spec = SPEC.to_json()
    names: dict[str, Any] = {"np": np, "Image": Image, "ImageOps": ImageOps}
    names |= {"spec": spec, "background": tuple(spec["background"])}
    exec(compile(tree, kind, "exec"), names)
    return lambda path: names["read"](path, spec) if kind == "coreml" else names["read"](path)


def ramp(low: float, high: float, kind: str) -> npt.NDArray[Any]:
    return np.linspace(low, high, 40 * 30).reshape(40, 30).astype(kind)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Grey in every depth that Pillow opens, and pictures of 8 bits that must stay as they are."""
    folder = tmp_path_factory.mktemp("deep")
    deep = {
        "16 bits.png": ramp(0, 65535, "uint16"),
        "12 bits.png": ramp(0, 4000, "uint16"),
        "8 bits.png": ramp(0, 200, "uint16"),
        "16 bits.tif": ramp(0, 65535, "uint16"),
        "16 bits reversed.tif": ramp(0, 40000, ">u2"),
        "32 bits.tif": ramp(0, 70000, "int32"),
        "32 bits of 12.tif": ramp(0, 3000, "int32"),
        "below 0.tif": ramp(-500, 1500, "int32"),
        "floats to 1.tif": ramp(0, 1, "float32"),
        "floats to 255.tif": ramp(0, 255, "float32"),
        "floats beyond.tif": ramp(0, 1e6, "float32"),
        "floats below 0.tif": ramp(-1, 1, "float32"),
        "black.tif": ramp(0, 0, "float32"),
    }
    for name, values in deep.items():
        Image.fromarray(values).save(folder / name)
    Image.fromarray(ramp(0, 65535, "uint16")).save(folder / "clear.png", transparency=0)
    colours = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 4), dtype=np.uint8))
    colours.save(folder / "transparent.png")
    colours.convert("L").save(folder / "grey.png")
    colours.convert("1").save(folder / "bilevel.png")
    colours.convert("RGB").quantize(16).save(folder / "palette.png")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_reads_files_as_this_package_does(kind: str, files: list[Path]) -> None:
    read = reader(kind)
    for path in files:
        wanted = SPEC.to_channels(decode(path))
        assert wanted.std() > 10 or path.name == "black.tif"
        np.testing.assert_array_equal(read(path), wanted, err_msg=path.name)
