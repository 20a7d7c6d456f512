"""How the review page feels with many pictures: time of a decision, and frames while the grid scrolls.

Paints small pictures, serves them as one long list of suspects, and drives the page in headless Chromium: one
key after the other (from the key to the frame that shows the next picture, and to the answer that it is
on the disk), then the whole grid scrolled from top to bottom.

    python benchmarks/review_page.py --pictures 5000
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import threading
from pathlib import Path

import numpy as np
import polars as pl
import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from eighteen.core.dataset import SCHEMA, Dataset
from eighteen.core.findings import Finding
from eighteen.reviewing.app import make_app
from eighteen.reviewing.journal import Journal
from eighteen.reviewing.renditions import Renditions
from eighteen.reviewing.serving import reserve
from eighteen.reviewing.suspects import find_suspects

DECIDE = """async count => {
  performance.setResourceTimingBufferSize(1e6);
  const until = test => new Promise(done => {
    const look = () => test() ? done() : setTimeout(look, 1);
    look();
  });
  const frame = () => new Promise(requestAnimationFrame);
  const path = () => document.querySelector("#facts .path").textContent;
  const shown = [], stored = [];
  for (let i = 0; i < count; i += 1) {
    const before = path(), sent = performance.getEntriesByName(location.origin + "/api/decide").length;
    const start = performance.now();
    document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "kdu"[i % 3], bubbles: true}));
    await until(() => path() !== before);
    await frame();
    shown.push(performance.now() - start);
    await until(() => performance.getEntriesByName(location.origin + "/api/decide").length > sent);
    stored.push(performance.now() - start);
  }
  return [shown, stored];
}"""

SCROLL = """async () => {
  const grid = document.getElementById("grid"), gaps = [];
  let last = performance.now();
  for (let top = 0; top < grid.scrollHeight - grid.clientHeight; top += 240) {
    grid.scrollTop = top;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  return [gaps, document.querySelectorAll(".tile").length];
}"""


def paint(folder: Path, count: int) -> Dataset:
    """Pictures of 32 pixels in ten classes, all in train."""
    random = np.random.default_rng(0)
    names = [f"class-{number % 10}/{number:05d}.jpg" for number in range(count)]
    for k in range(10):
        (folder / f"class-{k}").mkdir(parents=True)
    for name in names:
        Image.fromarray(random.integers(0, 255, (32, 32, 3), np.uint8)).save(folder / name)
    rows = {"id": names, "path": names, "target": [name.split("/")[0] for name in names]}
    table = pl.DataFrame({**rows, "split": ["train"] * count, "index": [-1] * count}).with_columns(
        *(pl.lit("").alias(name) for name in ("group", "sha256", "mode")), width=32, height=32
    )
    columns = [pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()]
    return Dataset(table.select(columns), tuple(f"class-{k}" for k in range(10)), folder)


def say(what: str, values: list[float]) -> None:
    median, p95, most = np.quantile(values, [0.5, 0.95, 1.0])
    print(f"{what:44} median {median:6.1f}  95 % {p95:6.1f}  most {most:6.1f} ms  (n = {len(values)})")


def measure(page: Page, url: str, decisions: int) -> None:
    page.goto(url)
    page.wait_for_selector("#figures img")
    page.wait_for_timeout(2000)
    shown, stored = page.evaluate(DECIDE, decisions)
    say("from the key to the next picture's frame", shown)
    say("from the key to the decision on the disk", stored)
    page.keyboard.press("g")
    page.wait_for_timeout(1000)
    gaps, tiles = page.evaluate(SCROLL)
    say("between frames while the grid scrolls", gaps)
    print(f"tiles in the page at the end: {tiles}")


def main() -> None:
    parser = argparse.ArgumentParser(description="How the review page feels with many pictures")
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--decisions", type=int, default=100)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, sync_playwright() as running:
        dataset = paint(Path(home) / "pictures", options.pictures)
        suspects = find_suspects(dataset, [Finding("outliers", "warning", "", tuple(dataset.ids))])
        address = reserve(0)
        journal = Journal(Path(home) / "corrections.csv", "benchmark")
        app = make_app(
            suspects, journal, Renditions(suspects, 10**6, False), "benchmark", address.token, address.port
        )
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [address.socket]}, daemon=True)
        thread.start()
        browser = running.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        measure(page, address.url, options.decisions)
        browser.close()
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    main()
