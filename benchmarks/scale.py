"""Near copies at scale, and what an audit costs: `python benchmarks/scale.py (hashes | audit DATA)`.

`hashes`: 10,000, 100,000 and 1,000,000 pictures by their hashes (one each, and those of six cuts), looked
up at the radius of the audit, 1 % of them planted copies whose bits were turned by chance. Each size runs
in a process of its own. `audit`: all checks that need no model, against decoding the same files in one
thread; give OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIZES = (10_000, 100_000, 1_000_000)
TURNED_BITS = (4, 8, 12, 20)


def hashes() -> None:
    print("| hashes | seconds | of processor | growth | peak MB | found, by bits turned |")
    print("|---|---|---|---|---|---|")
    before = 0.0
    for size in SIZES:
        command = [sys.executable, __file__, "one-size", str(size)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
        seconds, cpu, peak_mb, *found = map(float, told.split())
        growth = f"{cpu / before:.1f}" if before else ""
        shares = ", ".join(f"{bits}: {share:.3f}" for bits, share in zip(TURNED_BITS, found, strict=True))
        print(f"| {size:,} | {seconds:.1f} | {cpu:.1f} | {growth} | {peak_mb:.0f} | {shares} |", flush=True)
        before = cpu


def one_size(size: int) -> None:
    from eighteen.matching.lookup import look_up

    draw = np.random.default_rng(18)
    copies = size // 100
    whole = draw.integers(0, 2**64, (size, 2), dtype=np.uint64)
    bits = np.array(TURNED_BITS)[np.arange(copies) % len(TURNED_BITS)]
    whole[-copies:] = _turned(whole[:copies], bits, draw)
    views = np.stack([whole, *(_some_turned(whole, draw) for _ in range(6))])
    start, before = time.perf_counter(), time.process_time()
    found = look_up(views, whole, same=True)
    seconds, cpu = time.perf_counter() - start, time.process_time() - before
    pairs = np.minimum(found.query, found.found) * size + np.maximum(found.query, found.found)
    hit = np.isin(np.arange(copies) * size + np.arange(size - copies, size), pairs)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(seconds, cpu, peak_mb, *(hit[bits == turned].mean() for turned in TURNED_BITS))


def _turned(rows: np.ndarray, bits: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Each row with its number of bits turned."""
    rank = draw.random((len(rows), 128)).argsort(axis=1).argsort(axis=1)
    return rows ^ _packed(rank < bits[:, None])


def _some_turned(rows: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """As a cut of a picture differs from the whole: an eighth of the bits."""
    parts = [
        _packed(draw.random((len(part), 128)) < 0.125) for part in np.array_split(rows, len(rows) // 5000)
    ]
    return rows ^ np.concatenate(parts)


def _packed(bits: np.ndarray) -> np.ndarray:
    return np.packbits(bits, axis=1, bitorder="little").view(np.uint64)


def audit(folder: Path, rounds: int = 3) -> None:
    """One thread each; the best of some rounds, in turn: other programs can only slow one down."""
    from PIL import Image, ImageOps

    from eighteen import api
    from eighteen.auditing import audit as audit_dataset
    from eighteen.auditing.scan import scan
    from eighteen.core.pixels import decode

    dataset = api.read(folder)
    files = [dataset.file(path) for path in dataset.table["path"]]

    def by_pillow() -> None:
        for file in files:
            with Image.open(file) as image:
                np.asarray(ImageOps.exif_transpose(image).convert("RGB"))

    ways = {
        "decoding": lambda: [decode(file) and None for file in files],
        "decoding by Pillow, upright, RGB": by_pillow,
        "scan alone, nothing remembered": lambda: scan(dataset, workers=1),
        "audit, nothing remembered": lambda: audit_dataset(dataset, split_with=api.split, workers=1),
        "audit, all remembered": lambda: audit_dataset(dataset, split_with=api.split, workers=1),
    }
    seconds = {name: float("inf") for name in ways}
    cpu = dict(seconds)
    for _ in range(rounds):
        for name, way in ways.items():
            if "nothing" in name:
                _forget()
            start, before = time.perf_counter(), time.process_time()
            way()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
            cpu[name] = min(cpu[name], time.process_time() - before)
    print(
        f"| {len(files)} pictures | images/s | ratio | images/s of processor | ratio |\n|---|---|---|---|---|"
    )
    for name in ways:
        rates = [
            f"{len(files) / spent[name]:.0f} | {spent['decoding'] / spent[name]:.2f}"
            for spent in (seconds, cpu)
        ]
        print(f"| {name} | {' | '.join(rates)} |")


def _forget() -> None:
    """Earlier scans are forgotten: the cache lies in a folder of this run."""
    from eighteen.core.places import cache_folder

    shutil.rmtree(cache_folder("scan"), ignore_errors=True)


if __name__ == "__main__":
    what, *rest = sys.argv[1:] or ["hashes"]
    if what == "one-size":
        one_size(int(rest[0]))
    elif what == "audit":
        import os

        with tempfile.TemporaryDirectory() as name:
            os.environ["XDG_CACHE_HOME"] = name
            audit(Path(rest[0]))
    else:
        hashes()
