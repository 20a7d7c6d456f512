"""Shortcuts are seen where they are, and not where they are not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter

from eighteen.core.errors import EighteenError
from eighteen.explaining._altering import blurred, coarse_colours, middle_covered
from eighteen.explaining.shortcuts import Shortcuts, find_shortcuts

Pixels = npt.NDArray[np.float32]


def by_view(found: Shortcuts) -> dict[str, Any]:
    return {view.name: view for view in found.views}


def looking_at(row: int, column: int) -> Any:
    """A model of two classes that sees one pixel: bright is class 1."""

    def forward(pixels: Pixels) -> npt.NDArray[np.float32]:
        score = pixels[:, 0, row, column] - 127.5
        return np.stack([-score, score], axis=1)

    return forward


def marked(n: int, row: int, column: int, seed: int = 0) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Grey noise with one pixel that is bright in class 1 and dark in class 0."""
    generator = np.random.default_rng(seed)
    pixels = generator.uniform(100, 155, (n, 1, 20, 20)).astype(np.float32)
    targets = generator.integers(0, 2, n)
    pixels[:, 0, row, column] = np.where(targets == 1, 250, 5)
    return pixels, targets


def test_a_frame_that_gives_the_class_away_is_flagged(framed_squares: Any) -> None:
    found = find_shortcuts(
        framed_squares.forward, framed_squares.unseen.pixels, framed_squares.unseen.targets
    )
    border = by_view(found)["border"]
    assert border.suspected and border.accuracy.low > 0.9
    assert border.sentence in found.sentence
    assert "From the outer 10 % on each side alone the model is right in" in border.sentence
    assert "different places or with different cameras" in border.sentence


def test_squares_at_random_places_are_not_flagged(striped_squares: Any) -> None:
    unseen = striped_squares.unseen
    found = find_shortcuts(striped_squares.forward, unseen.pixels, unseen.targets, split="val")
    assert found.whole.value > 0.95 and found.whole.split == "val"
    assert not any(view.suspected or view.sentence for view in found.views)
    assert all(view.kept_fraction < 0.5 for view in found.views)
    assert found.sentence.startswith("No shortcut was seen")
    row = json.loads(json.dumps(found.to_json()))
    assert [view["name"] for view in row["views"]] == ["border", "blur", "colour"]
    assert row["views"][0]["accuracy"]["n"] == 200


def test_colour_is_flagged_where_it_decides() -> None:
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 2, 100)
    pixels = generator.uniform(0, 120, (100, 3, 20, 20)).astype(np.float32)
    pixels[:, 0] += 100 * targets[:, None, None]

    def forward(pixels: Pixels) -> npt.NDArray[np.float32]:
        score = pixels[:, 0, 6:14, 6:14].mean((1, 2)) - 110
        return np.stack([-score, score], axis=1)

    views = by_view(find_shortcuts(forward, pixels, targets))
    assert views["colour"].suspected and views["blur"].suspected
    assert not views["border"].suspected
    assert "ripe" not in views["colour"].sentence and "colour alone" in views["colour"].sentence


@pytest.mark.parametrize(("place", "suspected"), [((0, 0), True), ((10, 10), False)])
def test_only_what_lies_in_the_border_counts_for_it(place: tuple[int, int], suspected: bool) -> None:
    pixels, targets = marked(200, *place)
    found = find_shortcuts(looking_at(*place), pixels, targets)
    border = by_view(found)["border"]
    assert found.whole.value == 1
    assert border.suspected is suspected
    if not suspected:
        # The model sees one colour in all of them, so it always gives the same class.
        assert (
            min(abs(border.accuracy.value - share) for share in (targets.mean(), 1 - targets.mean())) < 1e-9
        )


def test_a_model_that_knows_nothing_has_no_shortcut() -> None:
    pixels, targets = marked(40, 0, 0)
    found = find_shortcuts(looking_at(5, 5), pixels, 1 - np.zeros_like(targets))
    assert not any(view.suspected for view in found.views)
    assert all(view.kept_fraction is None for view in found.views)
    assert "not better than always giving the most frequent class" in found.sentence


