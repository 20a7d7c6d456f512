"""Every export format: the same answers as the network, from pictures and from tensors, and what files say
of themselves. One contract over all of them; those whose packages are absent are skipped by name.

BatchNorm is randomised: at its start a residual branch may be worth nothing, and any export would pass."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from eighteen.core.artifact import Exportable, Opened
from eighteen.core.calibration import Calibration
from eighteen.core.errors import EighteenError, RunError
from eighteen.core.inputs import InputSpec
from eighteen.core.predictions import softmax
from eighteen.exporting.awkward import awkward_pictures
from eighteen.formats import _ort_web
from eighteen.inference.exported import formats, load_format
from eighteen.inference.scoring import Scorer
from eighteen.models.family import build

INPUTS = InputSpec(
    size=32,
    fit="letterbox",
    kernel="bicubic",
    mirror_average=True,
    background=(10, 200, 30),
    mean=(0.5, 0.4, 0.6),
    std=(0.2, 0.3, 0.25),
)
CLASSES = ("a", "b", "ü", "d")
CALIBRATION = Calibration("bent", (1.1, 0.9, 1.2, 0.8), (0.1, -0.2, 0.3, 0.0), bend=0.05)

LARGEST_GAP = {"fp32": 1e-5, "fp16": 5e-3, "bf16": 5e-2, "int8": 0.15}
"""Between logits of about 1, by precision."""

ALONE_GAP = {"bf16": 1e-2}
"""Between a picture asked alone and among others, where it is not 1e-5: sums are taken in another order."""


def randomised(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -0.3, 0.3),
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.5, 2.0),
            ):
                assert tensor is not None
                with torch.no_grad():
                    tensor.uniform_(low, high, generator=generator)
    return network


@pytest.fixture(scope="module")
def model() -> Exportable:
    torch.manual_seed(0)
    settings = {"name": "test_resnet", "num_classes": len(CLASSES), "in_channels": 3, "stem": "imagenet"}
    network = build(**settings)
    samples = np.random.default_rng(1).uniform(0, 255, (64, 3, 32, 32)).astype(np.float32)
    notes = {"model": "test_resnet", "network": json.dumps(settings)}
    return Exportable(randomised(network).eval(), INPUTS, CALIBRATION, CLASSES, notes, lambda: samples)


@pytest.fixture(scope="module", autouse=True)
def _stand_in_for_the_browsers_runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A browser is not asked here: the runtime beside the page is copied and no more."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in _ort_web.SHA256:
        (folder / name).write_bytes(b"stand-in")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(_ort_web.VARIABLE, str(folder))
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache that module-wide files are written with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(made := tmp_path_factory.mktemp("cache")))
        yield made


@pytest.fixture(autouse=True)
def _one_cache_for_all(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test has a cache of its own otherwise, and would not know what was compiled for all of them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))


@dataclass(frozen=True)
class Written:
    module: ModuleType
    folder: Path
    precision: str
    model: Exportable
    opened: Opened


COMPILES_FOR_LONG = {"aotinductor"}
"""Takes about a minute of processor time for each precision."""

PAIRS = [
    (name, precision)
    for name in formats()
    for precision in __import__(f"eighteen.formats.{name}", fromlist=["PRECISIONS"]).PRECISIONS
]

KINDS = [
    pytest.param(pair, marks=[pytest.mark.slow] if pair[0] in COMPILES_FOR_LONG else []) for pair in PAIRS
]


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def written(
    request: pytest.FixtureRequest, model: Exportable, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Written:
    name, precision = request.param
    module = __import__(f"eighteen.formats.{name}", fromlist=["NEEDS"])
    if precision == "int8" and getattr(module, "INTEGERS_THROUGHOUT", False):
        model = replace(model, calibration=replace(CALIBRATION, bend=0.0))
    require(module, precision)
    folder = tmp_path_factory.mktemp(f"{name}-{precision}")
    files = module.write(model, folder, precision)
    opened = module.open_files(folder / files.model, folder / files.bare)
    return Written(module, folder, precision, model, opened)


def require(module: ModuleType, precision: str) -> None:
    """Skips what cannot be written or opened here, by name."""
    more = getattr(module, "NEEDS_FOR_INT8", ()) if precision == "int8" else ()
    for package in (*module.NEEDS, *more):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    if hasattr(module, "CONVERTER") and not os.environ.get(module.CONVERTER):
        pytest.skip(f"the converter of {module.__name__} is not at hand: {module.CONVERTER} is not set")
    if hasattr(module, "uncompared") and module.uncompared():
        pytest.skip(module.uncompared())
    if hasattr(module, "compiler"):
        try:
            module.compiler()
        except EighteenError as absent:
            pytest.skip(str(absent))


def expected(model: Exportable, pictures: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
    scorer = Scorer(model.network, model.inputs, torch.device("cpu"))
    return model.calibration.apply(scorer(np.stack([model.inputs.fitted(picture) for picture in pictures])))


def test_pictures_of_any_size_get_the_networks_answers(written: Written) -> None:
    pictures = awkward_pictures(INPUTS.size)
    right = expected(written.model, pictures)
    assert right.std(axis=0).min() > 1e-3, "a network that answers alike to everything proves nothing"
    rounded = hasattr(written.module, "as_picture")  # takes pictures of 8 bits
    allowed = max(LARGEST_GAP[written.precision], 0.05 * rounded)
    np.testing.assert_allclose(written.opened.answer(pictures), right, atol=allowed)


def test_the_tensor_entry_gives_the_same(written: Written) -> None:
    pictures = awkward_pictures(INPUTS.size)
    tensor = INPUTS.normalised(np.stack([INPUTS.fitted(picture) for picture in pictures]))
    got = written.opened.bare(tensor)
    np.testing.assert_allclose(got, expected(written.model, pictures), atol=LARGEST_GAP[written.precision])


def test_several_pictures_at_once_are_answered_like_each_alone(written: Written) -> None:
    pictures = list(np.random.default_rng(2).integers(0, 256, (3, 40, 56, 3), dtype=np.uint8))
    together = written.opened.answer(pictures)
    alone = np.concatenate([written.opened.answer([picture]) for picture in pictures])
    np.testing.assert_allclose(together, alone, atol=ALONE_GAP.get(written.precision, 1e-5))


@pytest.mark.parametrize("name", sorted(name for name, precision in PAIRS if precision == "int8"))
def test_what_one_training_picture_alone_has_is_not_cut_off(
    name: str, model: Exportable, tmp_path: Path
) -> None:
    module = __import__(f"eighteen.formats.{name}", fromlist=["NEEDS"])
    require(module, "int8")
    torch.manual_seed(0)
    lit = nn.Conv2d(3, 8, 3)
    nn.init.uniform_(lit.weight, 0.0, 0.2)  # the brighter, the more: dark pictures have next to nothing
    network = nn.Sequential(lit, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    dark = np.random.default_rng(1).uniform(0, 20, (64, 3, 32, 32))
    dark[40] = np.random.default_rng(2).uniform(235, 255, (3, 32, 32))
    samples = dark.astype(np.float32)
    plain = replace(model, network=network.eval(), samples=lambda: samples, calibration=Calibration())
    files = module.write(plain, tmp_path, "int8")
    tensor = INPUTS.normalised(samples[40:41])
    found = module.open_files(tmp_path / files.model, tmp_path / files.bare).bare(tensor)
    with torch.no_grad():
        both = torch.from_numpy(np.concatenate([tensor, tensor[..., ::-1]]))
        right = network(both).mean(0, keepdim=True).numpy()
    np.testing.assert_allclose(found, right, atol=0.15 * np.ptp(right))


def test_the_file_says_what_its_classes_and_inputs_are(written: Written) -> None:
    assert written.opened.class_names == CLASSES
    assert written.opened.inputs == INPUTS


def test_a_damaged_file_is_a_clear_error(written: Written, tmp_path: Path) -> None:
    name = next(path.name for path in written.folder.iterdir() if path.name.startswith("model."))
    broken = tmp_path / name
    broken.write_bytes(b"not a model")
    with pytest.raises(RunError, match="export"):
        written.module.open_files(broken, broken)


def test_the_onnx_file_has_the_names_that_programs_rely_on(model: Exportable, tmp_path: Path) -> None:
    import onnxruntime

    load_format("onnx").write(model, tmp_path, "fp32")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert [(one.name, one.type, one.shape[3]) for one in session.get_inputs()] == [
        ("image", "tensor(uint8)", 3)
    ]
    assert [one.name for one in session.get_outputs()] == ["probabilities", "logits"]
    notes = session.get_modelmeta().custom_metadata_map
    assert json.loads(notes["classes"]) == list(CLASSES)
    assert InputSpec.from_json(json.loads(notes["input_spec"])) == INPUTS
    assert notes["input_spec_sha256"] == INPUTS.sha256
    pictures = np.random.default_rng(3).integers(0, 256, (2, 33, 47, 3), dtype=np.uint8)
    probabilities, logits = session.run(None, {"image": pictures})
    np.testing.assert_allclose(probabilities, softmax(logits), atol=1e-6)
    assert probabilities.shape == (2, len(CLASSES))


def test_an_unknown_format_is_named_with_those_that_exist() -> None:
    with pytest.raises(EighteenError, match=r"no format 'onyx' .* onnx"):
        load_format("onyx")
