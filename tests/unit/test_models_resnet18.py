"""The page of the network: its shapes, its options, its start, and its equality with torchvision and timm."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from eighteen.core.errors import EighteenError
from eighteen.models.counting import count_macs, count_parameters
from eighteen.models.family import build
from eighteen.models.resnet18 import BasicBlock, ResNet18


def _randomise_norms(model: nn.Module) -> None:
    """Norms with weights and statistics of their own: with those of a fresh timm every block would be 0."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            for tensor in (module.weight.data, module.running_var):
                tensor.uniform_(0.5, 1.5, generator=generator)
            for tensor in (module.bias.data, module.running_mean):
                tensor.uniform_(-0.2, 0.2, generator=generator)


def _forwards(model: nn.Module, *args: Tensor) -> Tensor:
    with torch.no_grad():
        return model.eval()(*args)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "make",
    [torchvision.models.resnet18, lambda: timm.create_model("resnet18")],
    ids=["torchvision", "timm"],
)
def test_state_dicts_of_both_libraries_load_unchanged_and_give_the_same_logits(make: Any) -> None:
    reference = make()
    _randomise_norms(reference)
    ours = ResNet18()
    ours.load_state_dict(reference.state_dict(), strict=True)
    pictures = torch.randn(2, 3, 96, 80, generator=torch.Generator().manual_seed(1))
    expected = _forwards(reference, pictures)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(_forwards(ours, pictures), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("stem", "size_px", "sides"),
    [
        ("imagenet", 224, (112, 56, 56, 28, 14, 7)),
        ("small", 32, (32, 32, 32, 16, 8, 4)),
        ("small_pooled", 32, (32, 16, 16, 8, 4, 2)),
    ],
)
def test_shapes_of_every_turn(stem: Any, size_px: int, sides: tuple[int, ...]) -> None:
    model = ResNet18(10, stem=stem).eval()
    seen: list[tuple[int, ...]] = []
    for name in ("conv1", "maxpool", "layer1", "layer2", "layer3", "layer4"):
        model.get_submodule(name).register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape)))
    logits = _forwards(model, torch.zeros(2, 3, size_px, size_px))
    channels = (64, 64, 64, 128, 256, 512)
    assert seen == [(2, c, s, s) for c, s in zip(channels, sides, strict=True)]
    assert logits.shape == (2, 10)


def test_head_gives_features_or_logits_of_the_map() -> None:
    model = ResNet18(7, stem="small", width=8)
    pictures = torch.randn(3, 3, 16, 16)
    features_map = model.eval().forward_features(pictures)
    features = model.forward_head(features_map, pre_logits=True)
    torch.testing.assert_close(features, features_map.mean((2, 3)))
    torch.testing.assert_close(model.fc(features), model(pictures))
    assert features.shape == (3, model.num_features) == (3, 64)


@pytest.mark.parametrize(
    ("options", "layers", "parameters"),
    [
        ({}, 18, 11_689_512),
        ({"blocks": (4, 4, 4, 4)}, 34, 24_230_952),
        ({"blocks": (3, 4, 6, 3)}, 34, 21_797_672),
        ({"shortcut": False}, 18, 11_515_688),
    ],
)
def test_layers_and_parameters_that_the_documentation_states(
    options: dict[str, Any], layers: int, parameters: int
) -> None:
    model = ResNet18(**options)
    weighted = [name for name, part in model.named_modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
    assert len([name for name in weighted if "downsample" not in name]) == layers
    assert count_parameters(model) == parameters


def test_34_layers_of_the_paper_are_those_of_torchvision() -> None:
    ours, theirs = ResNet18(blocks=(3, 4, 6, 3)).state_dict(), torchvision.models.resnet34().state_dict()
    assert {name: t.shape for name, t in ours.items()} == {name: t.shape for name, t in theirs.items()}


def test_multiply_accumulates_that_the_documentation_states() -> None:
    assert count_macs(ResNet18(), 224) == 1_814_073_344
    assert count_macs(ResNet18(blocks=(4, 4, 4, 4)), 224) == 3_663_761_408
    assert count_macs(ResNet18(blocks=(3, 4, 6, 3)), 224) == 3_663_761_408
    assert count_macs(ResNet18(10), 32) == 37_016_576
    assert count_macs(ResNet18(10, stem="small"), 32) == 555_422_720
    assert count_macs(ResNet18(10, stem="small_pooled"), 32) == 140_186_624


def test_counting_leaves_the_network_as_it_was() -> None:
    model = ResNet18(3, width=8).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    count_macs(model, 64)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_plain_network_has_no_shortcut_parameters_and_computes_otherwise() -> None:
    torch.manual_seed(0)
    with_shortcut = ResNet18(5, stem="small", width=8)
    plain = ResNet18(5, stem="small", width=8, shortcut=False)
    assert not [name for name in plain.state_dict() if "downsample" in name]
    plain.load_state_dict(with_shortcut.state_dict(), strict=False)
    pictures = torch.randn(2, 3, 16, 16)
    assert not torch.allclose(_forwards(plain, pictures), _forwards(with_shortcut, pictures))


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_any_number_of_channels(channels: int) -> None:
    model = ResNet18(4, in_channels=channels, stem="small", width=8)
    assert _forwards(model, torch.zeros(1, channels, 16, 16)).shape == (1, 4)


def test_dropout_acts_in_training_alone() -> None:
    torch.manual_seed(0)
    model = ResNet18(4, dropout=0.5, width=8)
    features_map = torch.rand(8, 64, 2, 2)
    torch.manual_seed(1)
    dropped = model.train().forward_head(features_map, pre_logits=True)
    kept = model.eval().forward_head(features_map, pre_logits=True)
    assert 0.3 < (dropped == 0).float().mean() < 0.7
    assert (kept != 0).all()


def test_width_scales_every_stage() -> None:
    model = ResNet18(4, width=16)
    convolution = model.get_submodule("layer4.1.conv2")
    assert isinstance(convolution, nn.Conv2d)
    assert (model.conv1.out_channels, convolution.out_channels, model.fc.in_features) == (16, 128, 128)


def test_the_seed_decides_the_start() -> None:
    def start(seed: int) -> Tensor:
        torch.manual_seed(seed)
        model = ResNet18(4, width=8)
        return torch.cat([parameter.flatten() for parameter in model.parameters()])

    assert torch.equal(start(3), start(3))
    assert not torch.equal(start(3), start(4))


def test_start_has_the_variance_of_he_and_open_blocks() -> None:
    torch.manual_seed(0)
    convolution = ResNet18().get_submodule("layer3.0.conv2")
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)
    norms = [m for m in ResNet18(4, width=8).modules() if isinstance(m, nn.BatchNorm2d)]
    assert all((norm.weight == 1).all() and (norm.bias == 0).all() for norm in norms)


