"""Does the page in the folder answer like its model? A headless browser opens it and gives it real files.

The model file was compared with the run already. What is left is what a browser does otherwise: it decodes
and turns pictures itself, and runs the network in WebAssembly. So the page's answers are held against those
of the same file in ONNX Runtime. Nothing but the folder is served, to this machine alone.
"""

from __future__ import annotations

import functools
import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.inference.predictor import Predictor

PICTURES = 24
LARGEST_GAP = 0.05
"""In a class's probability. A browser may round a decoded pixel otherwise; a fault is far above this."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_WAIT_MS = 300_000


@dataclass(frozen=True)
class PageProof:
    """What a browser said.

    Attributes:
        n: files that both answered; 0 where no browser was asked.
        unreadable: files that the browser could not read, with its words.
        top1_agreement: share of the files with the same answer; None where n is 0.
        max_probability_difference: largest difference in a class's probability.
        browser: its name and version; "" where none could judge the page.
        reason: why none was asked.
    """

    n: int
    unreadable: Mapping[str, str]
    top1_agreement: float | None
    max_probability_difference: float | None
    browser: str
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "unreadable": dict(self.unreadable)}

    @property
    def problems(self) -> tuple[str, ...]:
        gap = self.max_probability_difference
        if self.reason and self.browser:
            return (f"the page did not answer in {self.browser}: {self.reason}",)
        if gap is not None and not gap <= LARGEST_GAP:
            return (f"the page in {self.browser} differs by {gap:.2g}, at most {LARGEST_GAP:g} allowed",)
        return ()


def check_page(folder: Path, page: str, exported: Predictor, dataset: Dataset) -> PageProof:
    """Asks the page for pictures of the run, validation first.

    Args:
        folder: holds the whole export.
        page: its file name.
        exported: the same model file in another runtime.
        dataset: of the run; its test split is not looked at.

    Returns:
        What came out; with n = 0 and the reason where there is no browser or no picture to ask for.
    """
    chosen = _files(dataset)
    missing = _missing() or ("" if len(chosen) else "the run's pictures are not files of their own")
    if missing:
        return PageProof(0, {}, None, None, "", missing)
    expected = exported.score(chosen)
    files = [dataset.file(path) for path in expected.rows["path"]]
    browser, answers = asked(folder, page, files)
    if isinstance(answers, str):
        return PageProof(0, {}, None, None, browser, answers)
    return compared(expected.probabilities, answers, files, browser)


def compared(
    expected: np.ndarray[Any, Any], answers: list[list[float] | str], files: list[Path], browser: str
) -> PageProof:
    """The page's answers, in the files' order, against those expected, `[N, K]`."""
    both = [row for row, answer in enumerate(answers) if not isinstance(answer, str)]
    unread = {path.name: said for path, said in zip(files, answers, strict=True) if isinstance(said, str)}
    if not both:
        # Browsers do not read TIFF, say; that speaks of the pictures, not of the page.
        return PageProof(0, unread, None, None, "", f"{browser} could read none of the pictures")
    got = np.array([answers[row] for row in both])
    agreement = float((got.argmax(1) == expected[both].argmax(1)).mean())
    return PageProof(len(both), unread, agreement, float(np.abs(got - expected[both]).max()), browser)


def asked(folder: Path, page: str, files: list[Path]) -> tuple[str, list[list[float] | str] | str]:
    """The page's answers.

    Returns:
        Name of the browser, "" where it does not start; and for each file the probabilities `[K]`, or why it
        could not be read. One text instead of the list where the page did not come to answer at all.
    """
    # In a thread of its own: playwright refuses to run where an event loop does, as in a notebook.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_asked, folder, page, files).result()


def _asked(folder: Path, page: str, files: list[Path]) -> tuple[str, list[list[float] | str] | str]:
    from playwright.sync_api import Error, sync_playwright

    with served(folder) as address, sync_playwright() as running:
        program = installed_browser()
        try:
            browser = running.chromium.launch(executable_path=program)
        except Error as error:
            return "", f"{program} does not start: {str(error).splitlines()[0]}"
        name = f"Chromium {browser.version}"
        view = browser.new_page()
        try:
            view.goto(f"{address}/{page}")
            view.wait_for_selector("body:not([data-state=loading])", timeout=_WAIT_MS)
            if view.get_attribute("body", "data-state") != "ready":
                return name, " ".join(view.inner_text("#notice").split())
            view.set_input_files("#files", files)
            view.wait_for_selector("#cards:not(:has([aria-busy])) .card", timeout=_WAIT_MS)
            cards = view.locator(".card").evaluate_all("all => all.map(one => ({...one.dataset}))")
        except Error as error:
            return name, str(error).splitlines()[0]
        finally:
            browser.close()
    return name, [card.get("reason") or json.loads(card["probabilities"]) for card in cards]


def installed_browser() -> str | None:
    """A Chromium on the path."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def _missing() -> str:
    """What a page cannot be asked without; "" where all of it is there."""
    if find_spec("playwright") is None:
        return "playwright is not installed"
    return "" if installed_browser() else "no Chromium is installed"


def _files(dataset: Dataset) -> Dataset:
    """Pictures that are a file each: validation, then training, in the order of their hashes."""
    order = pl.col("split").replace_strict({"val": 0, "train": 1}, default=2)
    alone = (pl.col("split") != "test") & (pl.col("index") < 0)
    return dataset.with_table(dataset.table.filter(alone).sort(order, "sha256", "id").head(PICTURES))


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder's address on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
