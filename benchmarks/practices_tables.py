"""The tables of `practices.py`: which two trainings tell what a practice brings, and what `compare` says."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch

from eighteen.core.predictions import Predictions
from eighteen.measuring.paired import compare

Said = Callable[[str], Predictions | None]
"""What all trainings of a variant said about the pictures held out; None where there are none yet."""

PRACTICES = (
    ("twice as many pictures", "half", "base"),
    ("20 % wrong labels", "base", "flipped"),
    ("wrong labels found and left out", "flipped", "cleaned"),
    ("features of ImageNet weights, a head on them", "base", "frozen"),
    ("crop, zoom and mirror images", "uncropped", "base"),
    ("random erasing 0.25", "base", "erasing"),
    ("mixup 0.2", "base", "mixup"),
    ("CutMix 1", "base", "cutmix"),
    ("label smoothing 0.1", "unsmoothed", "base"),
    ("balanced class weights, classes 10:1", "tail", "tail-weights"),
    ("balanced sampling, classes 10:1", "tail", "tail-sampling"),
    ("focal loss, classes 10:1", "tail", "tail-focal"),
    ("Nesterov momentum for plain SGD", "sgd", "nesterov"),
    ("RMSprop for Nesterov momentum", "nesterov", "rmsprop"),
    ("AdamW for Nesterov momentum", "nesterov", "adamw"),
    ("Muon for Nesterov momentum", "nesterov", "base"),
    ("Muon for AdamW", "adamw", "base"),
    ("one-cycle for a constant rate", "constant", "base"),
    ("weight decay", "undecayed", "base"),
    ("averaged weights (EMA)", "raw", "base"),
    ("stochastic depth 0.1", "base", "drop-path"),
    ("mean with the mirror image", "base", "mirrored"),
    ("taught by three runs", "base", "taught"),
    ("the same, half the loss", "base", "taught-half"),
    ("the same, temperature 4", "base", "taught-hot"),
    ("the same, temperature 1", "base", "taught-plain"),
    ("shortcuts, 18 layers", "plain-18", "base"),
    ("shortcuts, 34 layers", "plain-34", "resnet-34"),
    ("34 layers for 18, with shortcuts", "base", "resnet-34"),
    ("34 layers for 18, plain", "plain-18", "plain-34"),
)
"""Title, without it, with it."""


START, END = "<!-- measured -->", "<!-- /measured -->"
SENTENCE = re.compile(r"(?<=<!-- row: )(.+?)( -->).*?(?=<!-- /row -->)", re.DOTALL)
"""Where a section of the page repeats a row of the small table."""


def judged_all(places: Sequence[tuple[str, Said]]) -> dict[tuple[str, str], Row]:
    """Every practice on every data set that has been measured, by title and name of the set."""
    return {
        (title, place): row
        for title, without, with_it in PRACTICES
        for place, said in places
        if (row := judged(said, without, with_it)) is not None
    }


def tables(found: dict[tuple[str, str], Row], names: Sequence[str]) -> str:
    """A small table, in points of accuracy, and a long one with accuracies, seeds and verdicts."""
    lines = [f"| practice | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for title, _, _ in PRACTICES:
        cells = [found[title, place].cell if (title, place) in found else "" for place in names]
        lines += [f"| {title} | {' | '.join(cells)} |"] if any(cells) else []
    lines += [
        "",
        "| practice | data | without | with | difference, points | 95 % interval | seeds | verdict |",
    ]
    lines += ["|---" * 8 + "|"]
    lines += [f"| {title} | {place} | {row.line} |" for (title, place), row in found.items()]
    return "\n".join(lines)


def write_page(page: Path, found: dict[tuple[str, str], Row], names: Sequence[str]) -> None:
    """Puts the tables between the marks of a page, with what they were made by, and rows into sections."""

    def sentence(mark: re.Match[str]) -> str:
        measured = [(name, found[mark[1], name].cell) for name in names if (mark[1], name) in found]
        said = ", ".join(f"{name} {cell}" for name, cell in measured) or "not yet"
        return f"{mark[1]}{mark[2]}{said}"

    before, _, rest = SENTENCE.sub(sentence, page.read_text(encoding="utf-8")).partition(START)
    _, _, after = rest.partition(END)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    made = (
        f"Made on {time.strftime('%d %B %Y')} at commit {commit}, by PyTorch {torch.__version__}, one thread "
        f"of {os.cpu_count()} cores ({platform.machine()})."
    )
    text = f"{before}{START}\n{made}\n\n{tables(found, names)}\n{END}{after}"
    page.write_text(text, encoding="utf-8")


class Row(NamedTuple):
    """What one practice brought on one data set: a cell of the small table, a line of the long one."""

    cell: str
    line: str


def judged(said: Said, without: str, with_it: str) -> Row | None:
    """The practice as `compare` judges it; with unequal classes by the mean of the classes' accuracies."""
    first, second = said(without), said(with_it)
    if first is None or second is None:
        return None
    found = compare(first, second)
    by_class = with_it.startswith("tail-")
    change = found.measures["balanced_accuracy"] if by_class else found.difference
    value, low, high = (100 * float(each or 0) for each in (change.value, change.low, change.high))
    certain = low > 0 or high < 0
    verdict = found.verdict if not by_class else ("balanced" if certain else "cannot tell, balanced")
    mark = "**" if certain else ""
    sides = " | ".join(f"{_accuracy(each, by_class):.3f}" for each in (first, second))
    seeds = "{} and {}".format(*map(len, (found.first_seeds, found.second_seeds)))
    return Row(
        f"{mark}{value:+.1f}{mark} [{low:+.1f}, {high:+.1f}]",
        f"{sides} | {value:+.1f} | {low:+.1f} … {high:+.1f} | {seeds} | {verdict}",
    )


def _accuracy(said: Predictions, by_class: bool) -> float:
    right = said.rows.select("target", hit=(pl.col("target") == pl.col("predicted")).cast(pl.Float64))
    if by_class:
        right = right.group_by("target").agg(pl.col("hit").mean())
    return float(right["hit"].to_numpy().mean())