@pytest.mark.parametrize("shortcut", [True, False])
def test_sixteen_random_pictures_are_learnt_by_heart(shortcut: bool) -> None:
    torch.manual_seed(0)
    model = ResNet18(4, stem="small", width=8, shortcut=shortcut)
    pictures, labels = torch.randn(16, 3, 16, 16), torch.arange(16) % 4
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(40):
        loss = nn.functional.cross_entropy(model(pictures), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert (model(pictures).argmax(1) == labels).all()


def test_all_wrong_options_are_named_at_once() -> None:
    with pytest.raises(EighteenError) as caught:
        ResNet18(0, in_channels=0, blocks=(2, 2, 0, 2), stem="tiny", dropout=1.0, width=0)  # type: ignore[arg-type]
    for said in ("num_classes=0", "in_channels=0", "blocks=(2, 2, 0, 2)", "'tiny'", "dropout=1.0", "width=0"):
        assert said in str(caught.value)


# Stochastic depth and width


def test_blocks_drop_in_equal_steps() -> None:
    network = ResNet18(drop_path=0.35, blocks=(3, 1, 3, 1))
    rates = [module.drop_path for module in network.modules() if isinstance(module, BasicBlock)]
    assert rates == pytest.approx([0.05 * number for number in range(8)])


def test_a_dropped_block_adds_nothing_and_the_others_more() -> None:
    torch.manual_seed(0)
    block = BasicBlock(4, 4, 1, True).train()
    block.relu = nn.Identity()  # type: ignore[assignment]
    pictures = torch.randn(4000, 4, 2, 2)
    block.drop_path = 0.0
    added = block(pictures) - pictures
    block.drop_path = 0.25
    dropped = block(pictures) - pictures
    is_dropped = (dropped.abs().amax((1, 2, 3)) < 1e-6).float()
    assert float(is_dropped.mean()) == pytest.approx(0.25, abs=0.03)
    kept = is_dropped == 0
    torch.testing.assert_close(dropped[kept], added[kept] / 0.75, rtol=1e-4, atol=1e-4)


def test_answers_drop_nothing() -> None:
    torch.manual_seed(0)
    network = ResNet18(2, drop_path=0.9, stem="small").eval()
    plain = ResNet18(2, stem="small").eval()
    plain.load_state_dict(network.state_dict())
    picture = torch.randn(2, 3, 16, 16)
    assert torch.equal(network(picture), plain(picture))


def test_half_the_width_is_a_quarter_of_the_parameters() -> None:
    half, full = (
        sum(value.numel() for value in build("resnet18", num_classes=10, width=width).parameters())
        for width in (0.5, 1.0)
    )
    assert half / full == pytest.approx(0.25, abs=0.01)


def test_paths_are_dropped_only_where_they_can_be() -> None:
    with pytest.raises(EighteenError, match="drop_path without shortcuts"):
        ResNet18(drop_path=0.1, shortcut=False)
    with pytest.raises(EighteenError, match="vgg11 cannot drop paths"):
        build("vgg11", num_classes=2, drop_path=0.1)
    with pytest.raises(EighteenError, match=r"width=0.5 \(an option of resnet18 alone\)"):
        build("resnet18d", num_classes=2, width=0.5)
