"""Weights from files: what is read, what is refused and with which words, and how they are fitted."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from eighteen.core.errors import WeightsError
from eighteen.models.family import build
from eighteen.models.resnet18 import ResNet18
from eighteen.models.weights import fit, load_file


def _state(**options: Any) -> dict[str, Tensor]:
    torch.manual_seed(5)
    return ResNet18(4, width=8, **options).state_dict()


def _same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _wrapped(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "args": argparse.Namespace(lr=0.1)},
        lambda state: {"state_dict": _wrapped("model.", state)},
        lambda state: _wrapped("module.", state),
        lambda state: _wrapped("module._orig_mod.", state),
        lambda state: {"n_averaged": torch.tensor(3), **_wrapped("module.", state)},
        lambda state: {"state_dict": {"x": torch.zeros(1)}, "state_dict_ema": state},
    ],
)
def test_wrappings_of_training_programs_are_taken_off(wrap: Callable[..., Any], tmp_path: Path) -> None:
    state = _state()
    torch.save(wrap(state), tmp_path / "w.pt")
    assert _same(load_file(tmp_path / "w.pt"), state)


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    state = _state()
    save_file(state, tmp_path / "weights.pt")
    torch.save(state, tmp_path / "weights.safetensors")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("weights.pt", "weights.safetensors", "old.pth"):
        assert _same(load_file(tmp_path / name), state)


def test_the_folder_of_a_run_is_read(tmp_path: Path) -> None:
    save_file(_state(), tmp_path / "weights.safetensors")
    assert _same(load_file(tmp_path), _state())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "checkpoint is incomplete"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 46830571\n", "git-lfs"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"Not Found\n", "text file ('Not Found')"),
        (bytes(range(200, 256)), "checkpoint is incomplete"),
    ],
)
def test_files_that_are_no_weights_are_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        load_file(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.999])
def test_a_cut_file_is_incomplete_and_the_newest_whole_one_is_named(
    ending: str, share: float, tmp_path: Path
) -> None:
    good, cut = tmp_path / "epoch9.safetensors", tmp_path / f"last{ending}"
    save_file(_state(), good)
    if ending == ".pt":
        torch.save(_state(), cut)
    else:
        save_file(_state(), cut)
    whole = cut.read_bytes()
    cut.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(WeightsError, match="checkpoint is incomplete") as caught:
        load_file(cut)
    assert str(cut) in str(caught.value)
    assert "epoch9.safetensors" in str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_would_run_code_never_does(zipped: bool, tmp_path: Path) -> None:
    path, marker = tmp_path / "evil.pt", tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (marker,)

    torch.save({"state_dict": _state(), "extra": Payload()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="would run code"):
        load_file(path)
    assert not marker.exists()


def test_damaged_bytes_are_read_or_refused_but_never_crash(tmp_path: Path) -> None:
    tensors = {"a.weight": torch.zeros(3, 3), "a.bias": torch.zeros(3)}
    save_file(tensors, tmp_path / "one")
    torch.save(tensors, tmp_path / "two")
    torch.save(tensors, tmp_path / "three", _use_new_zipfile_serialization=False)
    chance, refused = random.Random(0), 0
    for name in ("one", "two", "three") * 40:
        damaged = bytearray((tmp_path / name).read_bytes())
        for _ in range(20):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (tmp_path / "damaged").write_bytes(damaged)
        try:
            load_file(tmp_path / "damaged")
        except WeightsError:
            refused += 1
    assert refused > 20


def test_missing_files_and_files_without_tensors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no file"):
        load_file(tmp_path / "absent.pt")
    with pytest.raises(WeightsError, match=r"weights\.safetensors"):
        load_file(tmp_path)
    torch.save({"epoch": 3, "names": ["a"]}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="it holds: epoch, names"):
        load_file(tmp_path / "w.pt")


@pytest.mark.shared
def test_case_pickle_payload(
    case_dir: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=r"would run code \(io\.open\)"):
        load_file(case_dir("C58") / "data" / "evil.pt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.shared
@pytest.mark.parametrize("name", ["last.pt", "empty.pt"])
def test_case_checkpoint_cut(name: str, case_dir: Callable[[str], Path]) -> None:
    with pytest.raises(WeightsError, match=f"checkpoint is incomplete.*{name}"):
        load_file(case_dir("C56") / "data" / name)


def test_everything_fits_its_own_network() -> None:
    model = ResNet18(4, width=8)
    loaded = fit(model, _state())
    assert (loaded.matched, loaded.total, loaded.head_replaced) == (100, 100, False)
    assert loaded.sentence == "100 of 100 tensors of the backbone loaded"
    assert _same(model.state_dict(), _state())


def test_a_head_for_other_classes_keeps_its_start() -> None:
    model = ResNet18(7, width=8)
    start = model.fc.weight.clone()
    loaded = fit(model, _state())
    assert loaded.head_replaced
    assert "the head starts anew (the file has 4 classes, this network 7 classes)" in loaded.sentence
    assert torch.equal(model.fc.weight, start)
    assert torch.equal(model.state_dict()["layer4.1.conv2.weight"], _state()["layer4.1.conv2.weight"])


def test_a_file_without_a_head_is_said() -> None:
    backbone = {name: tensor for name, tensor in _state().items() if not name.startswith("fc.")}
    assert "the file has no head" in fit(ResNet18(4, width=8), backbone).sentence


@pytest.mark.parametrize(("given", "own"), [(3, 1), (1, 3), (3, 6), (1, 5)])
def test_first_convolution_sees_a_grey_picture_as_before(given: int, own: int) -> None:
    grey = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    before, after = ResNet18(4, width=8, in_channels=given), ResNet18(4, width=8, in_channels=own)
    loaded = fit(after, before.state_dict())
    assert f"first convolution adapted from {given} to {own} channels" in loaded.sentence
    assert loaded.matched == loaded.total
    with torch.no_grad():
        expected = before.eval()(grey.expand(-1, given, -1, -1))
        torch.testing.assert_close(after.eval()(grey.expand(-1, own, -1, -1)), expected, atol=1e-5, rtol=0)


def test_another_stem_is_left_at_its_start_and_said() -> None:
    model = ResNet18(4, width=8, stem="small")
    start = model.conv1.weight.clone()
    loaded = fit(model, _state())
    assert (loaded.matched, loaded.total) == (99, 100)
    assert "left at their start: conv1.weight" in loaded.sentence
    assert torch.equal(model.conv1.weight, start)


def test_tensors_without_a_place_are_said() -> None:
    deeper = ResNet18(4, width=8, blocks=(3, 4, 6, 3)).state_dict()
    assert (
        "without a place in this network: layer1.2.conv1.weight" in fit(ResNet18(4, width=8), deeper).sentence
    )


@pytest.mark.parametrize(
    "stranger",
    [
        lambda: build("resnet50", num_classes=4).state_dict(),
        lambda: build("mobilenetv3_small_100", num_classes=4).state_dict(),
        lambda: ResNet18(4, width=16).state_dict(),
        lambda: {},
    ],
)
def test_weights_of_another_network_are_refused_in_a_sentence_and_change_nothing(
    stranger: Callable[[], dict[str, Tensor]],
) -> None:
    model = build("resnet18", num_classes=4)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(WeightsError, match="of another network") as caught:
        fit(model, stranger())
    assert len(str(caught.value)) < 300
    assert _same(model.state_dict(), before)


def test_weights_that_are_not_finite_are_refused() -> None:
    state = _state()
    state["layer2.0.bn1.bias"][0] = float("nan")
    with pytest.raises(WeightsError, match=r"not finite \(in layer2\.0\.bn1\.bias\)"):
        fit(ResNet18(4, width=8), state)


def test_half_precision_files_load_into_a_float_network() -> None:
    model = ResNet18(4, width=8)
    fit(
        model,
        {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in _state().items()},
    )
    assert model.conv1.weight.dtype == torch.float32
    torch.testing.assert_close(model.conv1.weight, _state()["conv1.weight"], atol=1e-3, rtol=0)


@pytest.mark.shared
def test_published_weights_of_a_relative_fit_with_every_tensor(shared: Path) -> None:
    state = load_file(shared / "weights" / "tf_efficientnet_lite0.safetensors")
    model = build("tf_efficientnet_lite0", num_classes=10)
    loaded = fit(model, state)
    assert loaded.matched == loaded.total > 200
    assert loaded.head_replaced
    assert "1000 classes, this network 10" in loaded.sentence
    classifier = model.get_submodule("classifier")
    assert isinstance(classifier, nn.Linear)
    assert classifier.out_features == 10
    whole = build("tf_efficientnet_lite0", num_classes=1000)
    assert not fit(whole, state).head_replaced
    assert _same(whole.state_dict(), {**whole.state_dict(), **state})