def test_with_few_pictures_it_is_left_open() -> None:
    pixels, targets = marked(5, 0, 0, seed=3)
    found = find_shortcuts(looking_at(0, 0), pixels, targets)
    assert not by_view(found)["border"].suspected
    assert by_view(found)["border"].kept_fraction == 1
    assert "with more pictures one might be seen (border" in found.sentence


def test_the_baseline_may_be_the_majority_of_the_training_pictures() -> None:
    pixels, targets = marked(50, 0, 0)
    rarest = int(np.bincount(targets).argmin())
    found = find_shortcuts(looking_at(0, 0), pixels, targets, majority=rarest)
    assert found.baseline.value == pytest.approx((targets == rarest).mean())


def test_intervals_are_by_group_and_do_not_depend_on_the_order() -> None:
    pixels, targets = marked(60, 0, 0)
    targets[:20] = 1 - targets[:20]
    groups = [f"box {row // 10}" for row in range(60)]
    alone = find_shortcuts(looking_at(0, 0), pixels, targets).whole
    found = find_shortcuts(looking_at(0, 0), pixels, targets, groups=groups)
    assert "by group" in found.whole.method
    assert found.whole.high - found.whole.low > alone.high - alone.low
    order = np.random.default_rng(0).permutation(60)
    mixed = find_shortcuts(looking_at(0, 0), pixels[order], targets[order], groups=[groups[k] for k in order])
    assert (mixed.whole.low, mixed.whole.high) == pytest.approx((found.whole.low, found.whole.high), abs=1e-9)


def test_the_blur_is_close_to_a_gaussian() -> None:
    pixels = np.random.default_rng(1).uniform(0, 255, (1, 2, 64, 64)).astype(np.float32)
    expected = gaussian_filter(pixels, sigma=(0, 0, 6.4, 6.4), mode="reflect")
    assert np.abs(blurred(pixels, 0.1) - expected).max() < 0.04 * (pixels.max() - pixels.min())
    assert blurred(pixels, 0.1).std() < 0.1 * pixels.std()
    np.testing.assert_allclose(blurred(pixels, 0.1).mean(), pixels.mean(), rtol=1e-3)


def test_coarse_colours_are_means() -> None:
    pixels = np.random.default_rng(2).uniform(0, 255, (2, 3, 10, 9)).astype(np.float32)
    coarse = coarse_colours(pixels, 4)
    assert len(np.unique(coarse[0, 0])) == 16
    np.testing.assert_allclose(
        coarse[:, :, :3, :3],
        pixels[:, :, :3, :3].mean((2, 3), keepdims=True).repeat(3, 2).repeat(3, 3),
        rtol=1e-5,
    )
    np.testing.assert_allclose(coarse.mean(), pixels.mean(), rtol=0.02)


def test_a_covered_middle_is_the_same_in_all_pictures() -> None:
    pixels = np.random.default_rng(3).uniform(0, 255, (4, 3, 20, 30)).astype(np.float32)
    left = middle_covered(pixels, 0.1, np.array([1, 2, 3], np.float32))
    inner = left[:, :, 2:-2, 3:-3]
    assert (inner == np.array([1, 2, 3])[:, None, None]).all()
    changed = (left != pixels).any((0, 1))
    assert changed[2:-2, 3:-3].all() and changed.sum() == 16 * 24


def test_refusals() -> None:
    pixels, targets = marked(3, 0, 0)
    with pytest.raises(EighteenError, match="hold no picture"):
        find_shortcuts(looking_at(0, 0), pixels[:0], targets[:0])
    with pytest.raises(EighteenError, match="class -1 is none of the model's 2 classes"):
        find_shortcuts(looking_at(0, 0), pixels, np.array([0, -1, 1]))
    with pytest.raises(EighteenError, match="class 2 is none"):
        find_shortcuts(looking_at(0, 0), pixels, targets, majority=2)
    with pytest.raises(EighteenError, match="2 groups were given for 3 pictures"):
        find_shortcuts(looking_at(0, 0), pixels, targets, groups=["a", "b"])
