"""Networks by name, refused names and options, and the table of the family."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn

from eighteen.core.errors import EighteenError
from eighteen.models.family import Relative, build, family, head_name
from eighteen.models.resnet18 import ResNet18

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "family_table.py"


def _table_script() -> Any:
    spec = importlib.util.spec_from_file_location("family_table", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["resnet18", "resnet18.tv_in1k"])
def test_resnet18_is_our_page_and_takes_its_options(name: str) -> None:
    model = build(
        name, num_classes=6, in_channels=1, stem="small", blocks=(1, 1, 1, 1), shortcut=False, dropout=0.3
    )
    assert isinstance(model, ResNet18)
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 6)
    assert len(model.layer1) == 1
    assert model.dropout.p == 0.3
    assert not [key for key in model.state_dict() if "downsample" in key]


@pytest.mark.parametrize(
    "name", ["resnet18d", "resnetv2_18d", "mobilenetv3_small_100", "tf_efficientnet_lite0", "convnext_atto"]
)
def test_relatives_honour_classes_channels_and_dropout_and_name_their_head(name: str) -> None:
    model = build(name, num_classes=5, in_channels=1, dropout=0.25)
    assert model.eval()(torch.zeros(1, 1, 64, 64)).shape == (1, 5)
    head = model.get_submodule(head_name(model))
    assert isinstance(head, nn.Linear | nn.Conv2d)
    assert head.weight.shape[0] == 5
    rates = [getattr(part, "drop_rate", None) for part in model.modules()]
    rates += [part.p for part in model.modules() if isinstance(part, nn.Dropout)]
    assert 0.25 in rates


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18d", "resnext50_32x4d", "wide_resnet50_2"])
def test_named_relatives_learn_eight_random_pictures_by_heart(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, num_classes=4)
    pictures, targets = torch.randn(8, 3, 32, 32), torch.arange(8) % 4
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):
        loss = nn.functional.cross_entropy(model(pictures), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.0
    assert losses[-1] < 0.1


@pytest.mark.parametrize("name", ["resnet18d", "resnet34"])
@pytest.mark.parametrize(("stem", "side"), [("small", 4), ("small_pooled", 2), ("imagenet", 1)])
def test_small_stems_keep_more_of_the_sides_in_timms_resnets(name: str, stem: str, side: int) -> None:
    network = build(name, num_classes=5, stem=stem).eval()
    map_ = network.forward_features(torch.zeros(1, 3, 32, 32))  # type: ignore[operator]
    assert map_.shape[-2:] == (side, side)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("resnet18d", {"blocks": (3, 4, 6, 3)}, "blocks=(3, 4, 6, 3)"),
        ("resnet18d", {"shortcut": False}, "shortcut=False"),
        ("resnet18d", {"stem": "tiny"}, "stem='tiny'"),
        ("resnet18d", {"dropout": 1.5}, "dropout=1.5"),
        ("efficientnet_b0", {"stem": "small"}, "cannot have a small stem"),
        ("levit_128", {}, "one classifier is expected"),
    ],
)
def test_what_a_network_cannot_honour_is_refused(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(EighteenError) as caught:
        build(name, num_classes=3, **options)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ResNet18", "did you mean resnet18"),
        ("resnet18dd", "resnet18d"),
        ("efficientnet-b0", "efficientnet_b0"),
        ("resnet18.a1_in", "a1_in1k"),
        ("zzzz", "'eighteen models' lists the family"),
        ("hf-hub:someone/resnet18", "there is no network"),
    ],
)
def test_unknown_names_get_a_proposal(name: str, said: str) -> None:
    with pytest.raises(EighteenError, match="there is no") as caught:
        build(name, num_classes=3)
    assert said in str(caught.value)


def test_head_name_needs_one_head() -> None:
    assert head_name(ResNet18(3, width=8)) == "fc"
    with pytest.raises(EighteenError, match="one classifier is expected"):
        head_name(nn.Linear(2, 2))


@pytest.mark.parametrize(
    "name", ["resnet18.a1_in1k", "mobilenetv3_small_100.lamb_in1k", "convnext_atto.d2_in1k"]
)
def test_table_is_what_its_script_counts(name: str) -> None:
    script = _table_script()
    entry = next(entry for entry in script.PUBLISHED if entry[0] == name)
    assert script.row(*entry) in family()


def test_table_holds_what_its_script_lists_and_timm_knows_every_name() -> None:
    table = family()
    published = [(row.name, row.top1, row.top1_px, row.note) for row in table]
    assert published == list(_table_script().PUBLISHED)
    for row in table:
        weights = timm.models.get_pretrained_cfg(row.name)
        assert weights is not None
        assert (row.weights_license, row.weights_source) == (weights.license, weights.hf_hub_id)


def test_page_of_the_documentation_shows_the_table() -> None:
    script = _table_script()
    page = script.PAGE.read_text(encoding="utf-8")
    assert script.with_table(page, family()) == page
    assert page.count(script.OPENING) == page.count(script.CLOSING) == 1


def test_table_answers_without_torch() -> None:
    code = "import sys; from eighteen.models.family import family; family(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_relative_is_a_plain_frozen_value() -> None:
    first = family()[0]
    assert isinstance(first, Relative)
    assert (first.parameters, first.macs) == (11_689_512, 1_814_073_344)
    with pytest.raises(AttributeError):
        first.top1 = 100.0  # type: ignore[misc]
