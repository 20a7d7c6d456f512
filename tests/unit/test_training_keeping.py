"""What is kept at the end of a fine-tuning: decided by validation, told in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

from eighteen.core.run import Run
from eighteen.training.keeping import SHARES, drop_start, keep_the_better, mixed, put_aside
from eighteen.training.progressive import epoch_sides_px, shrunk, work_share
from eighteen.training.resume import Moving


class Number(nn.Module):
    """A network of one weight, whose validation is whatever a function makes of that weight."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))
        self.register_buffer("count", torch.tensor(3))


def kept(tmp_path: Path, losses: Mapping[float, float]) -> tuple[float, str]:
    """The weight that is kept between a start of 0 and a tuned one of 1, and the sentence."""
    run, network = Run(tmp_path), Number(0.0)
    put_aside(run, network)
    tuned = {name: value.detach().clone() for name, value in Number(1.0).state_dict().items()}
    moving = Moving(network, torch.optim.SGD(network.parameters(), 0.1), None, tuned)

    def validate(model: nn.Module) -> Mapping[str, float]:
        return {"nll_calibrated": losses[round(model.get_parameter("value").item(), 3)]} if losses else {}

    return _value(keep_the_better(run, moving, validate), moving)


def _value(sentence: str, moving: Moving) -> tuple[float, str]:
    return float(moving.best["value"]), sentence


@pytest.mark.parametrize("best", SHARES)
def test_the_smallest_loss_is_kept_and_named(best: float, tmp_path: Path) -> None:
    value, sentence = kept(tmp_path, {share: 0.4 if share == best else 0.5 for share in SHARES})
    assert value == best
    assert sentence.count("0.400") == 1
    assert sentence.count("0.500") == len(SHARES) - 1
    begins = {0.0: "the head", 1.0: "fine-tuning"}.get(best, f"{100 * best:g} % fine-tuning")
    assert sentence.startswith(begins)


def test_a_draw_goes_to_fine_tuning(tmp_path: Path) -> None:
    assert kept(tmp_path, dict.fromkeys(SHARES, 0.5))[0] == 1.0


def test_without_validation_fine_tuning_stays(tmp_path: Path) -> None:
    value, sentence = kept(tmp_path, {})
    assert value == 1.0
    assert "no validation pictures" in sentence


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


def test_shrinking_keeps_the_mean_and_removes_what_would_alias() -> None:
    stripes = torch.zeros(1, 1, 32, 32)
    stripes[..., ::2] = 1.0
    small = shrunk(stripes, 16)
    assert small.shape == (1, 1, 16, 16)
    assert float(small.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(small[..., 2:-2].std()) < 0.02  # bare sampling would show every stripe or none
    assert shrunk(stripes, 32) is stripes
