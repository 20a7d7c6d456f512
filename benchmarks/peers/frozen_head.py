"""Logistic regression on frozen features, as scikit-learn and timm give it: the floor of any fine-tuning.

`python frozen_head.py TABLE ROOT MODEL WEIGHTS SECONDS OUT`, see `folds.py`. It is given all pictures that
are not held out, validation too, and chooses its strength on five folds of them that keep groups together.
`SECONDS` is not used: the regression takes a few.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image, ImageOps
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main(table: str, root: str, model: str, weights: str, seconds: str, out: str) -> None:
    rows = pd.read_csv(table)
    features = cached_features(rows["image"], Path(root), model, weights, Path(out).parent / "features.npz")
    held_out = (rows["split"] == "test").to_numpy()
    known, targets = features[~held_out], rows["label"][~held_out]
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        {"logisticregression__C": 10.0 ** np.arange(-4, 1.5, 0.5)},
        cv=StratifiedGroupKFold(5),
        scoring="accuracy",
    )
    search.fit(known, targets, groups=rows["group"][~held_out])
    answers = rows[held_out][["image", "label"]]
    answers.assign(predicted=search.predict(features[held_out]), seconds=float("nan")).to_csv(
        out, index=False
    )


def cached_features(names: pd.Series, root: Path, model: str, weights: str, cache: Path) -> np.ndarray:
    """Penultimate features under timm's own evaluation transform, `[N, D]`, computed once a picture."""
    known = dict(np.load(cache)) if cache.exists() else {}
    network = timm.create_model(
        model, pretrained=True, pretrained_cfg_overlay={"file": weights}, num_classes=0
    )
    network.eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    missing = [name for name in names if name not in known]
    with torch.inference_mode():
        for start in range(0, len(missing), 32):
            part = missing[start : start + 32]
            opened = [ImageOps.exif_transpose(Image.open(root / name)).convert("RGB") for name in part]
            known |= zip(
                part, network(torch.stack([transform(image) for image in opened])).numpy(), strict=True
            )
    np.savez(cache, **known)
    return np.stack([known[name] for name in names])


if __name__ == "__main__":
    main(*sys.argv[1:])
