"""fastai's way: `vision_learner(...).fine_tune(n)`, `aug_transforms`, answers with test-time augmentation.

`python fastai_finetune.py TABLE ROOT MODEL WEIGHTS SECONDS OUT`, see `folds.py`. The number of epochs is what
fits into SECONDS by a few measured steps; everything else is fastai's default.
"""

from __future__ import annotations

import sys
import time

import pandas as pd
from fastai.vision.all import (
    ImageDataLoaders,
    Resize,
    accuracy,
    aug_transforms,
    set_seed,
    vision_learner,
)


def main(table: str, root: str, model: str, weights: str, seconds: str, out: str) -> None:
    set_seed(0, reproducible=True)
    rows = pd.read_csv(table)
    known, held_out = rows[rows["split"] != "test"], rows[rows["split"] == "test"]
    data = ImageDataLoaders.from_df(
        known.assign(is_valid=known["split"] == "val"),
        root,
        fn_col="image",
        label_col="label",
        valid_col="is_valid",
        item_tfms=Resize(460),
        batch_tfms=aug_transforms(size=224),
        bs=32,
    )
    learner = vision_learner(data, model, metrics=accuracy, pretrained_cfg_overlay={"file": weights})
    epochs = max(1, round(float(seconds) / epoch_seconds(learner)) - 1)
    learner = vision_learner(data, model, metrics=accuracy, pretrained_cfg_overlay={"file": weights})
    start = time.perf_counter()
    learner.fine_tune(epochs)
    spent = time.perf_counter() - start
    probabilities, _ = learner.tta(dl=data.test_dl(held_out))
    names = [data.vocab[index] for index in probabilities.argmax(1)]
    answers = held_out[["image", "label"]].assign(predicted=names, seconds=spent, epochs=epochs + 1)
    answers.to_csv(out, index=False)


def epoch_seconds(learner, steps: int = 8) -> float:
    """Seconds of one epoch with all layers trained, from a few steps of it."""
    learner.unfreeze()
    learner.create_opt()
    learner.model.train()
    batches = iter(learner.dls.train)
    for step in range(steps + 2):
        if step == 2:
            start = time.perf_counter()
        images, targets = next(batches)
        learner.loss_func(learner.model(images), targets).backward()
        learner.opt.step()
        learner.opt.zero_grad()
    return (time.perf_counter() - start) / steps * len(learner.dls.train)


if __name__ == "__main__":
    main(*sys.argv[1:])
