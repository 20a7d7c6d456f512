"""The review page in a real browser: decide, undo, reload, resume, and no request that leaves the machine."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from eighteen import Corrections, api, audit
from eighteen.api.data import with_corrections
from eighteen.core.recipe import Recipe

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes; one picture stands under both, one is there twice, and one file name is hostile."""
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(24):
            pixels = random.integers(0, 255, (48, 64, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number:02d}.png")
    cat, dog = tmp_path / "photos" / "cat", tmp_path / "photos" / "dog"
    shutil.copy(cat / "00.png", dog / "torn.png")
    shutil.copy(cat / "01.png", cat / "<img src=x onerror=alert(1)>.png")
    return tmp_path / "photos"


@dataclass
class Page:
    """The page of a running review.

    Attributes:
        view: playwright's page.
        process: the server.
        about: the JSON object that it printed.
        requests: addresses of everything that was asked for.
        errors: what the browser complained of.
    """

    view: Any
    process: Any
    about: dict[str, Any]
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def topic(self, title: str) -> None:
        self.view.locator("#topics button", has_text=title).click()

    def decided(self, count: int, total: int) -> None:
        self.view.wait_for_function(
            "text => document.getElementById('progress-text').textContent === text",
            arg=f"{count} of {total} decided",
        )

    def saved(self, count: int) -> dict[str, tuple[str, str]]:
        """Decisions in the file, once there are so many."""
        path = Path(self.about["corrections"])
        for _ in range(100):
            rows = Corrections.read(path).rows if path.exists() else ()
            if len(rows) == count:
                return {row.path: (row.action, row.label) for row in rows}
            self.view.wait_for_timeout(50)
        raise AssertionError(f"{path} holds {len(rows)} decisions, expected {count}")


@pytest.fixture
def opened(
    browser: Any, start: Callable[..., Any], photos: Path, tmp_path: Path
) -> Iterator[Callable[..., Page]]:
    """Starts a review and opens its page."""
    contexts = []

    def begin(*more: str) -> Page:
        command = ("-m", "eighteen", "review", photos, "--port", "0", "--json", "--no-open", *more)
        process = start(
            *command, XDG_CACHE_HOME=str(tmp_path / "cache"), XDG_STATE_HOME=str(tmp_path / "state")
        )
        text = ""
        while not text.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            text += line
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        contexts.append(context)
        page = Page(context.new_page(), process, json.loads(text))
        page.view.on("request", lambda request: page.requests.append(request.url))
        page.view.on("console", lambda said: page.errors.append(said.text) if said.type == "error" else None)
        page.view.on("pageerror", lambda error: page.errors.append(str(error)))
        page.view.on("dialog", lambda dialog: page.errors.append(f"{dialog.type} {dialog.message}"))
        page.view.goto(page.about["url"])
        page.view.wait_for_selector("#figures img")
        return page

    yield begin
    for context in contexts:
        context.close()


def stop(page: Page) -> str:
    """Ctrl-C; what was said at the end."""
    page.process.send_signal(signal.SIGINT)
    _, said = page.process.communicate(timeout=300)
    assert page.process.returncode == 0, said
    assert "Traceback" not in said
    return str(said)


def test_a_review_from_the_first_key_to_the_training(
    opened: Callable[..., Page], photos: Path, tmp_path: Path
) -> None:
    corrections = tmp_path / "corrections.csv"
    page = opened("--corrections", str(corrections))
    view = page.view
    assert "token" not in view.url

    # One picture under two labels, side by side: the first is kept, the second relabelled by its number.
    assert view.locator("#topics [aria-current=true] .title").inner_text() == "One picture, two labels"
    assert view.locator("#figures figure").count() == 2
    page.decided(0, 2)
    view.keyboard.press("k")
    page.decided(1, 2)
    assert view.locator("#facts .path").inner_text() == "dog/torn.png"
    view.keyboard.press("r")
    view.keyboard.press("1")
    page.decided(2, 2)
    assert page.saved(2) == {"cat/00.png": ("keep", ""), "dog/torn.png": ("relabel", "cat")}

    # Among the duplicates is one to drop; undo takes it back, in the file too.
    page.topic("Exact duplicates")
    page.decided(0, 2)
    hostile = "cat/<img src=x onerror=alert(1)>.png"
    shown = view.locator("#facts .path")
    if shown.inner_text() != hostile:
        view.keyboard.press("ArrowRight")
    assert shown.inner_text() == hostile
    view.keyboard.press("d")
    page.decided(1, 2)
    assert page.saved(3)[hostile] == ("drop", "")
    view.keyboard.press("z")
    page.decided(0, 2)
    assert hostile not in page.saved(2)
    assert shown.inner_text() == hostile
    view.keyboard.press("d")
    page.decided(1, 2)
    page.saved(3)

    # A class of its own, and the picker by typing.
    page.topic("All pictures")
    view.select_option("#class-filter", "dog")
    first = shown.inner_text()
    assert first.startswith("dog/")
    view.keyboard.press("r")
    view.keyboard.type("ca")
    view.keyboard.press("Enter")
    assert page.saved(4)[first] == ("relabel", "cat")
    view.keyboard.press("u")
    page.saved(5)
    view.wait_for_load_state("networkidle")

    # A reload, and a new start of the server, go on where this one was.
    view.reload()
    view.wait_for_selector("#figures img")
    page.decided(5, page.about["pictures"])
    said = stop(page)
    assert "5 pictures decided" in said
    again = opened("--corrections", str(corrections))
    assert again.view.locator("#topics .done .title").first.inner_text() == "One picture, two labels"
    again.topic("All pictures")
    again.decided(5, again.about["pictures"])
    again.view.get_by_role("button", name="Decided").click()
    again.view.wait_for_selector(".tile.decided .mark.relabel")
    stop(again)

    # Nothing left the machine, nothing was said in anger, no picture was touched.
    for each in (page, again):
        assert len(each.requests) > 20
        port = urlsplit(each.about["url"]).port
        assert {urlsplit(url).netloc for url in each.requests} == {f"127.0.0.1:{port}"}
        assert each.errors == []
    assert sum(1 for _ in photos.rglob("*.png")) == 50

    # And the decisions do what they say.
    dataset = audit(photos, with_corrections(Recipe(), corrections)).dataset
    labels = dict(dataset.table.select("id", "target").iter_rows())
    assert labels["dog/torn.png"] == "cat"
    assert labels[first] == "cat"
    assert hostile not in labels
    assert "cat/00.png" in labels


def test_a_stranger_in_the_browser_gets_nothing(
    opened: Callable[..., Page], browser: Any, tmp_path: Path
) -> None:
    page = opened("--corrections", str(tmp_path / "corrections.csv"))
    context = browser.new_context()
    stranger = context.new_page()
    address = urlsplit(page.about["url"])
    answer = stranger.goto(f"http://{address.netloc}/")
    assert answer.status == 401
    assert "open the whole address" in stranger.inner_text("body")
    context.close()


def test_the_list_for_scripts(photos: Path, tmp_path: Path, eighteen: Any) -> None:
    said = eighteen("review", photos, "--list")
    assert said.code == 0
    rows = said.out.splitlines()
    assert rows[0] == "finding,set,path,label,split,suggested,score"
    assert any(re.fullmatch(r"conflicting_labels,1,dog/torn\.png,dog,,,", row) for row in rows)
    answer = eighteen("review", photos, "--list", "--json").json
    assert set(answer) == {"review", "corrections", "pictures", "suspects"}
    assert [row["path"] for row in answer["suspects"][:2]] == ["cat/00.png", "dog/torn.png"]
    assert not (tmp_path / "corrections.csv").exists()


def test_a_run_shows_its_surest_mistakes(trained: Any, eighteen: Any) -> None:
    """With the findings of its own audit, and without another look at the pictures."""
    found = api.review(trained.path)
    predictions = trained.predictions("val")
    wrong = (predictions.rows["target"] != predictions.rows["predicted"]).sum()
    topics = {topic.key: topic for topic in found.suspects.topics}
    assert ("surprising" in topics) == bool(wrong)
    assert {shown.split for shown in found.suspects.pictures} == {"train", "val"}
    refused = eighteen("review", trained.path, "--label-column", "x", "--list")
    assert refused.code == 2


def test_a_port_in_use_ends_before_the_work(photos: Path, eighteen: Any) -> None:
    from eighteen.reviewing.serving import reserve

    taken = reserve(0)
    try:
        said = eighteen("review", photos, "--port", taken.port)
    finally:
        taken.socket.close()
    assert said.code == 1
    assert f"port {taken.port} of this machine cannot be used" in said.err
