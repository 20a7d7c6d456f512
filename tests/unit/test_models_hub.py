"""Published weights: found in the cache, refused without a network, their licence and their preprocessing."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import save_file

from eighteen.core.errors import EighteenError, WeightsError
from eighteen.models import hub, weights
from eighteen.models.family import family
from eighteen.models.resnet18 import ResNet18


@pytest.mark.parametrize(
    ("name", "side"),
    [("test_vit", 160), ("vit_tiny_patch16_224", 224), ("resnet18", None), ("tf_efficientnet_lite0", None)],
)
def test_networks_that_take_one_size_are_known(name: str, side: int | None) -> None:
    assert hub.only_size(name) == side


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A hub whose cache is empty and whose client would fail; calls are written down."""
    calls: list[dict[str, Any]] = []

    def download(*address: str, **options: Any) -> str:
        calls.append({"address": address, **options})
        if options.get("local_files_only"):
            raise LocalEntryNotFoundError("not here")
        raise ConnectionError("connection reset\nand a second line")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return calls


def _never_answers(url: str) -> bool:
    time.sleep(3)
    return True


def _refused(name: str = "resnet18") -> str:
    with pytest.raises(WeightsError) as caught:
        hub.fetch(name)
    message = str(caught.value)
    for said in ("--weights none", "--weights FILE", "timm/resnet18.a1_in1k", "model.safetensors"):
        assert said in message
    assert caught.value.exit_code == 1
    assert "\n" not in message
    return message


def test_the_cache_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state = ResNet18(4, width=8).state_dict()
    save_file(state, tmp_path / "model.safetensors")

    def download(repository: str, filename: str, local_files_only: bool) -> str:
        assert (repository, filename, local_files_only) == (
            "timm/resnet18.tv_in1k",
            "model.safetensors",
            True,
        )
        return str(tmp_path / filename)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    start = weights.start("resnet18.tv_in1k", "imagenet")
    assert torch.equal(start.tensors["conv1.weight"], state["conv1.weight"])
    assert start.path == tmp_path / "model.safetensors"
    assert start.licence == "weights timm/resnet18.tv_in1k, licence bsd-3-clause"


def test_a_hub_that_does_not_answer_is_given_up_soon(
    empty_cache: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hub, "HUB_PATIENCE_S", 0.2)
    monkeypatch.setattr(hub, "_ask", _never_answers)
    start_s = time.monotonic()
    assert "does not answer (it is given 0.2 s)" in _refused()
    assert time.monotonic() - start_s < 2
    assert len(empty_cache) == 1
    assert capfd.readouterr() == ("", "")


def test_an_address_that_nobody_serves_does_not_answer() -> None:
    assert not hub._ask("http://127.0.0.1:9/model.safetensors")


def test_a_refusal_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise urllib.error.HTTPError("http://hub", 401, "unauthorized", Message(), None)

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert hub._ask("http://hub/model.safetensors")


def test_offline_by_wish_is_not_even_asked(
    empty_cache: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "_ask", lambda url: pytest.fail("the network was asked"))
    assert "HF_HUB_OFFLINE" in _refused()


def test_a_download_that_breaks_is_one_line(
    empty_cache: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_ask", lambda url: True)
    assert "connection reset" in _refused()


def test_names_without_published_weights_are_refused() -> None:
    with pytest.raises(EighteenError, match="there is no network"):
        hub.fetch("resnet19")
    with pytest.raises(WeightsError, match="no weights of 'skresnet50' were published"):
        hub.fetch("skresnet50")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet18", "weights timm/resnet18.a1_in1k, licence apache-2.0"),
        ("resnet18.fb_swsl_ig1b_ft_in1k", "licence cc-by-nc-4.0: NOT for commercial use"),
        ("fastvit_t8", "licence fastvit-license: read its terms before commercial use"),
    ],
)
def test_licence_is_said(name: str, said: str) -> None:
    assert hub.licence_sentence(hub.describe(name)).endswith(said)


def test_preprocessing_is_that_of_the_weights() -> None:
    assert hub.pretrained_input("resnet18.tv_in1k") == {
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "size": 224,
        "interpolation": "bilinear",
        "crop_pct": 0.875,
        "crop_mode": "center",
    }
    spec = hub.input_spec_for("mobilevit_s")
    assert (spec.size, spec.mean, spec.std, spec.kernel) == (256, (0.0,) * 3, (1.0,) * 3, "bicubic")
    spec = hub.input_spec_for("resnet18", size=160)
    assert (spec.size, spec.crop_fraction, spec.kernel, spec.fit) == (160, 0.95, "bicubic", "crop")


def test_grey_pictures_get_the_average_of_the_three_channels() -> None:
    spec = hub.input_spec_for("resnet18", channels=1)
    assert spec.channels == 1
    assert spec.mean == pytest.approx((0.449,))
    assert spec.std == pytest.approx((0.226,))


@pytest.mark.parametrize(
    ("name", "weights", "stated", "source"),
    [
        ("resnet18", "imagenet", "apache-2.0", "timm/resnet18.a1_in1k"),
        ("resnet18.fb_swsl_ig1b_ft_in1k", "imagenet", "cc-by-nc-4.0", "timm/resnet18.fb_swsl_ig1b_ft_in1k"),
        ("resnet18", "/home/me/mine.pth", "not stated", "a file of its maker"),
        ("resnet18", "none", "not stated", "trained from scratch"),
        ("a network of a later timm", "imagenet", "not stated", "published weights"),
    ],
)
def test_a_shipped_model_says_where_its_weights_began(
    name: str, weights: str, stated: str, source: str
) -> None:
    assert hub.origin(name, weights) == {"license": stated, "weights_source": source}


def test_the_licence_is_the_one_that_the_familys_table_states() -> None:
    for relative in family():
        assert hub.origin(relative.name, "imagenet")["license"] == (relative.weights_license or "not stated")
