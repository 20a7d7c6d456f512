"""Corrections on the command line: a run says what was corrected, and other data stay as they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from eighteen import Run, evaluate


@pytest.fixture
def corrections(tmp_path: Path) -> Path:
    path = tmp_path / "corrections.csv"
    rows = "train/red/000.png,relabel,blue,by eye,ann,\ntest/red/001.png,drop,,blurred,ann,\n"
    path.write_text("path,action,label,reason,by,time\n" + rows, encoding="utf-8")
    return path


def test_a_run_says_what_was_corrected(
    pictures: Path,
    corrections: Path,
    eighteen: Any,
    small_flags: Callable[[Mapping[str, Any]], list[str]],
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    said = eighteen("train", pictures, "--out", out, "--corrections", corrections, *small_flags({}))
    assert said.code == 0, said.err
    run = Run.open(out)
    assert run.recipe.data.corrections == corrections.as_posix()
    assert run.recipe.data.corrections_sha256 == hashlib.sha256(corrections.read_bytes()).hexdigest()
    changed = run.dataset.table.filter(run.dataset.table["label_before"] != "")
    assert changed.select("id", "label_before", "target").rows() == [("train/red/000.png", "red", "blue")]
    assert [row.reason for row in run.dataset.skipped] == ["dropped by corrections.csv: blurred"]
    assert {"corrections", "corrected_test"} <= {finding.check for finding in run.findings}
    assert run.dataset.test_origin

    # The file may change or go: what was trained stays, and other data have corrections of their own.
    corrections.write_text("path,action,label\n000.png,relabel,blue\n", encoding="utf-8")
    assert evaluate(run, data=pictures).details["counts"]["expected"] == 48
    refused = eighteen("evaluate", out, "--data", pictures, "--corrections", corrections)
    assert refused.code == 1
    assert "there is no picture '000.png'" in refused.err
    corrections.write_text("path,action\nval/red/000.png,drop\n", encoding="utf-8")
    assert evaluate(run, data=pictures, corrections=corrections).details["counts"]["expected"] == 47
    refused = eighteen("evaluate", out, "--corrections", corrections)
    assert refused.code == 1
    assert "corrections go with other data (--data)" in refused.err


@pytest.mark.parametrize("command", ["audit", "train", "crossval", "compare"])
def test_every_command_that_reads_pictures_takes_them(
    command: str, pictures: Path, corrections: Path, eighteen: Any, tmp_path: Path
) -> None:
    corrections.write_text("path,action,label\nnowhere.png,relabel,bird\n", encoding="utf-8")
    more = {"audit": [], "compare": ["--change", "seed=1"]}.get(command, [])
    out = [] if command == "audit" else ["--out", tmp_path / "out"]
    said = eighteen(command, pictures, "--corrections", corrections, *more, *out)
    assert said.code == 1
    assert "2 problems: line 2: there is no picture 'nowhere.png', line 2: 'bird' is no class" in said.err
    assert not (tmp_path / "out").exists()
