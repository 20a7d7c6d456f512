"""Distances in feature space: against scikit-learn and their definitions, on simulated features."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from eighteen.core.errors import EighteenError
from eighteen.measuring.feature_distance import ClassDistance, NeighbourDistance
from eighteen.measuring.unknown import auroc_unknown

CENTRES = np.random.default_rng(100).normal(size=(4, 16)) * 4
MIXING = np.random.default_rng(101).normal(size=(16, 16))


def clouds(n: int, seed: int, classes: tuple[int, ...] = (0, 1, 2)) -> tuple[np.ndarray, np.ndarray]:
    """Features of n pictures of some classes, all clouds of one slanted shape."""
    generator = np.random.default_rng(seed)
    targets = generator.choice(classes, n)
    rows = CENTRES[targets] + generator.normal(size=(n, 16)) @ MIXING
    return rows.astype(np.float32), targets


def test_class_distance_is_that_of_the_shared_shrunk_covariance() -> None:
    features, targets = clouds(200, 0)
    rows = features.astype(np.float64)
    means = np.stack([rows[targets == k].mean(axis=0) for k in range(3)])
    precision = LedoitWolf(assume_centered=True).fit(rows - means[targets]).precision_
    new, _ = clouds(40, 1, (0, 3))
    gaps = new[:, None].astype(np.float64) - means  # [N, C, D]
    expected = np.sqrt(np.einsum("ncd,de,nce->nc", gaps, precision, gaps).min(axis=1))
    assert ClassDistance.fit(features, targets)(new) == pytest.approx(expected, rel=1e-6)


def test_neighbour_distance_is_that_to_the_kth_nearest_at_length_1() -> None:
    features, _ = clouds(60, 2)
    new, _ = clouds(20, 3)
    bank = features / np.linalg.norm(features, axis=1, keepdims=True)
    rows = new / np.linalg.norm(new, axis=1, keepdims=True)
    every = np.sort(np.linalg.norm(rows[:, None] - bank, axis=2), axis=1)
    for k in (1, 5, 60):
        assert NeighbourDistance.fit(features, k)(new) == pytest.approx(every[:, k - 1], abs=1e-3)
    assert NeighbourDistance.fit(features, 1)(features) == pytest.approx(np.zeros(60), abs=1e-3)


@pytest.mark.parametrize("kind", [ClassDistance, NeighbourDistance])
def test_a_class_that_was_not_seen_lies_further_away(kind: type) -> None:
    features, targets = clouds(300, 4)
    distance = kind.fit(features, targets) if kind is ClassDistance else kind.fit(features)
    found = auroc_unknown(distance(clouds(150, 5)[0]), distance(clouds(150, 6, (3,))[0]))
    same = auroc_unknown(distance(clouds(150, 7)[0]), distance(clouds(150, 8)[0]))
    assert found.value is not None and found.value > 0.85
    assert same.low is not None and same.high is not None and same.low < 0.5 < same.high


def test_class_distance_does_not_depend_on_the_scale_of_features_or_names_of_classes() -> None:
    features, targets = clouds(200, 9)
    new, _ = clouds(30, 10, (0, 3))
    plain = ClassDistance.fit(features, targets)(new)
    assert ClassDistance.fit(features * 8, targets)(new * 8) == pytest.approx(plain)
    assert ClassDistance.fit(features, 7 - targets)(new) == pytest.approx(plain)
    order = np.random.default_rng(11).permutation(200)
    assert ClassDistance.fit(features[order], targets[order])(new) == pytest.approx(plain)


def test_pictures_of_unknown_class_and_dead_features_do_no_harm() -> None:
    features, targets = clouds(200, 12)
    new, _ = clouds(30, 13)
    plain = ClassDistance.fit(features, targets)(new)
    stray = np.concatenate([features, np.full((5, 16), 1e3, np.float32)])
    with_stray = ClassDistance.fit(stray, np.concatenate([targets, np.full(5, -1)]))
    assert with_stray(new) == pytest.approx(plain)
    dead = np.zeros((200, 4), np.float32)
    with_dead = ClassDistance.fit(np.hstack([features, dead]), targets)(np.hstack([new, dead[:30]]))
    assert np.corrcoef(with_dead, plain)[0, 1] > 0.95


def test_fewer_pictures_than_features_still_make_a_distance() -> None:
    features, targets = clouds(9, 14)
    values = ClassDistance.fit(features, targets)(clouds(20, 15)[0])
    assert np.isfinite(values).all()
    assert (values > 0).all()


def test_the_neighbour_is_the_square_root_of_the_pictures_but_at_most_the_fiftieth() -> None:
    generator = np.random.default_rng(16)
    for n, k in ((1, 1), (9, 3), (10, 4), (2500, 50), (4000, 50)):
        assert NeighbourDistance.fit(generator.normal(size=(n, 2))).k == k


def test_no_pictures_give_no_distances() -> None:
    features, targets = clouds(50, 17)
    for distance in (ClassDistance.fit(features, targets), NeighbourDistance.fit(features)):
        assert distance(features[:0]).shape == (0,)


def test_what_cannot_be_a_distance_says_why() -> None:
    features, targets = clouds(30, 18)
    with pytest.raises(EighteenError, match="29 targets for 30 rows of features"):
        ClassDistance.fit(features, targets[:29])
    with pytest.raises(EighteenError, match=r"3 pictures of 3 classes do not vary within any class"):
        ClassDistance.fit(features[:3], np.arange(3))
    with pytest.raises(EighteenError, match="0 pictures of 0 classes"):
        ClassDistance.fit(features, np.full(30, -1))
    with pytest.raises(EighteenError, match=r"shape \(30,\) .* expected finite \[N, D\]"):
        NeighbourDistance.fit(features[:, 0])
    for k in (0, 31):
        with pytest.raises(EighteenError, match=f"neighbour number {k} .* among 30 .* expected 1 to 30"):
            NeighbourDistance.fit(features, k)
    with pytest.raises(EighteenError, match=r"expected finite \[N, 16\]"):
        ClassDistance.fit(features, targets)(features[:, :5])
    broken = np.where(np.arange(30)[:, None] == 0, np.nan, features)
    with pytest.raises(EighteenError, match="16 values that are not finite"):
        NeighbourDistance.fit(broken)
