"""Times of a network's answers, by batch size and number of threads.

In goes a scorer, out comes a `Timing` a setting. Each setting is warmed up first, since the first calls also
choose kernels and fill caches.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eighteen.core.inputs import InputSpec
from eighteen.core.progress import Progress, silent
from eighteen.evaluating._machine import thread_count
from eighteen.inference.scoring import Scorer

WARM_UPS = 3
# A slow setting ends after so many seconds, but never with fewer calls than these.
MOST_S = 10.0
FEWEST_REPEATS = 5


@dataclass(frozen=True)
class Timing:
    """Times of one setting.

    Attributes:
        batch_size: pictures scored at once.
        threads: of PyTorch.
        p50_ms, p95_ms: median and 95th percentile over calls of the time of a call divided by its pictures,
            milliseconds.
        images_per_s: pictures of all calls over their time.
        repeats: calls that were timed.
    """

    batch_size: int
    threads: int
    p50_ms: float
    p95_ms: float
    images_per_s: float
    repeats: int


def time_scorer(
    scorer: Scorer,
    inputs: InputSpec,
    batch_sizes: Sequence[int],
    threads: Sequence[int],
    repeats: int,
    progress: Progress = silent,
) -> tuple[Timing, ...]:
    """Times every batch size with every number of threads.

    Args:
        scorer: the network with its normalisation, and its mirrored pass where the inputs ask for one.
        inputs: size and channels of the pictures.
        batch_sizes, threads: settings, each 1 or more.
        repeats: calls to time in each setting; fewer where they take more than `MOST_S`, but not fewer than
            `FEWEST_REPEATS`.
        progress: is told each setting.
    """
    found: list[Timing] = []
    random = np.random.default_rng(0)
    total = len(batch_sizes) * len(threads)
    for batch_size in batch_sizes:
        shape = (batch_size, inputs.channels, inputs.size, inputs.size)
        pixels = random.uniform(0, 255, shape).astype(np.float32)
        for count in threads:
            with thread_count(count):
                seconds = _seconds(scorer, pixels, repeats)
            p50_ms, p95_ms = 1000 * np.quantile(seconds, (0.5, 0.95)) / batch_size
            images_per_s = batch_size * len(seconds) / sum(seconds)
            found.append(Timing(batch_size, count, float(p50_ms), float(p95_ms), images_per_s, len(seconds)))
            progress("cost", len(found), total, f"batches of {batch_size}, threads: {count}")
    return tuple(found)


def _seconds(scorer: Scorer, pixels: npt.NDArray[np.float32], repeats: int) -> list[float]:
    """Seconds of each timed call; the scorer gives its answer back as an array, so a GPU has finished too."""
    for _ in range(WARM_UPS):
        scorer(pixels)
    seconds: list[float] = []
    while len(seconds) < repeats and (len(seconds) < FEWEST_REPEATS or sum(seconds) < MOST_S):
        started = time.perf_counter()
        scorer(pixels)
        seconds.append(time.perf_counter() - started)
    return seconds
