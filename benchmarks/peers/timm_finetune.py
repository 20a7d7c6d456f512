"""A fine-tuning from timm's parts: its transforms, AdamW, cosine schedule with warm-up, smoothing, EMA.

`python timm_finetune.py TABLE ROOT MODEL WEIGHTS SECONDS OUT`, see `folds.py`. The number of epochs is what
fits into SECONDS by a few measured steps. As in timm's `train.py`, the best epoch on validation is kept.
"""

from __future__ import annotations

import copy
import sys
import time
from pathlib import Path

import pandas as pd
import timm
import torch
from PIL import Image, ImageOps
from timm.data import create_transform, resolve_model_data_config
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from timm.utils import ModelEmaV3
from torch.utils.data import DataLoader, Dataset

BATCH, RATE, DECAY = 32, 3e-4, 0.05


class Pictures(Dataset):
    def __init__(self, rows: pd.DataFrame, classes: list[str], root: str, transform) -> None:
        self.names, self.transform, self.root = list(rows["image"]), transform, Path(root)
        self.targets = [classes.index(label) for label in rows["label"]]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int):
        image = ImageOps.exif_transpose(Image.open(self.root / self.names[index])).convert("RGB")
        return self.transform(image), self.targets[index]


def main(table: str, root: str, model: str, weights: str, seconds: str, out: str) -> None:
    torch.manual_seed(0)
    rows = pd.read_csv(table)
    classes = sorted(rows["label"].unique())

    def new_network() -> torch.nn.Module:
        overlay = {"file": weights}
        made = timm.create_model(
            model, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=len(classes)
        )
        return made.to(memory_format=torch.channels_last)

    config = resolve_model_data_config(new_network())
    training = Pictures(
        rows[rows["split"] == "train"], classes, root, create_transform(**config, is_training=True)
    )
    plain = create_transform(**config)
    loader = DataLoader(training, BATCH, shuffle=True, drop_last=True, num_workers=2, persistent_workers=True)
    parts = {
        split: DataLoader(Pictures(rows[rows["split"] == split], classes, root, plain), 64, num_workers=2)
        for split in ("val", "test")
    }
    epochs = max(1, round(float(seconds) / epoch_seconds(new_network(), loader)))
    start = time.perf_counter()
    best = fine_tuned(new_network(), loader, parts["val"], epochs)
    spent = time.perf_counter() - start
    answers = rows[rows["split"] == "test"][["image", "label"]]
    names = [classes[index] for index in predictions(best, parts["test"])]
    answers.assign(predicted=names, seconds=spent, epochs=epochs).to_csv(out, index=False)


def fine_tuned(network, loader, validation, epochs: int):
    """The averaged weights of the epoch that is best on validation."""
    optimizer = create_optimizer_v2(network, opt="adamw", lr=RATE, weight_decay=DECAY)
    steps = epochs * len(loader)
    schedule = CosineLRScheduler(
        optimizer,
        t_initial=steps,
        warmup_t=steps // 10,
        warmup_lr_init=1e-6,
        warmup_prefix=True,
        t_in_epochs=False,
    )
    average = ModelEmaV3(network, decay=0.999, use_warmup=True)
    loss_function = LabelSmoothingCrossEntropy(0.1)
    best, best_accuracy, step = None, -1.0, 0
    for _ in range(epochs):
        network.train()
        for images, targets in loader:
            loss = loss_function(network(images.contiguous(memory_format=torch.channels_last)), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            schedule.step_update(step)
            average.update(network, step)
        found = torch.tensor(predictions(average.module, validation))
        accuracy = (found == torch.tensor(validation.dataset.targets)).float().mean().item()
        if accuracy >= best_accuracy:
            best, best_accuracy = copy.deepcopy(average.module), accuracy
    return best


def predictions(network, loader) -> list[int]:
    network.eval()
    with torch.inference_mode():
        return [index for images, _ in loader for index in network(images).argmax(1).tolist()]


def epoch_seconds(network, loader, steps: int = 8) -> float:
    """Seconds of one epoch, from a few steps of it."""
    network.train()
    batches = iter(loader)
    for step in range(steps + 2):
        if step == 2:
            start = time.perf_counter()
        images, targets = next(batches)
        outputs = network(images.contiguous(memory_format=torch.channels_last))
        torch.nn.functional.cross_entropy(outputs, targets).backward()
    return (time.perf_counter() - start) / steps * len(loader)


if __name__ == "__main__":
    main(*sys.argv[1:])
