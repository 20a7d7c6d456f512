"""Policies against torchvision v2: the same tables, the same pixels for each operation, the same shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from eighteen.augmenting import operations, policies
from eighteen.augmenting.batch import BatchAugmenter
from eighteen.augmenting.draws import image_keys, uniforms
from eighteen.augmenting.policies import Chain, Operation
from eighteen.augmenting.resampling import resampled
from eighteen.augmenting.settings import AugmentSettings

SIDE_PX = 48
NAMES = {
    Operation.IDENTITY: "Identity",
    Operation.SHEAR_X: "ShearX",
    Operation.SHEAR_Y: "ShearY",
    Operation.TRANSLATE_X: "TranslateX",
    Operation.TRANSLATE_Y: "TranslateY",
    Operation.ROTATE: "Rotate",
    Operation.BRIGHTNESS: "Brightness",
    Operation.COLOR: "Color",
    Operation.CONTRAST: "Contrast",
    Operation.SHARPNESS: "Sharpness",
    Operation.POSTERIZE: "Posterize",
    Operation.SOLARIZE: "Solarize",
    Operation.AUTO_CONTRAST: "AutoContrast",
    Operation.EQUALIZE: "Equalize",
}
THEIRS: dict[str, Any] = {
    "trivial": v2.TrivialAugmentWide(interpolation=InterpolationMode.BILINEAR, fill=0),
    "rand": v2.RandAugment(interpolation=InterpolationMode.BILINEAR, fill=0),
    "augmix": v2.AugMix(interpolation=InterpolationMode.BILINEAR, fill=0),
}
CHANGES = [kind for kind in Operation if kind == Operation.IDENTITY or kind > Operation.ROTATE]
MOVES = [kind for kind in Operation if Operation.SHEAR_X <= kind <= Operation.ROTATE]


def pictures(count: int = 4) -> Tensor:
    """Smooth pictures with some noise, uint8; the last is dark and of little contrast."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX] / SIDE_PX
    planes = []
    for number in range(count * 3):
        wave = 127.5 + 110 * np.sin(2.5 * x + number) * np.cos(3.0 * y - number)
        planes.append(wave + rng.normal(0, 4, wave.shape))
    found = np.clip(np.stack(planes), 0, 255).reshape(count, 3, SIDE_PX, SIDE_PX)
    found[-1] = 30 + found[-1] / 6
    return torch.from_numpy(found.round().astype(np.uint8))


@pytest.mark.parametrize("policy", THEIRS)
@pytest.mark.parametrize("size_px", [32, 224])
def test_the_tables_are_torchvisions(policy: str, size_px: int) -> None:
    space = THEIRS[policy]._AUGMENTATION_SPACE
    table = policies.magnitude_table(policy, size_px)
    own = set(NAMES.values()) - ({"Identity"} if policy == "augmix" else set())
    assert set(space) == own
    for kind, name in NAMES.items():
        if name in space:
            magnitudes, signed = space[name]
            values = magnitudes(table.shape[1], size_px, size_px)
            expected = np.zeros(table.shape[1]) if values is None else values.double().numpy()
            assert np.allclose(table[kind], expected, atol=1e-4), name
            assert policies.SIGNED[kind] == signed, name


def strengths(kind: Operation) -> list[float]:
    table = policies.magnitude_table("trivial", SIDE_PX)[kind]
    chosen = sorted({float(table[step]) for step in (0, 7, 15, 22, 30)})
    return chosen + [-value for value in chosen if value and policies.SIGNED[kind]]


def theirs(kind: Operation, strength: float, count: int = 4) -> Tensor:
    """What torchvision makes of each picture, with black around it."""
    policy = THEIRS["trivial"]
    bilinear = InterpolationMode.BILINEAR
    done = [
        policy._apply_image_or_video_transform(picture, NAMES[kind], strength, bilinear, {Tensor: 0})
        for picture in pictures(count)
    ]
    return torch.stack(done).float()


@pytest.mark.parametrize("kind", CHANGES, ids=lambda kind: kind.name)
def test_each_change_of_values_is_torchvisions(kind: Operation) -> None:
    """Within two levels of 255: torchvision cuts the fraction off after each sum, and this does not."""
    for strength in strengths(kind):
        ours = pictures().float()
        operations.change(ours, np.full(4, kind), np.full(4, strength))
        distance = (ours - theirs(kind, strength)).abs()
        assert distance.max() <= 2.0 and distance.mean() <= 1.2, strength
        exact = (Operation.IDENTITY, Operation.POSTERIZE, Operation.SOLARIZE, Operation.EQUALIZE)
        assert kind not in exact or distance.max() == 0.0
        nothing = {Operation.POSTERIZE: 8.0, Operation.SOLARIZE: 1.0}.get(kind, 0.0)
        always = kind in (Operation.AUTO_CONTRAST, Operation.EQUALIZE)
        is_changed = bool((ours != pictures().float()).any())
        assert is_changed == (kind != Operation.IDENTITY and (always or strength != nothing))


def test_a_picture_changes_alike_alone_and_among_others() -> None:
    """Alone it is changed where it lies, among pictures of other operations in a copy."""
    kinds, strengths_of = np.repeat(CHANGES, 2), np.repeat([strengths(kind)[-1] for kind in CHANGES], 2)
    together = pictures(len(kinds)).float()
    alone = together.clone()
    operations.change(together, kinds, strengths_of)
    for row in range(len(kinds)):
        part = slice(row, row + 1)
        operations.change(alone[part], kinds[part], strengths_of[part])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("kind", MOVES, ids=lambda kind: kind.name)
