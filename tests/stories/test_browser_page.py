"""The browser export in headless Chromium: it answers as Python does, and asks nobody but its own folder."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eighteen import Predictor, Recipe, Run, export, train
from eighteen.core.artifact import Artifact
from eighteen.core.errors import EighteenError
from eighteen.exporting import export as export_module
from eighteen.exporting.page_check import asked, installed_browser, served
from eighteen.formats import _ort_web

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runtime() -> str:
    """The folder with the runtime for browsers, fetched once a machine."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if installed_browser() is None:
        pytest.skip("no chromium is installed")
    cache = Path(tempfile.gettempdir()) / f"eighteen-tests-{os.getuid()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        try:
            return str(_ort_web.browser_runtime().files[_ort_web.PROGRAM].parent)
        except EighteenError as absent:
            pytest.skip(str(absent))


@pytest.fixture(autouse=True)
def _named(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_ort_web.VARIABLE, runtime)


@pytest.fixture(scope="module")
def run(small: Callable[..., Recipe], pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("shipped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        return train(pictures, home / "run", small(**{"training.epochs": 3}))


@pytest.fixture(scope="module")
def exported(run: Run, runtime: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(_ort_web.VARIABLE, runtime)
        return export(run, "browser").artifact.path


@dataclass
class Page:
    """The page in Chromium.

    Attributes:
        view: playwright's page.
        address: of the folder.
        requests: addresses of everything that was asked for.
        errors: what the browser complained of.
    """

    view: Any
    address: str
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def give(self, *files: Path) -> None:
        self.view.set_input_files("#files", files)
        self.view.wait_for_selector("#cards:not(:has([aria-busy])) .card")


@pytest.fixture(scope="module")
def chromium(runtime: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        started = running.chromium.launch(executable_path=installed_browser())
        yield started
        started.close()


@pytest.fixture
def page(chromium: Any, exported: Path) -> Iterator[Page]:
    with served(exported) as address:
        opened = Page(chromium.new_page(), address)
        opened.view.on("request", lambda request: opened.requests.append(request.url))
        opened.view.on("pageerror", lambda error: opened.errors.append(str(error)))
        opened.view.on(
            "console", lambda said: opened.errors.append(said.text) if said.type == "error" else None
        )
        opened.view.set_default_timeout(120_000)
        opened.view.goto(address)
        opened.view.wait_for_selector("body[data-state=ready]")
        yield opened
        opened.view.close()


def test_the_proof_holds_what_the_page_said(exported: Path) -> None:
    page = json.loads((exported / "parity.json").read_text(encoding="utf-8"))["page"]
    assert page["n"] == 24
    assert page["browser"].startswith("Chromium ")
    assert page["top1_agreement"] == 1
    assert page["max_probability_difference"] < 1e-4
    assert "| The page itself, in Chromium" in (exported / "README.md").read_text(encoding="utf-8")


def awkward_files(place: Path) -> list[Path]:
    folder = place / "files"
    folder.mkdir()
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[0:120, 0:200]
    pixels = np.stack([rows * 2, columns, (rows + columns) % 256], axis=-1).astype(np.uint8)
    picture = Image.fromarray(pixels)
    turned = Image.Exif()
    turned[0x0112] = 6
    picture.save(folder / "turned.jpg", exif=turned, quality=90)
    picture.save(folder / "progressive.jpg", progressive=True, quality=80)
    picture.convert("L").save(folder / "grey.jpg")
    picture.quantize(32).save(folder / "palette.png")
    picture.save(folder / "photo.webp", lossless=True)
    alpha = Image.fromarray((columns * 255 // 199).astype(np.uint8))
    see_through = picture.copy()
    see_through.putalpha(alpha)
    see_through.save(folder / "transparent.png")
    Image.fromarray(random.integers(0, 256, (2100, 1700, 3), dtype=np.uint8)).save(folder / "large.jpg")
    Image.fromarray(pixels[:1]).save(folder / "thin.png")
    return sorted(folder.iterdir())


def test_awkward_files_get_the_answers_of_python(exported: Path, tmp_path: Path) -> None:
    files = awkward_files(tmp_path)
    _, answers = asked(exported, "index.html", files)
    expected = Predictor.open(exported).predict(files)
    assert not isinstance(answers, str), answers
    for path, answer, right in zip(files, answers, expected, strict=True):
        assert not isinstance(answer, str), (path.name, answer)
        np.testing.assert_allclose(answer, right.probabilities, atol=2e-3, err_msg=path.name)


def test_what_is_no_picture_is_said_on_its_card(page: Page, tmp_path: Path) -> None:
    (tmp_path / "<b>notes.png").write_text("no picture")
    good = awkward_files(tmp_path)[0]
    page.give(tmp_path / "<b>notes.png", good)
    cards = page.view.locator(".card")
    assert "This browser cannot read it" in cards.nth(0).inner_text()
    assert "<b>notes.png" in cards.nth(0).inner_text()
    assert "%" in cards.nth(1).inner_text()
    assert page.errors == []


def test_nothing_leaves_the_folder(page: Page, tmp_path: Path) -> None:
    page.give(awkward_files(tmp_path)[0])
    outside = [
        url for url in page.requests if not url.startswith((f"{page.address}/", f"blob:{page.address}/"))
    ]
    assert outside == []
    assert any(url.endswith(".wasm") for url in page.requests)

    reached: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reached.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    elsewhere = f"http://127.0.0.1:{server.server_address[1]}"
    said = page.view.evaluate(
        """async (elsewhere) => {
          const asked = 'then(() => "answered", () => "refused")';
          const direct = await fetch(elsewhere + "/page").then(() => "answered", () => "refused");
          const program = `fetch("${elsewhere}/worker").${asked}.then((said) => postMessage(said))`;
          const blob = new Blob([program], {type: "text/javascript"});
          const worker = new Worker(URL.createObjectURL(blob), {type: "module"});
          const inside = await new Promise((resolve) => {
            worker.onmessage = ({data}) => resolve(data);
            worker.onerror = () => resolve("did not run");
          });
          new Image().src = elsewhere + "/image";
          return [direct, inside];
        }""",
        elsewhere,
    )
    server.shutdown()
    server.server_close()
    assert said == ["refused", "refused"]
    assert reached == []


def test_answers_are_saved_as_a_table(page: Page, tmp_path: Path, exported: Path) -> None:
    files = awkward_files(tmp_path)[:2]
    page.give(*files)
    with page.view.expect_download() as download:
        page.view.click("#save")
    rows = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    names = Artifact.open(exported).class_names
    assert rows[0] == ",".join(
        f'"{cell}"' for cell in ("file", "class", "probability", "error", *(f"p:{n}" for n in names))
    )
    assert [row.split(",")[0] for row in rows[1:]] == [f'"{path.name}"' for path in files]
    page.view.click("#clear")
    assert page.view.locator(".card").count() == 0


def opens_the_chooser(view: Any) -> bool:
    """Chromium forgets a key after five seconds, which a busy machine may take to come to it."""
    from playwright.sync_api import TimeoutError

    try:
        with view.expect_file_chooser(timeout=15_000):
            view.keyboard.press("Enter")
    except TimeoutError:
        return False
    return True


def test_it_is_used_with_the_keyboard_alone(page: Page) -> None:
    page.view.keyboard.press("Tab")
    assert page.view.evaluate("document.activeElement.id") == "choose"
    assert any(opens_the_chooser(page.view) for _ in range(6))
    unnamed = page.view.evaluate(
        "[...document.querySelectorAll('button, input, progress, section')]"
        ".filter((one) => !one.innerText?.trim() && !one.ariaLabel).map((one) => one.id)"
    )
    assert unnamed == ["notice"]


def test_opened_as_a_file_it_says_what_to_do(chromium: Any, exported: Path) -> None:
    view = chromium.new_page()
    view.goto((exported / "index.html").as_uri())
    said = view.inner_text("#notice")
    assert f'cd "{exported}"\npython3 -m http.server 8000' in said
    assert not view.is_visible("#drop")
    view.close()


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("page/pixels.js", "out[to++] = rgba[from + 2]", "out[to++] = rgba[from]", "differs by"),
        ("page/worker.js", "runtime/ort-wasm", "runtime/nowhere", "did not answer in Chromium"),
    ],
)
def test_a_page_that_disagrees_is_refused(
    file: str,
    old: str,
    new: str,
    problem: str,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    eighteen: Callable[..., Any],
) -> None:
    right = export_module.write_examples

    def with_a_fault(artifact: Artifact) -> None:
        right(artifact)
        text = (artifact.path / file).read_text(encoding="utf-8")
        assert old in text
        (artifact.path / file).write_text(text.replace(old, new), encoding="utf-8")

    monkeypatch.setattr(export_module, "write_examples", with_a_fault)
    said = eighteen("export", run.path, "--to", "browser", "--out", tmp_path / "wrong")
    assert said.code == 3
    assert problem in said.err
    assert list(tmp_path.iterdir()) == []
