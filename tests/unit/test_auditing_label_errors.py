"""Wrong labels are found where they were planted, and their order does not depend on that of the rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from eighteen.auditing.label_errors import find_label_errors, mean_probabilities, suspicion
from eighteen.core.errors import EighteenError
from eighteen.core.findings import Finding
from eighteen.core.predictions import Predictions

CLASSES = ("cat", "dog", "owl")


def predictions(logits: np.ndarray, targets: np.ndarray, ids: list[str] | None = None) -> Predictions:
    names = ids or [f"{row:03}.png" for row in range(len(targets))]
    rows = pl.DataFrame(
        {
            "id": names,
            "path": names,
            "target": [CLASSES[k] for k in targets],
            "predicted": [CLASSES[k] for k in logits.argmax(axis=1)],
            "score": [0.0] * len(targets),
            "split": ["train"] * len(targets),
            "group": [""] * len(targets),
            "fold": [0] * len(targets),
            "seed": [0] * len(targets),
        }
    )
    return Predictions(rows, {"logits": logits.astype(np.float32)}, CLASSES, len(targets))


def planted(n: int = 300, wrong: int = 20) -> tuple[Predictions, dict[str, str], set[str]]:
    """A model that mostly knows the truth, and labels of which some are wrong."""
    generator = np.random.default_rng(0)
    truth = np.arange(n) % 3
    logits = generator.normal(0, 1, (n, 3)) + 4 * np.eye(3)[truth]
    stated = truth.copy()
    stated[:wrong] = (truth[:wrong] + 1) % 3
    found = predictions(logits, stated)
    labels = dict(found.rows.select("id", "target").iter_rows())
    return found, labels, set(found.rows["id"][:wrong])


def test_planted_errors_are_named_with_the_right_suggestion() -> None:
    found, labels, wrong = planted()
    finding = find_label_errors(found, labels)
    named = set(finding.images)
    assert len(named & wrong) >= 16 and len(named - wrong) <= 6
    assert finding.severity == "warning" and f"{len(named)} of 300" in finding.message
    scores = [each.score for each in finding.suspects]
    assert scores == sorted(scores, reverse=True) and all(0.5 < score <= 1 for score in scores[:15])
    for each in finding.suspects:
        if each.path in wrong:
            truth = CLASSES[int(each.path[:3]) % 3]
            assert (each.label, each.suggested) == (labels[each.path], truth)


def test_json_carries_path_label_suggested_and_score_and_reads_back() -> None:
    found, labels, _ = planted()
    finding = find_label_errors(found, labels)
    row = finding.to_json()
    assert set(row["images"][0]) == {"path", "label", "suggested", "score"}
    assert Finding.from_json(row) == finding
    plain = Finding("blank_images", "warning", "two", ("a", "b"))
    assert Finding.from_json(plain.to_json()) == plain and plain.to_json()["images"] == ["a", "b"]


def test_order_of_rows_and_repeats_do_not_matter() -> None:
    found, labels, _ = planted()
    order = np.random.default_rng(1).permutation(len(found))
    ids = found.rows["id"].to_list()
    again = predictions(found.logits[order], found.targets[order], [ids[row] for row in order])
    assert find_label_errors(again, labels) == find_label_errors(found, labels)
    both = np.concatenate([found.logits, found.logits])
    twice = predictions(both, np.concatenate([found.targets] * 2), [*ids, *ids])
    assert find_label_errors(twice, labels) == find_label_errors(found, labels)


def test_mean_probabilities_of_repeats() -> None:
    logits = np.log(np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.4, 0.3, 0.3]]))
    ids, mean = mean_probabilities(predictions(logits, np.array([0, 1, 0]), ["b", "a", "b"]))
    assert ids.tolist() == ["a", "b"]
    assert mean == pytest.approx(np.array([[0.2, 0.7, 0.1], [0.6, 0.2, 0.2]]), abs=1e-6)


def test_score_is_the_margin() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.4, 0.4, 0.2]])
    assert suspicion(np.array([0, 0, 0]), probabilities) == pytest.approx([0.25, 0.75, 0.5])


def test_corrected_labels_count_and_clean_ones_are_said() -> None:
    generator = np.random.default_rng(0)
    truth = np.arange(90) % 3
    found = predictions(8 * np.eye(3)[truth] + generator.normal(0, 0.1, (90, 3)), truth)
    labels = dict(found.rows.select("id", "target").iter_rows())
    assert find_label_errors(found, labels).severity == "info"
    labels["000.png"] = "owl"
    finding = find_label_errors(found, labels)
    assert [(each.path, each.label, each.suggested) for each in finding.suspects] == [
        ("000.png", "owl", "cat")
    ]


def test_predictions_of_other_pictures_are_refused() -> None:
    found, _, _ = planted()
    with pytest.raises(
        EighteenError, match="none of the 300 pictures that were predicted is in this data set"
    ):
        find_label_errors(found, {"other.png": "cat"})
