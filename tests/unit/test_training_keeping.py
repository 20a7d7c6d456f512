"""What is kept at the end of a fine-tuning: decided by validation, told in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from eighteen.core.run import Run
from eighteen.training.keeping import (
    PREFERRED,
    SHARES,
    drop_start,
    keep_the_better,
    mixed,
    put_aside,
)
from eighteen.training.progressive import epoch_sides_px, shrunk, work_share
from eighteen.training.resume import Moving


class Number(nn.Module):
    """A network of one weight, whose validation is whatever a function makes of that weight."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))
        self.register_buffer("count", torch.tensor(3))


def kept(tmp_path: Path, losses: Mapping[float, npt.NDArray[np.float64]]) -> tuple[float, str]:
    """The weight that is kept between a start of 0 and a tuned one of 1, and the sentence."""
    run, network = Run(tmp_path), Number(0.0)
    put_aside(run, network)
    tuned = {name: value.detach().clone() for name, value in Number(1.0).state_dict().items()}
    moving = Moving(network, torch.optim.SGD(network.parameters(), 0.1), None, best=tuned)
    sentence = keep_the_better(
        run, moving, lambda model: losses.get(round(model.get_parameter("value").item(), 3))
    )
    return float(moving.best["value"]), sentence


def noisy(mean: float, spread: float = 0.1, n: int = 100) -> npt.NDArray[np.float64]:
    """Losses with exactly this mean."""
    noise = np.random.default_rng(int(1000 * mean)).normal(0, spread, n)
    return mean + noise - noise.mean()


@pytest.mark.parametrize("best", SHARES)
def test_a_mixture_that_is_clearly_better_is_kept_and_named(best: float, tmp_path: Path) -> None:
    value, sentence = kept(tmp_path, {share: noisy(0.4 if share == best else 0.5) for share in SHARES})
    assert value == best
    assert sentence.count("0.400") == 1
    assert sentence.count("0.500") == len(SHARES) - 1
    begins = {0.0: "the head", 1.0: "fine-tuning"}.get(best, f"{100 * best:g} % fine-tuning")
    assert sentence.startswith(begins)


@pytest.mark.parametrize("best", SHARES)
def test_luck_changes_nothing(best: float, tmp_path: Path) -> None:
    losses = {share: noisy(0.499 if share == best else 0.5) for share in SHARES}
    assert kept(tmp_path, losses)[0] == PREFERRED


def test_one_picture_or_none_changes_nothing(tmp_path: Path) -> None:
    for number, losses in enumerate(({}, {share: np.array([share]) for share in SHARES})):
        (tmp_path / str(number)).mkdir()
        assert kept(tmp_path / str(number), losses)[0] == PREFERRED


def test_without_validation_the_sentence_says_so(tmp_path: Path) -> None:
    assert "no validation pictures" in kept(tmp_path, {})[1]


def test_what_was_put_aside_is_removed(tmp_path: Path) -> None:
    put_aside(Run(tmp_path), Number(0.0))
    assert list(Run(tmp_path).resume_folder.iterdir())
    drop_start(Run(tmp_path))
    assert not list(Run(tmp_path).resume_folder.iterdir())


def test_whole_numbers_are_not_mixed() -> None:
    start, tuned = Number(0.0).state_dict(), Number(1.0).state_dict()
    tuned["count"] = torch.tensor(8)
    between = mixed(start, tuned, 0.25)
    assert float(between["value"]) == 0.25
    assert int(between["count"]) == 8


@pytest.mark.parametrize(
    ("epochs", "size_px", "start"), [(1, 224, 0.5), (5, 28, 0.6), (30, 224, 0.7), (8, 30, 0.6)]
)
def test_sides_grow_and_end_at_full_size(epochs: int, size_px: int, start: float) -> None:
    sides = epoch_sides_px(epochs, size_px, start)
    assert len(sides) == epochs
    assert list(sides) == sorted(sides)
    assert sides[-1] == size_px
    assert sum(side == size_px for side in sides) >= epochs / 4
    assert epochs == 1 or sides[0] == pytest.approx(size_px * start, abs=8)
    assert 0 < work_share(sides) <= 1


def test_full_size_throughout_where_it_starts_there() -> None:
    assert epoch_sides_px(4, 30, 1.0) == (30,) * 4
    assert work_share((30,) * 4) == 1


@pytest.mark.parametrize("size_px", [8, 28, 30, 64, 78, 96, 224, 1000])
@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.75, 0.95, 0.97, 0.999])
def test_a_share_of_the_side_is_never_all_of_it(size_px: int, fraction: float) -> None:
    """Of 78 px 95 % came to 80, and of 224 px 97 % to 224."""
    side = epoch_sides_px(3, size_px, 1.0, fraction)[-1]
    unit = 4 if size_px <= 64 else 16
    assert side % unit == 0
    assert side == unit or size_px * fraction - unit < side <= size_px * fraction < size_px


def test_a_share_that_comes_out_even_is_kept() -> None:
    assert epoch_sides_px(1, 160, 1.0, 0.7) == (112,)
    assert epoch_sides_px(1, 80, 1.0, 0.6) == (48,)


def test_shrinking_keeps_the_mean_and_removes_what_would_alias() -> None:
    stripes = torch.zeros(1, 1, 32, 32)
    stripes[..., ::2] = 1.0
    small = shrunk(stripes, 16)
    assert small.shape == (1, 1, 16, 16)
    assert float(small.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(small[..., 2:-2].std()) < 0.02  # bare sampling would show every stripe or none
    assert shrunk(stripes, 32) is stripes
