"""The page of explanations: pictures with their maps and neighbours, the checks first.

In come explanations and the run that they are about, out goes a folder with `explanations.html` (one file
that needs nothing else), `explanations.json` and the overlays as PNG.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from eighteen.core import store
from eighteen.core.run import Run
from eighteen.explaining.explain import Explained, Explanations, occlusion_file, overlay_file
from eighteen.reporting.page import environment
from eighteen.reporting.thumbnails import Thumbnail, Thumbnails


@dataclass(frozen=True)
class ShownExplanation:
    """One picture of the page, and the files that go beside it."""

    explained: Explained
    overlay_uri: str
    occlusion_uri: str
    files: tuple[tuple[str, bytes], ...]
    neighbours: tuple[tuple[Thumbnail, str, float], ...]


def write_explanations(run: Run, explanations: Explanations) -> Path:
    """Writes into the next free folder, `explanations/1`, `explanations/2`, …; returns the page's path."""
    numbers = (run.path / "explanations" / str(number) for number in count(1))
    folder = next(path for path in numbers if not path.exists())
    store.make_folder(folder)
    thumbnails = Thumbnails.of(run.dataset, run.recipe.data.max_pixels)
    shown = [_shown(each, number, thumbnails) for number, each in enumerate(explanations.pictures, start=1)]
    for each in shown:
        for name, content in each.files:
            store.write_bytes(folder / name, content)
    store.write_json(folder / "explanations.json", explanations.to_json())
    template = environment().get_template("explanations.html.j2")
    page = template.render(name=run.path.resolve().name, shown=shown, explanations=explanations)
    store.write_text(folder / "explanations.html", page)
    return folder / "explanations.html"


def _shown(explained: Explained, number: int, thumbnails: Thumbnails) -> ShownExplanation:
    files = (
        (overlay_file(number, explained), explained.overlay_png),
        (occlusion_file(number, explained), explained.occlusion_png),
    )
    return ShownExplanation(
        explained=explained,
        overlay_uri=_uri(explained.overlay_png),
        occlusion_uri=_uri(explained.occlusion_png),
        files=tuple((name, content) for name, content in files if content),
        neighbours=tuple(
            (thumbnails.of_image(name), label, similarity) for name, label, similarity in explained.neighbours
        ),
    )


def _uri(png: bytes) -> str:
    """The picture as part of the page; "" where there is none."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}" if png else ""
