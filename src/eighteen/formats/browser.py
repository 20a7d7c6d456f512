"""A page that classifies pictures in the browser of whoever opens it, from any static web server.

The model is the ONNX one, with everything from the decoded picture on inside; ONNX Runtime for browsers lies
beside it, in `runtime/`. The page itself is in `exporting/templates/browser`. Nothing is loaded from
elsewhere, and no picture leaves the browser.
"""

from __future__ import annotations

from pathlib import Path

from eighteen.core import store
from eighteen.core.artifact import Exportable, Files, Opened
from eighteen.formats import _ort_web
from eighteen.formats import onnx as onnx_format

PRECISIONS = onnx_format.PRECISIONS
NEEDS = onnx_format.NEEDS
KEEPS_LAYERS = onnx_format.KEEPS_LAYERS
PAGE = "index.html"
"""Has a page that is asked too, in a browser, before the export gets its name."""

RUNTIME = "runtime"

OUTSIDE = (
    "the browser decodes the picture, turns it upright and lays transparent ones over the background; "
    "browsers may round a decoded pixel otherwise than Python does"
)


def write(model: Exportable, folder: Path, precision: str) -> Files:
    """Writes the files of ONNX, and the runtime.

    Args:
        model: what to write.
        folder: exists, and is empty.
        precision: of `PRECISIONS`.

    Raises:
        EighteenError: the runtime for browsers cannot be had.
    """
    runtime = _ort_web.browser_runtime()  # first: it may be missing, and the rest takes time
    written = onnx_format.write(model, folder, precision)
    store.make_folder(folder / RUNTIME)
    for name, path in runtime.files.items():
        store.copy_file(path, folder / RUNTIME / name)
    facts = {**written.facts, "runtime": f"{_ort_web.PACKAGE} {runtime.version}"}
    return Files(written.model, written.bare, OUTSIDE, facts)


def open_files(model: Path, bare: Path, threads: int = 0) -> Opened:
    """The same files in ONNX Runtime on the CPU, as `onnx.open_files`."""
    return onnx_format.open_files(model, bare, threads)
