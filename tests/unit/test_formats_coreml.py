"""Core ML packages: what can be proved of them without Core ML, and that nothing more is claimed.

The program is read back from the disk and computed here, operation by operation as the ML program's own
documentation defines them. That shows that the file says the right thing, not that Core ML does it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from eighteen.core.artifact import Exportable
from eighteen.core.calibration import Calibration
from eighteen.core.errors import EighteenError
from eighteen.core.inputs import InputSpec
from eighteen.exporting.awkward import awkward_pictures
from eighteen.exporting.bundle import examples
from eighteen.formats import coreml
from eighteen.models.resnet18 import ResNet18
from synthetic import with_random_norms

if importlib.util.find_spec("coremltools") is None:
    pytest.skip("coremltools is not installed", allow_module_level=True)

INPUTS = InputSpec(
    size=32,
    fit="crop",
    crop_fraction=0.8,
    mean=(0.5, 0.4, 0.6),
    std=(0.2, 0.3, 0.25),
    mirror_average=True,
    background=(10, 200, 30),
)
CLASSES = ("a", "ü", "c")


@pytest.fixture(scope="module")
def model() -> Exportable:
    torch.manual_seed(0)
    network = ResNet18(len(CLASSES), blocks=(1, 1, 1, 1), stem="imagenet", width=8)
    with_random_norms(network)
    with torch.no_grad():  # as trained weights are here and there; in halves it would be 0
        network.conv1.weight[0, 0, 0, 0] = 1e-9
    nothing = np.zeros((0, 3, 32, 32), np.float32)
    calibration = Calibration("bent", (0.7, 0.4, 0.5), (0.1, -0.2, 0.3), bend=0.1)
    return Exportable(network.eval(), INPUTS, calibration, CLASSES, {"model": "resnet18"}, lambda: nothing)


@pytest.fixture(scope="module", params=coreml.PRECISIONS)
def written(
    request: pytest.FixtureRequest, model: Exportable, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("coreml")
    made = coreml.write(model, folder, request.param)
    assert (made.model, made.bare) == ("model.mlpackage", "bare.mlpackage")
    assert "resize the short side to 40 and cut the middle 32 x 32, bilinear with antialias" in made.outside
    assert "round to 8 bits" in made.outside
    return folder, request.param


def test_what_reading_can_prove_holds(written: tuple[Path, str], model: Exportable) -> None:
    folder, precision = written
    right, wrong = coreml.check_files(model, folder, precision)
    assert wrong == []
    assert (
        f"model.mlpackage holds the weights of all 13 layers that have some, bit for bit in {precision}"
        in right
    )
    assert len(right) == 8


def test_a_single_other_weight_and_other_classes_are_seen(
    written: tuple[Path, str], model: Exportable
) -> None:
    folder, precision = written
    other = ResNet18(len(CLASSES), blocks=(1, 1, 1, 1), stem="imagenet", width=8)
    other.load_state_dict(model.network.state_dict())
    with torch.no_grad():
        other.fc.weight[0, 0] += 0.01
    _, wrong = coreml.check_files(replace(model, network=other), folder, precision)
    assert [line.split(" of all ")[0] for line in wrong] == [
        "model.mlpackage holds the weights",
        "bare.mlpackage holds the weights",
    ]
    _, wrong = coreml.check_files(replace(model, class_names=("a", "c", "ü")), folder, precision)
    assert [line.partition(" ")[2] for line in wrong] == ["carries classes, inputs and calibration"] * 2


def test_the_packages_say_what_they_take_and_give(written: tuple[Path, str], model: Exportable) -> None:
    folder, _ = written
    spec, _ = coreml._read(folder / "model.mlpackage")
    image = spec.description.input[0].type.imageType
    assert (image.width, image.height) == (32, 32)
    assert image.ColorSpace.Name(image.colorSpace) == "RGB"
    notes = spec.description.metadata.userDefined
    assert dict(model.metadata).items() <= dict(notes).items()
    assert notes["input_spec_sha256"] == INPUTS.sha256
    for each in spec.description.output:
        assert list(each.type.multiArrayType.shape) == [1, len(CLASSES)]
    spec, _ = coreml._read(folder / "bare.mlpackage")
    assert list(spec.description.input[0].type.multiArrayType.shape) == [1, 3, 32, 32]


def number(value: Any) -> Any:
    return value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))


OPERATIONS: dict[str, Callable[[dict[str, Any]], Tensor]] = {
    "relu": lambda given: given["x"].relu(),
    "add": lambda given: given["x"] + given["y"],
    "sub": lambda given: given["x"] - given["y"],
    "mul": lambda given: given["x"] * given["y"],
    "exp": lambda given: given["x"].exp(),
    "log": lambda given: given["x"].log(),
    "linear": lambda given: functional.linear(given["x"], given["weight"], given.get("bias")),
    "softmax": lambda given: given["x"].softmax(int(given["axis"])),
    "reduce_mean": lambda given: given["x"].mean(given["axes"].tolist(), keepdim=bool(given["keep_dims"])),
    "reduce_max": lambda given: given["x"].amax(given["axes"].tolist(), keepdim=bool(given["keep_dims"])),
    "reduce_sum": lambda given: given["x"].sum(given["axes"].tolist(), keepdim=bool(given["keep_dims"])),
    "reshape": lambda given: given["x"].reshape(given["shape"].tolist()),
    "reverse": lambda given: given["x"].flip(given["axes"].tolist()),
    "cast": lambda given: given["x"],
    "squeeze": lambda given: given["x"].squeeze(given["axes"].tolist()),
}


def padding(given: dict[str, Any]) -> list[int]:
    if str(given["pad_type"]) == "valid":
        return [0, 0]
    assert str(given["pad_type"]) == "custom"
    before, after = given["pad"].tolist()[::2], given["pad"].tolist()[1::2]
    assert before == after
    return list(before)


def convolved(given: dict[str, Any]) -> Tensor:
    bias = given.get("bias")
    return functional.conv2d(given["x"], given["weight"], bias, given["strides"].tolist(), padding(given))


def pooled(given: dict[str, Any]) -> Tensor:
    sizes, steps = given["kernel_sizes"].tolist(), given["strides"].tolist()
    return functional.max_pool2d(given["x"], sizes, steps, padding(given))


def normed(given: dict[str, Any]) -> Tensor:
    values = (given[name] for name in ("mean", "variance", "gamma", "beta"))
    return functional.batch_norm(given["x"], *values, eps=float(given["epsilon"]))


def sliced(given: dict[str, Any]) -> Tensor:
    """Masks that are not given are all false, steps are one."""
    axes = len(given["begin"])
    begin, end = ([int(each) for each in given[name]] for name in ("begin", "end"))
    open_begin, open_end, gone = (
        [bool(each) for each in given.get(name, [False] * axes)]
        for name in ("begin_mask", "end_mask", "squeeze_mask")
    )
    steps = [int(each) for each in given.get("stride", [1] * axes)]
    assert min(steps) > 0
    kept = given["x"][
        tuple(
            slice(
                None if open_begin[axis] else begin[axis], None if open_end[axis] else end[axis], steps[axis]
            )
            if not gone[axis]
            else begin[axis]
            for axis in range(axes)
        )
    ]
    assert isinstance(kept, Tensor)
    return kept


def computed(program: Any, takes: str, value: Tensor) -> dict[str, Tensor]:
    """Every value of an ML program, by name."""
    known: dict[str, Any] = {takes: value}
    special = {"conv": convolved, "max_pool": pooled, "batch_norm": normed, "slice_by_index": sliced}

    def said(one: Any) -> Any:
        if isinstance(one, list | tuple):
            return [said(each) for each in one]
        if one.name in known:
            return known[one.name]
        return one.val if isinstance(one.val, str) else number(one.val)

    for operation in program.functions["main"].operations:
        if operation.op_type == "const":
            continue
        given = {name: said(one) for name, one in operation.inputs.items() if one is not None}
        if operation.op_type == "concat":
            result = torch.cat(given["values"], int(given["axis"]))
        else:
            result = (special | OPERATIONS)[operation.op_type](given)
        known[operation.outputs[0].name] = result
    return known


def test_the_program_in_the_files_computes_what_the_network_does(
    written: tuple[Path, str], model: Exportable
) -> None:
    folder, precision = written
    if precision == "fp16":
        pytest.skip("the half precision of Core ML is not computed here; its weights are compared above")
    for picture in awkward_pictures(32)[4:9]:
        fitted = INPUTS.fitted_batch([picture])
        tensor = torch.from_numpy(INPUTS.normalised(fitted))
        with torch.no_grad():
            both = (model.network(tensor) + model.network(tensor.flip(-1))) / 2
            right = model.calibration.apply(both.numpy())
            for name, takes, given in (
                (coreml.MODEL, coreml.IMAGE, torch.from_numpy(fitted)),
                (coreml.BARE, coreml.TENSOR, tensor),
            ):
                found = computed(coreml._read(folder / name)[1], takes, given)
                np.testing.assert_allclose(found["logits"].numpy(), right, atol=1e-5)
                wanted = torch.from_numpy(right).softmax(-1).numpy()
                np.testing.assert_allclose(found["probabilities"].numpy(), wanted, atol=1e-6)


@pytest.mark.skipif(sys.platform == "darwin", reason="Core ML runs here")
def test_where_core_ml_does_not_run_opening_says_so(written: tuple[Path, str]) -> None:
    folder, _ = written
    with pytest.raises(EighteenError, match=r"cannot be asked here: Core ML runs on Apple's machines alone"):
        coreml.open_files(folder / "model.mlpackage", folder / "bare.mlpackage")


def example(name: str, folder: Path) -> ModuleType:
    (folder / name).write_text(examples("coreml")[name], "utf-8")
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), folder / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("change", [{}, {"fit": "letterbox", "kernel": "bicubic"}, {"fit": "squash"}])
def test_the_example_fits_pictures_as_training_does(change: dict[str, Any], tmp_path: Path) -> None:
    inputs = INPUTS.model_copy(update=change)
    fitting = example("fitting.py", tmp_path)
    for picture in awkward_pictures(32):
        found = fitting.fitted(picture, inputs.to_json())
        np.testing.assert_allclose(found, inputs.fitted(picture), atol=1e-3)
    assert coreml.as_picture(found).size == (32, 32)
