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
from eighteen.explaining.explain import Explained, Explanations, overlay_file
from eighteen.reporting.page import environment
from eighteen.reporting.thumbnails import Thumbnail, Thumbnails


@dataclass(frozen=True)
class ShownExplanation:
    """One picture of the page."""

    explained: Explained
    overlay_uri: str
    file: str
    neighbours: tuple[tuple[Thumbnail, str, float], ...]


def write_explanations(run: Run, explanations: Explanations) -> Path:
    """Writes into the next free folder, `explanations/1`, `explanations/2`, …; returns the page's path."""
    numbers = (run.path / "explanations" / str(number) for number in count(1))
    folder = next(path for path in numbers if not path.exists())
    store.make_folder(folder)
    thumbnails = Thumbnails.of(run.dataset, run.recipe.data.max_pixels)
    shown = [_shown(each, number, thumbnails) for number, each in enumerate(explanations.pictures, start=1)]
    for each in shown:
        if each.file:
            store.write_bytes(folder / each.file, each.explained.overlay_png)
    store.write_json(folder / "explanations.json", explanations.to_json())
    template = environment().get_template("explanations.html.j2")
    page = template.render(name=run.path.resolve().name, shown=shown, explanations=explanations)
    store.write_text(folder / "explanations.html", page)
    return folder / "explanations.html"


def _shown(explained: Explained, number: int, thumbnails: Thumbnails) -> ShownExplanation:
    uri = base64.b64encode(explained.overlay_png).decode()
    return ShownExplanation(
        explained=explained,
        overlay_uri="" if explained.error else f"data:image/png;base64,{uri}",
        file=overlay_file(number, explained),
        neighbours=tuple(
            (thumbnails.of_image(name), label, similarity) for name, label, similarity in explained.neighbours
        ),
    )