def test_each_move_is_torchvisions(kind: Operation) -> None:
    """Within one level of 255 where no black is mixed in, which torchvision does twice."""
    for strength in strengths(kind):
        chain = Chain(np.full((4, 1), kind), np.full((4, 1), strength))
        maps = torch.from_numpy(chain.homographies(SIDE_PX)[:, :2]).float()
        ground = torch.zeros(3, 1, 1)
        ours = resampled(pictures(), maps, SIDE_PX, fill="background", background=ground)
        white = torch.full_like(pictures(), 255)
        inside = resampled(white, maps, SIDE_PX, fill="background", background=ground) > 254.99
        distance = (ours - theirs(kind, strength)).abs()
        assert distance[inside].max() <= 1.0, strength
        assert distance.mean() <= 1.0, strength
        assert inside.float().mean() > 0.3


def test_moves_of_a_chain_come_one_after_the_other() -> None:
    """Against torchvision twice, within what a second resampling blurs."""
    chain = Chain(np.array([[Operation.ROTATE, Operation.SHEAR_X]]), np.array([[20.0, 0.3]]))
    maps = torch.from_numpy(chain.homographies(SIDE_PX)[:, :2]).float()
    ours = resampled(pictures(1), maps, SIDE_PX, fill="background", background=torch.zeros(3, 1, 1))[0]
    other = pictures(1)[0]
    for name, strength in (("Rotate", 20.0), ("ShearX", 0.3)):
        other = THEIRS["rand"]._apply_image_or_video_transform(
            other, name, strength, InterpolationMode.BILINEAR, {Tensor: 0}
        )
    both = (other > 0).all(0) & (ours > 0).all(0)
    assert (ours - other.float()).abs()[:, both].mean() < 4
    assert ((other > 0).all(0) == (ours > 0).all(0)).float().mean() > 0.95


def drawn(policy: str, count: int = 6000, **settings: Any) -> tuple[Chain, ...]:
    chosen = AugmentSettings(policy=policy, **settings)  # type: ignore[arg-type]
    keys = image_keys([str(number) for number in range(count)])
    return policies.draw_chains(chosen, uniforms(0, 0, keys, policies.draw_count(chosen)), SIDE_PX)


@pytest.mark.parametrize(("policy", "steps"), [("trivial", 1), ("rand", 4)])
def test_every_operation_is_as_likely(policy: str, steps: int) -> None:
    (chain,) = drawn(policy, policy_operations=4)
    assert chain.operations.shape == (6000, steps)
    counts = np.bincount(chain.operations.ravel(), minlength=len(Operation))
    assert stats.chisquare(counts).pvalue > 1e-4
    turns = chain.magnitudes[chain.operations == Operation.ROTATE]
    assert stats.binomtest(int((turns < 0).sum()), int((turns != 0).sum()), 0.5).pvalue > 1e-4


def test_trivial_draws_each_strength_and_rand_one() -> None:
    (trivial,), (rand,) = drawn("trivial"), drawn("rand", policy_magnitude=15)
    bright = np.abs(trivial.magnitudes[trivial.operations == Operation.BRIGHTNESS])
    assert len(np.unique(bright)) == policies.BINS
    assert set(np.abs(rand.magnitudes[rand.operations == Operation.ROTATE])) == {15.0}


def test_augmix_mixes_by_dirichlet_and_beta() -> None:
    chains = drawn("augmix")
    shares = np.stack([chain.share for chain in chains if chain.share is not None])
    assert shares.shape == (4, 6000) and np.allclose(shares.sum(axis=0), 1.0)
    assert not chains[0].operations.any()
    assert stats.kstest(shares[0], stats.uniform.cdf).pvalue > 1e-4
    assert stats.kstest(shares[1] / (1 - shares[0]), stats.beta(1, 2).cdf).pvalue > 1e-4
    lengths = (chains[1].operations > 0).sum(axis=1)
    assert stats.chisquare(np.bincount(lengths)[1:]).pvalue > 1e-4


@pytest.mark.parametrize("policy", THEIRS)
def test_whole_policies_have_torchvisions_statistics(policy: str) -> None:
    """Mean and deviation of one picture over many draws, within four standard errors of their mean.

    The spread differs a little where there are several operations: here the moves come first, so that what is
    laid around a moved picture takes part in the changes of values.
    """
    picture, count = pictures(1), 1000
    settings = AugmentSettings(policy=policy, fill="background")  # type: ignore[arg-type]
    augment = BatchAugmenter(settings, SIDE_PX, [0.0] * 3, [1 / 255.0] * 3, background=[0.0] * 3)
    keys = image_keys([str(number) for number in range(count)])
    ours = augment(picture.expand(count, -1, -1, -1).contiguous(), torch.ones(count), keys, 0, 0)
    torch.manual_seed(0)
    other = torch.stack([THEIRS[policy](picture[0]) for _ in range(count)]).float()
    for measure in (torch.mean, torch.std):
        mine, their = (measure(many, (1, 2, 3)).numpy() for many in (ours, other))
        error = np.hypot(mine.std(), their.std()) / np.sqrt(count)
        assert abs(mine.mean() - their.mean()) < 4 * error + 0.5
        assert 0.75 < mine.std() / their.std() < 1.33
