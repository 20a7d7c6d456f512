"""What the page of the browser export said is told apart from what no browser could be asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eighteen.exporting.page_check import asked, compared

FILES = [Path("a.tif"), Path("b.tif")]
EXPECTED = np.array([[0.9, 0.1], [0.2, 0.8]])


def test_pictures_that_browsers_do_not_read_speak_not_of_the_page() -> None:
    found = compared(EXPECTED, ["no picture", "no picture"], FILES, "Chromium 150")
    assert found.problems == () and found.n == 0 and found.browser == ""
    assert found.reason == "Chromium 150 could read none of the pictures"
    assert found.unreadable == {"a.tif": "no picture", "b.tif": "no picture"}


def test_one_that_is_answered_otherwise_is_a_problem() -> None:
    found = compared(EXPECTED, [[0.1, 0.9], "no picture"], FILES, "Chromium 150")
    assert found.n == 1 and found.top1_agreement == 0
    assert found.problems == ("the page in Chromium 150 differs by 0.8, at most 0.05 allowed",)


def test_a_browser_that_does_not_start_is_no_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the stub of a package that was never installed."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    stub = tmp_path / "chromium"
    stub.write_text("#!/bin/sh\necho 'install me with snap' >&2\nexit 1\n")
    stub.chmod(0o755)
    monkeypatch.setattr("eighteen.exporting.page_check.installed_browser", lambda: str(stub))
    browser, reason = asked(tmp_path, "index.html", [])
    assert browser == "" and isinstance(reason, str)
    assert reason.startswith(f"{stub} does not start: ")
