"""Audit, train and predict from Python: `python examples/train_and_predict.py [FOLDER [SETTING …]]`.

The pictures are the built-in sample, handwritten digits with three planted faults; no network is needed. A
setting is one such as `training.epochs=3`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from eighteen import Predictor, audit, train
from eighteen.core.config import load_recipe
from eighteen.sample import CUT, write_digits


def main(folder: Path, settings: list[str]) -> None:
    digits = write_digits(folder / "digits")
    recipe = load_recipe("demo", settings)

    for finding in audit(digits, recipe).findings:
        print(f"{finding.severity}: {finding.message}")

    run = train(digits, folder / "run", recipe)
    for split, measures in run.measures.items():
        print(f"{split}: accuracy {measures['accuracy']}")

    model = Predictor.open(run.path)
    pictures = [digits / "5" / "002.png", digits / CUT]
    for path, answer in zip(pictures, model.predict(pictures), strict=True):
        print(path.name, answer.error or f"is {answer.label} with probability {answer.score:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "eighteen-example"), sys.argv[2:])
