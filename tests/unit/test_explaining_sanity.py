"""The checks pass where maps deserve it, fail where they do not, and are wrong as rarely as they say."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binom, spearmanr
from scipy.stats import t as student
from torch import nn

from eighteen.core.errors import EighteenError
from eighteen.core.inputs import InputSpec
from eighteen.explaining._deleting import marked_parts, moved_parts
from eighteen.explaining._mean_interval import mean_interval
from eighteen.explaining._randomised import randomised
from eighteen.explaining.gradcam import explain_maps
from eighteen.explaining.occlusion import occlusion
from eighteen.explaining.sanity import CheckResult, deletion_check, randomisation_check
from eighteen.inference.scoring import Scorer
from eighteen.models.family import build
from eighteen.models.weights import load_file

N = 64
CPU = torch.device("cpu")


def outlines(_network: nn.Module, _inputs: InputSpec, pixels: Any, _classes: Any) -> Any:
    """A map that does not look at the network at all."""
    down, across = np.gradient(pixels.mean(1), axis=(1, 2))
    return np.hypot(down, across).astype(np.float32)


def noise_maps(seed: int = 0, cells: int = 4) -> Any:
    """Random maps as smooth as those of Grad-CAM."""
    coarse = torch.rand(N, 1, cells, cells, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, size=32, mode="bilinear")[:, 0].numpy()


def shuffled(trained: Any, seed: int = 0) -> nn.Module:
    return randomised(
        trained.network, trained.forward.normalised(torch.from_numpy(trained.unseen.pixels)), seed
    )


def deletion(trained: Any, maps: Any, **options: Any) -> CheckResult:
    return deletion_check(
        trained.forward, trained.unseen.pixels[:N], maps, trained.unseen.targets[:N], **options
    )


def randomisation(trained: Any, n: int = 32, **options: Any) -> CheckResult:
    unseen = trained.unseen
    return randomisation_check(
        trained.network, trained.inputs, unseen.pixels[:n], unseen.targets[:n], **options
    )


def gradcam_maps(trained: Any, network: nn.Module | None = None) -> Any:
    unseen = trained.unseen
    return explain_maps(network or trained.network, trained.inputs, unseen.pixels[:N], unseen.targets[:N])


def test_gradcam_passes_the_randomisation_check(striped_squares: Any) -> None:
    result = randomisation(striped_squares)
    assert result.passed and result.low <= result.value <= result.high < 0.5
    assert result.n == 32
    assert result.sentence.startswith("The maps depend on what the network learned: ")
    assert json.loads(json.dumps(result.to_json()))["passed"] is True


def test_maps_that_ignore_the_network_fail_the_randomisation_check(striped_squares: Any) -> None:
    result = randomisation(striped_squares, explain=outlines)
    assert not result.passed and result.value == pytest.approx(1)
    assert "do not read them as an explanation" in result.sentence


def test_flat_maps_fail_the_randomisation_check(striped_squares: Any) -> None:
    result = randomisation(striped_squares, explain=lambda n, i, pixels, c: np.zeros_like(pixels[:, 0]))
    assert not result.passed and result.value == 1


def test_the_correlation_is_spearmans(striped_squares: Any) -> None:
    unseen, images = striped_squares.unseen, None
    images = striped_squares.forward.normalised(torch.from_numpy(unseen.pixels[:4]))
    maps = explain_maps(
        striped_squares.network, striped_squares.inputs, unseen.pixels[:4], unseen.targets[:4]
    )
    found = []
    for seed in (7, 8):
        other = randomised(striped_squares.network, images, seed)
        others = explain_maps(other, striped_squares.inputs, unseen.pixels[:4], unseen.targets[:4])
        found += [
            spearmanr(one.ravel(), two.ravel()).statistic for one, two in zip(maps, others, strict=True)
        ]
    result = randomisation(striped_squares, n=4, copies=2, seed=7)
    assert result.value == pytest.approx(np.mean(found), abs=1e-6)


@pytest.mark.parametrize("fill", ["blur", "mean"])
def test_gradcam_passes_the_deletion_check(striped_squares: Any, fill: Any) -> None:
    result = deletion(striped_squares, gradcam_maps(striped_squares), fill=fill)
    assert result.passed and 0 < result.low <= result.value <= result.high
    assert result.value > 0.2
    assert result.sentence.startswith("The maps mark what the model uses: ")


def test_occlusion_passes_the_deletion_check(striped_squares: Any) -> None:
    unseen = striped_squares.unseen
    maps = occlusion(striped_squares.forward, unseen.pixels[:N], unseen.targets[:N], 0.25)
    assert deletion(striped_squares, maps).passed


@pytest.mark.parametrize("kind", ["smooth noise", "pixel noise", "flat", "of a shuffled network"])
def test_maps_that_say_nothing_fail_the_deletion_check(striped_squares: Any, kind: str) -> None:
    maps = {
        "smooth noise": noise_maps,
        "pixel noise": lambda: noise_maps(cells=32),
        "flat": lambda: np.ones((N, 32, 32), np.float32),
        "of a shuffled network": lambda: gradcam_maps(striped_squares, shuffled(striped_squares)),
    }[kind]()
    result = deletion(striped_squares, maps)
    assert not result.passed
    assert "do not rely on them" in result.sentence or "do not read them" in result.sentence


def test_maps_turned_inside_out_are_told_to_mislead(striped_squares: Any) -> None:
    result = deletion(
        striped_squares, 1 - striped_squares.unseen.squares[:N].astype(np.float32) + 0.1 * noise_maps()
    )
    assert not result.passed and result.high < 0
    assert "mark what the model does not use" in result.sentence


def test_random_maps_pass_the_deletion_check_as_rarely_as_promised() -> None:
    """At most 2.5 % of the time: the interval is of 95 %, and only one of its sides passes."""
    weight = np.random.default_rng(5).normal(size=(3, 8, 8)).astype(np.float32) / 200

    def forward(pixels: Any) -> Any:
        score = (pixels * weight).sum((1, 2, 3))
        return np.stack([score, np.zeros_like(score)], axis=1)

    passed, simulations, classes = 0, 300, np.zeros(20, np.int64)
    for seed in range(simulations):
        generator = np.random.default_rng(seed)
        pixels = generator.uniform(0, 255, (20, 3, 8, 8)).astype(np.float32)
        maps = generator.random((20, 8, 8)).astype(np.float32)
        passed += deletion_check(forward, pixels, maps, classes, repeats=4, seed=seed).passed
    assert passed <= binom.ppf(0.99, simulations, 0.025)


def test_random_parts_are_the_marked_one_elsewhere() -> None:
    maps = np.random.default_rng(0).random((3, 9, 9)).astype(np.float32)
    marked = marked_parts(maps, 0.3)
    assert (marked.sum((1, 2)) == math.ceil(0.3 * 81)).all()
    assert (np.where(marked, maps, 1).min((1, 2)) > np.where(marked, 0, maps).max((1, 2))).all()
    pixels = np.random.default_rng(1).random((3, 3, 9, 9)).astype(np.float32)
    moved = np.stack(list(moved_parts(marked, pixels, repeats=300, seed=0)))  # [300, 3, 9, 9]
    assert (moved.sum((2, 3)) == marked.sum((1, 2))).all()
    # Every pixel is covered about as often as any other.
    assert np.abs(moved.mean(0) - 25 / 81).max() < 5 * math.sqrt(0.3 * 0.7 / 300)


def test_the_order_of_pictures_does_not_matter(striped_squares: Any) -> None:
    unseen, maps = striped_squares.unseen, gradcam_maps(striped_squares)
    order = np.random.default_rng(0).permutation(N)
    straight = deletion(striped_squares, maps, seed=3)
    mixed = deletion_check(
        striped_squares.forward, unseen.pixels[order], maps[order], unseen.targets[order], seed=3
    )
    assert (mixed.value, mixed.low) == pytest.approx((straight.value, straight.low), abs=1e-6)
    assert deletion(striped_squares, maps, seed=4).value != straight.value


def test_the_same_seed_gives_the_same_answer_and_leaves_the_generators_alone(striped_squares: Any) -> None:
    maps, before = gradcam_maps(striped_squares), (torch.get_rng_state(), np.random.get_state()[1].copy())
    weights = {name: value.clone() for name, value in striped_squares.network.state_dict().items()}
    with torch.inference_mode():
        once = deletion(striped_squares, maps), randomisation(striped_squares, n=3)
    assert (deletion(striped_squares, maps), randomisation(striped_squares, n=3)) == once
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert all(
        torch.equal(value, weights[name]) for name, value in striped_squares.network.state_dict().items()
    )


def test_a_shuffled_copy_holds_the_same_numbers_in_another_order(striped_squares: Any) -> None:
    copy = shuffled(striped_squares)
    for (name, mine), theirs in zip(
        striped_squares.network.named_parameters(), copy.parameters(), strict=True
    ):
        assert torch.equal(mine.flatten().sort().values, theirs.flatten().sort().values), name
        assert mine.numel() < 20 or not torch.equal(mine, theirs), name
    mean = striped_squares.network.bn1.running_mean
    assert not copy.training and not torch.allclose(copy.bn1.running_mean, mean)
    images = striped_squares.forward.normalised(torch.from_numpy(striped_squares.unseen.pixels))
    both = torch.cat([images[:32], images[:32].flip(-1)])
    statistics = randomised(striped_squares.network, images[:32], 0)
    with torch.no_grad():
        expected = statistics.conv1(both).mean((0, 2, 3))
    torch.testing.assert_close(statistics.bn1.running_mean, expected, rtol=1e-4, atol=1e-4)


def test_one_picture_cannot_pass(striped_squares: Any) -> None:
    unseen, maps = striped_squares.unseen, gradcam_maps(striped_squares)
    results = (
        randomisation(striped_squares, n=1),
        deletion_check(striped_squares.forward, unseen.pixels[:1], maps[:1], unseen.targets[:1]),
    )
    for result in results:
        assert (result.low, result.high, result.passed) == (-1, 1, False)
        assert result.sentence.startswith("One picture cannot show")


def test_the_interval_is_students_and_wider_where_pictures_belong_together() -> None:
    values = np.random.default_rng(0).normal(0.1, 0.1, 30)
    (low, high), method = mean_interval(values)
    error = values.std(ddof=1) / math.sqrt(30)
    assert (low, high) == pytest.approx(student.interval(0.95, 29, values.mean(), error))
    assert method == "t 95 %"
    repeated, groups = np.repeat(values, 4), [f"patient {row // 4}" for row in range(120)]
    (by_group_low, by_group_high), method = mean_interval(repeated, groups)
    assert (by_group_low, by_group_high) == pytest.approx((low, high))
    assert method == "t 95 % by group, 30 groups"
    assert mean_interval(values, ["all"] * 30)[0] == (-1, 1)
    assert mean_interval(values, [""] * 30) == mean_interval(values)


def test_refusals(striped_squares: Any) -> None:
    unseen, maps = striped_squares.unseen, np.zeros((N, 32, 32), np.float32)
    nothing = unseen.pixels[:0], unseen.targets[:0]
    with pytest.raises(EighteenError, match="hold no picture to explain"):
        randomisation_check(striped_squares.network, striped_squares.inputs, *nothing)
    with pytest.raises(EighteenError, match="hold no picture to explain"):
        deletion_check(striped_squares.forward, nothing[0], maps[:0], nothing[1])
    with pytest.raises(EighteenError, match="1 shuffled copies of the network are too few"):
        randomisation(striped_squares, copies=1)
    with pytest.raises(
        EighteenError, match=r"maps of shape \(64, 4, 4\).*area_fraction=1.*fill='x'.*repeats=0"
    ):
        deletion(striped_squares, maps[:, :4, :4], area_fraction=1, fill="x", repeats=0)
    with pytest.raises(EighteenError, match="1 groups were given for 64 pictures"):
        deletion(striped_squares, maps, groups=["a"])


@pytest.mark.shared
def test_a_network_of_imagenet_on_real_pictures(shared: Path, shared_data: Callable[[str], Path]) -> None:
    network = build("tf_efficientnet_lite0", num_classes=1000)
    network.load_state_dict(load_file(shared / "weights" / "tf_efficientnet_lite0.safetensors"))
    inputs = InputSpec(size=224, mean=(0.5,) * 3, std=(0.5,) * 3, kernel="bicubic")
    files = sorted((shared_data("clothing") / "test").rglob("*.jpg"))[::25][:14]
    pixels = np.stack([inputs.read(file) for file in files])
    forward = Scorer(network, inputs, CPU)
    classes = forward(pixels).argmax(1)
    maps = explain_maps(network, inputs, pixels, classes)
    result = deletion_check(forward, pixels, maps, classes, repeats=2)
    assert result.passed, result.sentence
