"""Every failure case about files, folders, tables and splits, through the command that a user types."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eighteen import load_image

pytestmark = pytest.mark.shared

CASES = [
    *("C01", "C03", "C05", "C06", "C08", "C10", "C12", "C14", "C16", "C18", "C20", "C21", "C22", "C24"),
    *("C25", "C27", "C28", "C30", "C31", "C32", "C34"),
    *("C36", "C38", "C39", "C40", "C41"),
    *("C43", "C44", "C46"),
]
"""Areas data reading, dataset layout, labels/CSV, split/leakage."""

AREAS = {"data reading", "dataset layout", "labels/CSV", "split/leakage"}

SAME_TOLERANCE = 12.0
"""Mean difference in grey levels between two stored forms (JPEG blocks turned, palettes) of one picture."""


def story(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "case.json").read_text("utf-8"))
    return found


def test_no_case_is_forgotten(shared: Path, case_dir: Callable[[str], Path]) -> None:
    root = case_dir("C01").parent
    there = [story(path.parent) for path in sorted(root.glob("*/case.json"))]
    assert {case["id"] for case in there if case["area"] in AREAS} == set(CASES)


@pytest.mark.parametrize(
    "case",
    CASES,
)
def test_audit_does_what_the_case_says(
    case: str, case_dir: Callable[[str], Path], eighteen: Callable[..., Any]
) -> None:
    folder = case_dir(case)
    about = story(folder)
    expected, inputs = about["expected"], about["input"]
    first, *others = inputs if isinstance(inputs, list) else [inputs]
    group = ("--group-column", expected["group_column"]) if "group_column" in expected else ()
    said = eighteen("audit", folder / first, "--json", *group)
    _check_answer(said, expected, root=folder / "data")
    for path in others:
        _check_answer(eighteen("audit", folder / path, "--json"), expected["second"], root=folder / "data")


def _check_answer(said: Any, expected: dict[str, Any], root: Path) -> None:
    for words in expected.get("mention", []):
        assert any(word in said.text for word in words), (words, said.text)
    if expected.get("action") == "refuse":
        assert said.code in (1, 3)
        return
    assert said.code == 0, said.err
    answer = said.json
    _check_rows(answer, expected)
    for check in (_check_pixels, _check_levels, _check_same):
        check(expected, root)


def _check_rows(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    used = {row["path"] for row in answer["images"]}
    skipped = {row["path"]: row["reason"] for row in answer["skipped"]}
    assert all(skipped.values()), "each picture left out has its reason"
    assert answer["counts"]["used"] == len(answer["images"]) == sum(answer["counts"]["splits"].values())
    if "n_used" in expected and "n_overlap" not in expected:
        assert len(used) == expected["n_used"]
    assert len(used) >= expected.get("n_used_min", 0)
    assert answer["classes"] == expected.get("classes", answer["classes"])
    assert set(expected.get("used", [])) <= used
    assert set(expected.get("skipped", [])) <= set(skipped)
    assert set(expected.get("missing", [])) <= set(skipped)
    assert set(expected.get("used_or_skipped", [])) <= used | set(skipped)
    if expected.get("groups_disjoint"):
        sides: dict[str, set[str]] = {}
        for row in answer["images"]:
            sides.setdefault(row["group"], set()).add(row["split"])
        assert len(sides) > 1
        assert all(len(splits) == 1 for splits in sides.values()), sides
    if "n_overlap" in expected:
        gone = [path for path in skipped if path.startswith("train/")]
        assert len(gone) == expected["n_overlap"]
        assert answer["counts"]["splits"]["test"] == 6


def _check_pixels(expected: dict[str, Any], root: Path) -> None:
    for point in expected.get("pixels", []):
        x, y = point["xy"]
        seen = load_image(root / point["file"])[y, x].astype(int)
        assert np.abs(seen - np.array(point["rgb"])).max() <= point["tol"], (point, seen)


def _check_levels(expected: dict[str, Any], root: Path) -> None:
    for row in expected.get("levels", []):
        assert len(np.unique(load_image(root / row["file"])[:, :, 0])) >= row["min"], row


def _check_same(expected: dict[str, Any], root: Path) -> None:
    for group in expected.get("same", []):
        first, *others = (load_image(root / name).astype(float) for name in group)
        for other in others:
            assert other.shape == first.shape
            assert np.abs(other - first).mean() <= SAME_TOLERANCE


TELLS_ITS_PEAK = """
import sys
from pathlib import Path
from eighteen.cli.main import run
try:
    run()
finally:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    sys.stderr.write(line)
"""
"""What the parent counts of a child includes the parent's own memory at the start, so the child tells."""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the system does not tell a peak of memory"
)
@pytest.mark.parametrize("case", ["C18", "C20"])
def test_memory_stays_bounded(
    case: str, case_dir: Callable[[str], Path], start: Callable[..., subprocess.Popen[str]]
) -> None:
    folder = case_dir(case)
    out, err = start("-c", TELLS_ITS_PEAK, "audit", folder / "data", "--json").communicate(timeout=300)
    assert json.loads(out)["counts"]["used"] >= 12
    peak_mb = int(err.rsplit(":", 1)[1].split()[0]) / 1024
    assert 20 < peak_mb <= story(folder)["expected"]["max_rss_mb"]


def test_leftovers_and_hints_are_said(case_dir: Callable[[str], Path], eighteen: Callable[..., Any]) -> None:
    """What the prose of some cases asks for beyond their checks."""
    hint = eighteen("audit", case_dir("C46") / "data" / "labels.csv", "--json")
    assert "--group-column patient_id" in hint.text
    strict = eighteen("audit", case_dir("C27") / "data", "--json", "--strict")
    assert strict.code == 3
    two = eighteen("audit", case_dir("C43") / "data", "--json")
    splits = {row["split"] for row in two.json["images"] if row["label"] == "two"}
    assert splits == {"train", "val"}
    assert {row["split"] for row in two.json["images"] if row["label"] == "one"} == {"train"}
    at_least = eighteen("audit", case_dir("C43") / "data", "--json", "--set", "data.min_images_per_class=3")
    assert at_least.code == 3
    outside = eighteen("audit", case_dir("C38") / "data" / "labels.csv", "--json", "--strict")
    assert outside.code == 3
    negative = case_dir("C40") / "data" / "labels_gaps.csv"
    kept = eighteen("audit", negative, "--json", "--set", "data.keep_negative_labels=true")
    assert "-1" in kept.json["classes"]
    only_val = eighteen("audit", case_dir("C28") / "data", "--json", "--accept", "class_without_training")
    assert only_val.code == 0
    assert only_val.json["classes"] == ["b", "c"]
    still = eighteen("audit", case_dir("C12") / "data", "--json")
    about_frames = [row for row in still.json["findings"] if "frame" in row["message"]]
    assert [row["images"] for row in about_frames] == [["cat/anim.gif"]]
