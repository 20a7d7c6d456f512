"""How far the page of a browser export differs from Python, file by file.

    python benchmarks/browser_decoding.py runs/photos/exports/browser PICTURES...

The page is opened in headless Chromium and given the files; the same model file answers in ONNX Runtime, from
this package's own decoder. Printed is the largest difference of a class's probability for each file, the
largest first, and for those that only one of the two can read, which.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from eighteen import Predictor
from eighteen.exporting.page_check import asked


def main(folder: Path, files: list[Path]) -> None:
    model = Predictor.open(folder)
    browser, answers = asked(folder, "index.html", files)
    if isinstance(answers, str):
        raise SystemExit(f"{browser}: {answers}")
    rows: list[tuple[float, str]] = []
    same = 0
    for path, answer, expected in zip(files, answers, model.predict(files), strict=True):
        if isinstance(answer, str) or expected.error:
            said = f"browser: {answer}" if isinstance(answer, str) else "browser: read"
            print(f"{path.name}: {said}; Python: {expected.error or 'read'}")
            continue
        right = np.array(expected.probabilities)
        rows.append((float(np.abs(np.array(answer) - right).max()), path.name))
        same += int(np.argmax(answer)) == int(right.argmax())
    for gap, name in sorted(rows, reverse=True):
        print(f"{gap:9.2e}  {name}")
    print(f"{browser}: same answer on {same} of {len(rows)} files")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
