"""Checks that an explanation can fail, one for each way in which maps deceive.

In go maps of some pictures and the model that they are about, out comes whether the maps deserve to be looked
at, as a number with its interval and a sentence.

* `randomisation_check`: a map that is about what the network learned must become another one when the weights
  are shuffled. One that stays shows edges of the picture, whatever the network does.
* `deletion_check`: what the map marks must matter more than what it does not mark. The marked part is
  deleted, and so is a part of the same size and shape at random places; the first must cost more probability.

Neither replaces the other: random maps pass the first and fail the second, outlines of the thing in the
picture may do the opposite. The random part is the marked one moved around the picture, so that neither its
size nor its outline makes the difference.

Sources: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018; Petsiuk et al., RISE, BMVC 2018, for
deletion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from eighteen.core.errors import EighteenError
from eighteen.core.inputs import InputSpec
from eighteen.explaining._altering import blurred, filled
from eighteen.explaining._asking import (
    Classes,
    Maps,
    Pixels,
    as_pictures,
    check_classes,
    check_groups,
    probability_of,
)
from eighteen.explaining._deleting import marked_parts, moved_parts
from eighteen.explaining._mean_interval import mean_interval
from eighteen.explaining._randomised import randomised
from eighteen.explaining.gradcam import explain_maps
from eighteen.inference.scoring import Forward, Scorer
from eighteen.measuring.intervals import wider

Explain = Callable[[nn.Module, InputSpec, Pixels, Classes], Maps]
"""Anything that makes maps as `gradcam.explain_maps` does."""

Fill = Literal["blur", "mean"]

LIKE = 0.5
"""Rank correlation from which on maps of a trained and of a shuffled network count as alike: a quarter of the
variance of ranks in common."""

COPIES = 5
REPEATS = 8
AREA_FRACTION = 0.2
BLUR_FRACTION = 1 / 8

_ONE_PICTURE = "One picture cannot show whether maps deserve trust; give more"


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        name: `randomisation` or `deletion`.
        value: mean rank correlation of maps, or mean of what the marked part costs more than a random one.
        low, high: ends of the 95 % interval, `low <= value <= high`.
        n: pictures.
        method: how value and interval were made.
        passed: whether the maps passed.
        sentence: the answer in words.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    method: str
    passed: bool
    sentence: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def randomisation_check(
    network: nn.Module,
    inputs: InputSpec,
    pixels: Pixels,
    classes: Classes,
    *,
    explain: Explain = explain_maps,
    copies: int = COPIES,
    groups: Sequence[str] = (),
    seed: int = 0,
) -> CheckResult:
    """Compares the network's maps with those of copies whose weights are shuffled.

    Args:
        network: the trained network, left as it is.
        inputs: what it expects.
        pixels: `[N, C, H, W]`, 0..255, N of 1 or more; one picture cannot pass.
        classes: class that the maps explain, `[N]`.
        explain: how maps are made.
        copies: shuffled networks, 2 or more.
        groups: group of each picture, "" where it has none.
        seed: of the shuffling.

    Returns:
        Spearman's rank correlation over the pixels, mean over pictures and copies. Its interval is the wider
        of that by pictures and that by copies; passed if it lies below 0.5. Two equal maps correlate by 1,
        even where both are flat, and a flat map with another one by 0.

    Raises:
        EighteenError: there is no picture, or fewer than two copies.
    """
    pixels = as_pictures(pixels)
    check_classes(classes, len(pixels))
    check_groups(groups, len(pixels))
    if copies < 2:
        raise EighteenError(f"{copies} shuffled copies of the network are too few; expected 2 or more")
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    images = Scorer(network, inputs, device).normalised(torch.from_numpy(pixels))
    maps = explain(network, inputs, pixels, classes)
    others = (randomised(network, images, seed + copy) for copy in range(copies))
    found = np.stack(
        [_rank_correlation(maps, explain(other, inputs, pixels, classes)) for other in others]
    )  # [copies, N]
    value, n = float(found.mean()), len(pixels)
    by_picture, method = mean_interval(found.mean(axis=0), groups)
    by_copy, by_copy_method = mean_interval(found.mean(axis=1))
    low, high = wider(by_picture, by_copy)
    passed = high < LIKE
    told = (
        f"with shuffled weights the maps have a rank correlation of {value:.2f} [{low:.2f}, {high:.2f}] with "
        f"those of the trained network (pictures: {n}, shuffled copies: {copies}); below {LIKE} is expected"
    )
    if n == 1:
        verdict = _ONE_PICTURE
    elif passed:
        verdict = "The maps depend on what the network learned"
    else:
        verdict = "The maps may not depend on what the network learned; do not read them as an explanation"
    how = f"spearman, wider of {method} over pictures and {by_copy_method} over {copies} shuffled copies"
    return CheckResult("randomisation", value, low, high, n, how, passed, f"{verdict}: {told}.")


def deletion_check(
    forward: Forward,
    pixels: Pixels,
    maps: Maps,
    classes: Classes,
    *,
    area_fraction: float = AREA_FRACTION,
    fill: Fill = "blur",
    repeats: int = REPEATS,
    groups: Sequence[str] = (),
    seed: int = 0,
) -> CheckResult:
    """Deletes what the maps mark, and as much at random places, and compares what each costs.

    Args:
        forward: fitted pictures `[B, C, H, W]`, 0..255, to logits `[B, K]`.
        pixels: `[N, C, H, W]`, 0..255, N of 1 or more; one picture cannot pass.
        maps: `[N, H, W]`, finite; higher is more important.
        classes: class that the maps explain, `[N]`.
        area_fraction: share of the picture that is deleted, above 0 and below 1; less where the map is flat
            from there on.
        fill: what comes in the place of deleted pixels: the picture heavily blurred, or its mean colour.
        repeats: random places a picture, 1 or more.
        groups: group of each picture, "" where it has none.
        seed: of the random places. They depend on it and on the picture, not on its row.

    Returns:
        Loss of probability by the marked part minus that by random parts, mean over pictures; passed if the
        interval lies above 0.

    Raises:
        EighteenError: there is no picture, maps do not fit the pictures, or settings are out of range.
    """
    pixels = as_pictures(pixels)
    check_classes(classes, len(pixels))
    check_groups(groups, len(pixels))
    _check_deletion(pixels, maps, area_fraction, fill, repeats)
    filling = blurred(pixels, BLUR_FRACTION) if fill == "blur" else _mean_colour(pixels)
    marked = marked_parts(maps, area_fraction)  # [N, H, W]
    kept = probability_of(forward, filled(pixels, marked, filling), classes)
    moved = moved_parts(marked, pixels, repeats, seed)
    by_chance = np.mean(
        [probability_of(forward, filled(pixels, parts, filling), classes) for parts in moved], axis=0
    )
    gains = by_chance - kept  # [N]: the same probability before stands in both losses
    (low, high), method = mean_interval(gains, groups)
    return _deletion_result(float(gains.mean()), low, high, len(pixels), method, area_fraction, fill, repeats)


def _deletion_result(
    value: float, low: float, high: float, n: int, method: str, area: float, fill: Fill, repeats: int
) -> CheckResult:
    passed = low > 0
    if n == 1:
        verdict = _ONE_PICTURE
    elif passed:
        verdict = "The maps mark what the model uses"
    elif high < 0:
        verdict = "The maps mark what the model does not use; do not read them as an explanation"
    else:
        verdict = "The maps mark nothing that provably matters more than chance; do not rely on them"
    told = (
        f"the loss of probability from deleting the marked {100 * area:g} % of a picture, less that from "
        f"deleting as much at random places, is {value:+.2f} [{low:+.2f}, {high:+.2f}] (pictures: {n}); "
        f"above 0 is expected"
    )
    how = f"paired difference in probability, {fill} filled in, {repeats} random places a picture, {method}"
    return CheckResult("deletion", value, low, high, n, how, passed, f"{verdict}: {told}.")


def _mean_colour(pixels: Pixels) -> Pixels:
    return np.broadcast_to(pixels.mean(axis=(2, 3), keepdims=True), pixels.shape)


def _rank_correlation(first: Maps, second: Maps) -> npt.NDArray[np.float64]:
    """Spearman's correlation of each pair of maps `[N, H, W]`, ties at their mean rank: `[N]`."""
    from scipy.stats import rankdata  # takes half a second to import

    flat = [maps.reshape(len(maps), -1) for maps in (first, second)]
    ranks = [rankdata(maps, axis=1) for maps in flat]
    one, two = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    size = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    correlation = (one * two).sum(axis=1) / np.where(size > 0, size, 1)
    return np.where((flat[0] == flat[1]).all(axis=1), 1.0, correlation)


def _check_deletion(pixels: Pixels, maps: Maps, area_fraction: float, fill: str, repeats: int) -> None:
    problems = []
    if maps.shape != (len(pixels), *pixels.shape[2:]) or not np.isfinite(maps).all():
        bad = int((~np.isfinite(maps)).sum())
        problems.append(
            f"maps of shape {maps.shape} with {bad} values that are not finite do not fit pictures of shape "
            f"{pixels.shape}, expected [N, H, W]"
        )
    if not 0 < area_fraction < 1:
        problems.append(f"area_fraction={area_fraction}, expected above 0 and below 1")
    if fill not in get_args(Fill):
        problems.append(f"fill='{fill}', expected one of {', '.join(get_args(Fill))}")
    if repeats < 1:
        problems.append(f"repeats={repeats}, expected 1 or more")
    if problems:
        raise EighteenError(f"the deletion check cannot be made: {'; '.join(problems)}; change these")
