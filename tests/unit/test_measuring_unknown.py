"""Unknown pictures: scores, the threshold's promise, and the AUROC with its interval."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from eighteen.core.errors import EighteenError
from eighteen.measuring.unknown import UnknownRule, auroc_unknown, energy, missing_probability


def test_energy_is_that_of_its_formula() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32) * 4
    for temperature in (0.5, 1.0, 3.0):
        expected = -temperature * np.log(np.exp(logits.astype(np.float64) / temperature).sum(axis=1))
        assert energy(logits, temperature) == pytest.approx(expected)
    assert np.isfinite(energy(np.full((1, 3), 5000.0))).all()


def test_missing_probability_is_one_less_the_highest_and_never_rounds_to_nothing() -> None:
    logits = np.random.default_rng(1).normal(size=(50, 7)) * 3
    assert missing_probability(logits) == pytest.approx(1 - softmax(logits, axis=1).max(axis=1))
    sure = missing_probability([[60.0, 0.0], [61.0, 0.0]])
    assert sure[0] > sure[1] > 0
    assert missing_probability([[0.0, 0.0]]) == pytest.approx([0.5])


def test_a_network_that_has_not_seen_a_class_is_less_sure_of_it() -> None:
    generator = np.random.default_rng(2)
    known = generator.normal(size=(300, 5)) + 6 * np.eye(5)[generator.integers(0, 5, 300)]
    unseen = generator.normal(size=(200, 5)) + 1.0
    for score in (energy, missing_probability):
        assert (auroc_unknown(score(known), score(unseen)).value or 0) > 0.9


@pytest.mark.parametrize("accepted", [0.5, 0.9, 0.95])
@pytest.mark.parametrize("n", [40, 101, 500])
def test_the_share_that_was_asked_for_is_accepted(n: int, accepted: float) -> None:
    generator = np.random.default_rng(n)
    shares = []
    for _ in range(300):
        scores = generator.exponential(size=n)
        rule = UnknownRule.fit("energy", scores, accepted)
        of_these = 1 - rule.is_unknown(scores).mean()
        assert accepted <= of_these <= accepted + 2 / n
        shares.append(1 - np.exp(-rule.threshold))  # of new pictures, exactly
    error = np.std(shares) / np.sqrt(300)
    assert accepted - 4 * error <= np.mean(shares) <= accepted + 1 / n + 4 * error


def test_the_rule_needs_enough_pictures_and_says_how_many() -> None:
    scores = np.arange(19.0)
    assert UnknownRule.fit("energy", scores, 0.95).threshold == 18
    with pytest.raises(EighteenError, match=r"18 known pictures are too few .* expected 19 or more"):
        UnknownRule.fit("energy", scores[:18], 0.95)
    for share in (0.0, 1.0):
        with pytest.raises(EighteenError, match="expected above 0 and below 1"):
            UnknownRule.fit("energy", scores, share)
    with pytest.raises(EighteenError, match="1 values that are not finite"):
        UnknownRule.fit("energy", [0.0, np.nan])


def test_the_rule_comes_back_from_json() -> None:
    rule = UnknownRule.fit("class_distance", np.random.default_rng(3).normal(size=90))
    assert UnknownRule.from_json(json.loads(json.dumps(rule.to_json(), allow_nan=False))) == rule


def test_auroc_equals_scikit_learn_with_ties_and_negative_scores() -> None:
    for seed in range(20):
        generator = np.random.default_rng(seed)
        known = np.round(generator.normal(-3, 1, generator.integers(2, 80)), seed % 3)
        unknown = np.round(generator.normal(-2, 2, generator.integers(2, 80)), seed % 3)
        found = auroc_unknown(known, unknown, split="test")
        labels = np.repeat([0, 1], [len(known), len(unknown)])
        assert found.value == pytest.approx(roc_auc_score(labels, np.concatenate([known, unknown])))
        assert found.low is not None and found.high is not None and found.value is not None
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert (found.n, found.split) == (len(labels), "test")


def test_a_perfect_score_leaves_room_for_mistakes_not_yet_seen() -> None:
    for known, unknown, value in ((np.zeros(20), np.ones(20), 1), (np.ones(20), np.zeros(20), 0)):
        found = auroc_unknown(known, unknown)
        assert found.value == value
        assert found.low is not None and found.high is not None
        assert 0.05 < found.high - found.low < 0.3
    assert auroc_unknown(np.zeros(9), np.zeros(5)).value == 0.5


def test_its_interval_holds_the_truth() -> None:
    generator, truth = np.random.default_rng(4), float(norm.cdf(1.2 / np.sqrt(5)))
    held = 0
    for _ in range(400):
        found = auroc_unknown(generator.normal(0, 1, 60), generator.normal(1.2, 2, 40))
        held += (found.low or 0) <= truth <= (found.high or 0)
    assert 0.92 * 400 <= held <= 0.98 * 400


def test_its_interval_holds_the_truth_with_groups_and_falls_short_without() -> None:
    generator, truth = np.random.default_rng(5), float(norm.cdf(1.2 / np.sqrt(5)))
    of_known, of_unknown = np.repeat(np.arange(20), 6), np.repeat(np.arange(15), 6)
    names = [f"k{k}" for k in of_known], [f"u{k}" for k in of_unknown]
    held = held_without = 0
    for _ in range(300):
        known = generator.normal(0, 0.8, 20)[of_known] + generator.normal(0, 0.6, 120)
        unknown = generator.normal(1.2, 1.6, 15)[of_unknown] + generator.normal(0, 1.2, 90)
        found = auroc_unknown(known, unknown, known_groups=names[0], unknown_groups=names[1])
        plain = auroc_unknown(known, unknown)
        assert found.value == plain.value
        held += (found.low or 0) <= truth <= (found.high or 0)
        held_without += (plain.low or 0) <= truth <= (plain.high or 0)
    assert held >= 0.91 * 300
    assert held_without < 0.85 * 300
    assert found.method.endswith("by group: 35")


def test_the_order_of_pictures_does_not_show() -> None:
    generator = np.random.default_rng(6)
    known, unknown = generator.normal(size=70), generator.normal(0.5, 1, 50)
    groups = [f"patient {k}" if k else "" for k in generator.integers(0, 9, 120)]
    order = generator.permutation(70)
    first = auroc_unknown(known, unknown, known_groups=groups[:70], unknown_groups=groups[70:])
    other = auroc_unknown(
        known[order], unknown, known_groups=[groups[k] for k in order], unknown_groups=groups[70:]
    )
    assert (first.value, first.low, first.high) == pytest.approx(
        (other.value, other.low, other.high), abs=1e-12
    )
    assert first.method == other.method


def test_what_is_not_defined_says_why() -> None:
    assert auroc_unknown([1.0, 2.0], []).method == "not defined: no unknown pictures"
    assert auroc_unknown([], [1.0]).method == "not defined: no known pictures"
    assert auroc_unknown([], [1.0]).value is None
    with pytest.raises(EighteenError, match=r"scores of unknown pictures .* 1 values that are not finite"):
        auroc_unknown([1.0], [np.inf])
    with pytest.raises(EighteenError, match="3 groups were given for 2 known pictures"):
        auroc_unknown([1.0, 2.0], [3.0], known_groups=["a", "b", "c"])
