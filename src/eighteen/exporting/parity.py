"""Does the exported model answer like the one it was made from? The proof, and the gate.

Both are asked for the same real files: the run's validation pictures, and training pictures up to the number
wanted (the test split stays closed), each with its own preparation. Then for pictures made to be awkward, and
for the bare tensor entry. What disagrees more than the limit of its precision is refused.

Agreement and accuracy are about the files; the largest difference in probability is over all of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.artifact import Opened, Pictures
from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions, softmax
from eighteen.core.progress import Progress, silent
from eighteen.exporting.awkward import awkward_pictures
from eighteen.exporting.footprint import Memory
from eighteen.inference.predictor import Predictor
from eighteen.measuring.paired import compare

PICTURES = 1000
"""Real files that are compared by default."""

LATENCY_BATCHES = (1, 32)
_MOST_S = 2.0


@dataclass(frozen=True)
class Limits:
    """What a precision may differ.

    Attributes:
        agreement: share of the files that need the same answer.
        probability: largest difference in a class's probability.
        bare: the same for the tensor entry.
        accuracy: points that accuracy on validation may fall.
    """

    agreement: float
    probability: float
    bare: float
    accuracy: float


LIMITS: Mapping[str, Limits] = {
    "fp32": Limits(0.999, 1e-3, 1e-5, 0.001),
    "fp16": Limits(0.999, 1e-2, 1e-2, 0.001),
    "bf16": Limits(0.99, 5e-2, 5e-2, 0.005),
    "int8": Limits(0.0, 1.0, 1.0, 0.005),
}
"""By precision. Integers change probabilities a little everywhere: accuracy is what they are held to."""


@dataclass(frozen=True)
class Parity:
    """How far an exported model agrees with its source.

    Attributes:
        n: real files that both answered.
        unreadable: files that neither could read.
        top1_agreement: share of the files with the same answer.
        max_probability_difference: largest difference in a class's probability, files and awkward pictures.
        bare_probability_difference: the same through the tensor entry.
        accuracy_difference: on validation, exported minus source, paired by picture; None without validation.
        awkward: awkward pictures asked for.
        latency_ms: by batch size, median and 95th percentile of a call, milliseconds, preparation included.
        source_latency_ms: the same of the run's own network in this process.
        size_bytes: of the model file.
        memory: that a fresh process needs for an answer; None where it was not measured.
        problems: what is beyond the limits; empty where it may be shipped.
        page: what a browser said, for a format that is a page; see `page_check`.
    """

    n: int
    unreadable: int
    top1_agreement: float
    max_probability_difference: float
    bare_probability_difference: float
    accuracy_difference: Measure | None
    awkward: int
    latency_ms: Mapping[str, Mapping[str, float]]
    source_latency_ms: Mapping[str, Mapping[str, float]]
    size_bytes: int
    memory: Memory | None
    problems: tuple[str, ...]
    page: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        difference = self.accuracy_difference
        return {
            **vars(self),
            "accuracy_difference": None if difference is None else difference.to_json(),
            "memory": None if self.memory is None else self.memory.to_json(),
            "problems": list(self.problems),
        }

    @property
    def slower(self) -> str:
        """Says at which batch sizes it is slower than its source; "" where it is at none."""
        sizes = [
            size
            for size, times in self.latency_ms.items()
            if times["p50"] > self.source_latency_ms[size]["p50"]
        ]
        return f"slower than the run itself, by batches of {' and '.join(sizes)}" if sizes else ""

    @property
    def sentence(self) -> str:
        accuracy = ""
        if self.accuracy_difference is not None:
            each = self.accuracy_difference
            accuracy = f", accuracy on validation {each.value:+.4f} ({each.low:+.4f} to {each.high:+.4f})"
        return (
            f"same answer on {self.top1_agreement:.2%} of {self.n} files, probabilities differ by at most "
            f"{self.max_probability_difference:.1e}{accuracy}"
        )


@dataclass(frozen=True)
class Reference:
    """What the source says, asked before anything is written: a format may change the network it is given.

    Attributes:
        chosen: the pictures, each known to the source by its row.
        said: about the real files.
        odd: logits `[N, K]` of the awkward pictures, calibrated.
        latency_ms: of the source, as in `Parity`.
        max_pixels: pictures above it are unreadable.
    """

    chosen: Dataset
    said: Predictions
    odd: npt.NDArray[np.float32]
    latency_ms: Mapping[str, Mapping[str, float]]
    max_pixels: int | None

    @classmethod
    def of(
        cls, source: Predictor, dataset: Dataset, pictures: int = PICTURES, progress: Progress = silent
    ) -> Reference:
        """Asks the source.

        Args:
            source: the run's own predictor.
            dataset: of the run; its test split is not looked at.
            pictures: real files to compare.
            progress: told how far it is.

        Raises:
            DatasetError: no picture of the run can be read where it lay.
        """
        chosen = _chosen(dataset, pictures)
        said = source.score(chosen, progress=progress)
        if not len(said):
            raise DatasetError(
                f"none of the run's pictures can be read below {dataset.root}, so nothing would prove that "
                f"the exported model answers alike; put them back"
            )

        def answer(pictures: Pictures) -> npt.NDArray[np.float32]:
            return source.calibration.apply(source.forward(source.inputs.fitted_batch(pictures)))

        size_px = source.inputs.size
        odd = answer(awkward_pictures(size_px))
        return cls(chosen, said, odd, _latencies(answer, size_px), source.max_pixels)


def measure_parity(
    reference: Reference,
    opened: Opened,
    precision: str,
    size_bytes: int,
    memory: Memory | None = None,
    progress: Progress = silent,
) -> Parity:
    """Asks the exported model for what the source was asked.

    Args:
        reference: what the source said.
        opened: the exported model in its runtime.
        precision: whose limits count.
        size_bytes: of the model file.
        memory: that a process needs for an answer, where it was measured.
        progress: told how far it is.
    """
    first = reference.said
    second = Predictor.of(opened, reference.max_pixels).score(reference.chosen, progress=progress)
    whole, bare = _awkward_gaps(reference.odd, opened)
    gap = max(_gap(first, second), whole)
    agreement = float((first.logits.argmax(1) == second.logits.argmax(1)).mean())
    accuracy = _accuracy_difference(first, second)
    return Parity(
        len(first),
        len(first.unreadable),
        agreement,
        gap,
        bare,
        accuracy,
        len(reference.odd),
        _latencies(opened.answer, opened.inputs.size),
        reference.latency_ms,
        size_bytes,
        memory,
        _problems(LIMITS[precision], agreement, gap, bare, accuracy),
    )


def _chosen(dataset: Dataset, pictures: int) -> Dataset:
    """Validation first, then training pictures, in the order of their hashes, so that classes mix."""
    order = pl.col("split").replace_strict({"val": 0, "train": 1}, default=2)
    table = dataset.table.filter(pl.col("split") != "test").sort(order, "sha256", "id")
    return dataset.with_table(table.head(pictures))


def _gap(first: Predictions, second: Predictions) -> float:
    return float(np.abs(first.probabilities - second.probabilities).max())


def _awkward_gaps(wanted: npt.NDArray[np.float32], opened: Opened) -> tuple[float, float]:
    """Largest differences in probability: through the picture entry, and through the tensor entry."""
    pictures = awkward_pictures(opened.inputs.size)
    fitted = opened.inputs.fitted_batch(pictures)
    answers = opened.answer(pictures), opened.bare(opened.inputs.normalised(fitted))
    whole, bare = (float(np.abs(softmax(wanted) - softmax(logits)).max()) for logits in answers)
    return whole, bare


def _accuracy_difference(first: Predictions, second: Predictions) -> Measure | None:
    """On validation, second minus first."""
    held_out = first.rows["split"].to_numpy() == "val"
    if not held_out.any():
        return None
    return compare(first.where(held_out), second.where(held_out), split="val").difference


def _latencies(
    answer: Callable[[list[npt.NDArray[np.uint8]]], Any], size_px: int
) -> dict[str, dict[str, float]]:
    return {str(size): _latency(answer, size_px, size) for size in LATENCY_BATCHES}


def _latency(
    answer: Callable[[list[npt.NDArray[np.uint8]]], Any], size_px: int, batch_size: int
) -> dict[str, float]:
    """Of a call with pictures a little larger than the input, milliseconds: p50 and p95."""
    side = size_px * 8 // 7
    random = np.random.default_rng(0)
    batch = list(random.integers(0, 256, (batch_size, side, side, 3), dtype=np.uint8))
    answer(batch)
    seconds: list[float] = []
    while len(seconds) < 30 and (len(seconds) < 3 or sum(seconds) < _MOST_S):
        start = time.perf_counter()
        answer(batch)
        seconds.append(time.perf_counter() - start)
    p50, p95 = 1000 * np.quantile(seconds, (0.5, 0.95))
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3), "calls": len(seconds)}


def _problems(
    limits: Limits, agreement: float, gap: float, bare: float, accuracy: Measure | None
) -> tuple[str, ...]:
    found = []
    if agreement < limits.agreement:
        found.append(
            f"the same answer on {agreement:.2%} of the files, at least {limits.agreement:.1%} wanted"
        )
    if not gap <= limits.probability:
        found.append(f"probabilities differ by {gap:.3g}, at most {limits.probability:g} allowed")
    if not bare <= limits.bare:
        found.append(f"through the tensor entry they differ by {bare:.3g}, at most {limits.bare:g} allowed")
    if accuracy is not None and accuracy.value is not None and accuracy.value < -limits.accuracy:
        found.append(
            f"accuracy on validation falls by {-accuracy.value:.4f} ({accuracy.low:+.4f} to "
            f"{accuracy.high:+.4f}, n = {accuracy.n}), at most {limits.accuracy:g} allowed"
        )
    return tuple(found)
