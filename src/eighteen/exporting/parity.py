"""Does the exported model answer like the one it was made from? The proof, and the gate.

Both are asked for the same real files: the run's validation pictures, and training pictures up to the number
wanted (the test split stays closed), each with its own preparation. Then for pictures made to be awkward, and
for the bare tensor entry. What disagrees more than the limit of its precision is refused.

Agreement and accuracy are about the files; the largest difference in probability is over all of it. In
integers, where probabilities may differ, accuracy is judged through both entries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.artifact import Opened, Pictures
from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError, GateError
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions, softmax
from eighteen.core.progress import Progress, silent
from eighteen.exporting.awkward import awkward_pictures
from eighteen.exporting.footprint import Memory
from eighteen.exporting.limits import LIMITS, problems_of, remedy
from eighteen.inference.predictor import Predictor
from eighteen.measuring.paired import compare

PICTURES = 1000
"""Real files that are compared by default."""

LATENCY_BATCHES = (1, 32)
_MOST_S = 2.0


SELECTED = (
    "accuracy_difference is that of the last of {attempts} attempts, which accuracy on these same pictures "
    "chose; on new pictures it may fall a little more"
)
"""Stands in `parity.json` where more than one attempt was judged by validation."""

APART = (
    "accuracy_difference is that of the last of {attempts} attempts, told by the half of validation that "
    "chose among none but the first"
)
"""Stands there instead where validation was large enough for two halves."""


@dataclass(frozen=True)
class Parity:
    """How far an exported model agrees with its source.

    Attributes:
        n: real files that both answered.
        unreadable: files that neither could read.
        top1_agreement: share of the files with the same answer.
        max_probability_difference: largest difference in a class's probability, files and awkward pictures.
        bare_probability_difference: the same through the tensor entry.
        accuracy_difference: on validation (`judged_apart`: on half of it), exported minus source, paired by
            picture; None without validation.
        bare_accuracy_difference: the same through the tensor entry, in integers; None otherwise.
        awkward: awkward pictures asked for.
        latency_ms: by batch size, median and 95th percentile of a call, milliseconds, preparation included.
        source_latency_ms: the same of the run's own network in this process.
        size_bytes: of the model file.
        memory: that a fresh process needs for an answer; None where it was not measured.
        problems: what is beyond the limits; empty where it may be shipped.
        page: what a browser said, for a format that is a page; see `page_check`.
        attempts: ways to integers that were judged by validation, this one among them; 1 elsewhere.
        judged_apart: whether accuracy is told by validation pictures that did not choose among them.
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
    bare_accuracy_difference: Measure | None = None
    attempts: int = 1
    judged_apart: bool = False

    def to_json(self) -> dict[str, Any]:
        whole, bare = self.accuracy_difference, self.bare_accuracy_difference
        words = APART if self.judged_apart else SELECTED
        note = words.format(attempts=self.attempts) if self.attempts > 1 else ""
        return {
            **vars(self),
            "accuracy_difference": None if whole is None else whole.to_json(),
            "bare_accuracy_difference": None if bare is None else bare.to_json(),
            "note": note,
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
            GateError: it answers with NaN, or infinity.
        """
        chosen = _chosen(dataset, pictures)
        said = _score(source, chosen, progress)
        if not len(said):
            raise DatasetError(
                f"none of the run's pictures can be read below {dataset.root}, so nothing would prove that "
                f"the exported model answers alike; put them back"
            )

        def answer(pictures: Pictures) -> npt.NDArray[np.float32]:
            return source.calibration.apply(source.forward(source.inputs.fitted_batch(pictures)))

        size_px = source.inputs.size
        odd = answer(awkward_pictures(size_px))
        _require_finite("the run itself", {"files": said.logits, "awkward pictures": odd}, "Train it again")
        return cls(chosen, said, odd, _latencies(answer, size_px), source.max_pixels)


def measure_parity(
    reference: Reference,
    opened: Opened,
    precision: str,
    size_bytes: int,
    memory: Memory | None = None,
    judges: Set[str] | None = None,
    progress: Progress = silent,
) -> Parity:
    """Asks the exported model for what the source was asked.

    Args:
        reference: what the source said.
        opened: the exported model in its runtime.
        precision: whose limits count.
        size_bytes: of the model file.
        memory: that a process needs for an answer, where it was measured.
        judges: ids of the validation pictures that accuracy is told by, where others have chosen among
            attempts; None: all of them.
        progress: told how far it is.

    Raises:
        GateError: the exported model answers with NaN, or infinity: there are no figures then.
    """
    first = reference.said
    second = _score(Predictor.of(opened, reference.max_pixels), reference.chosen, progress)
    by_tensor = _through_tensors(reference, opened, progress) if precision == "int8" else None
    odd, odd_bare = _awkward_answers(opened)
    answers = {"files": second.logits, "awkward pictures": odd, "of these as tensors": odd_bare}
    if by_tensor is not None:
        answers["validation pictures as tensors"] = by_tensor.logits
    _require_finite("the exported model", answers, f"It was removed. {remedy(precision)}")
    whole, bare = (_largest(reference.odd, logits) for logits in (odd, odd_bare))
    gap = max(_largest(first.logits, second.logits), whole)
    agreement = float((first.logits.argmax(1) == second.logits.argmax(1)).mean())
    accuracy = _accuracy_difference(first, second, judges)
    bare_accuracy = None if by_tensor is None else _accuracy_difference(first, by_tensor, judges)
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
        problems_of(LIMITS[precision], agreement, gap, bare, accuracy, bare_accuracy),
        bare_accuracy_difference=bare_accuracy,
        judged_apart=judges is not None,
    )


def _score(asked: Predictor, chosen: Dataset, progress: Progress) -> Predictions:
    # A model that answers infinity is refused afterwards; NumPy need not say so too.
    with np.errstate(invalid="ignore", over="ignore"):
        return asked.score(chosen, progress=progress)


def _through_tensors(reference: Reference, opened: Opened, progress: Progress) -> Predictions | None:
    """What is said about validation through the tensor entry."""
    held_out = reference.chosen.subset("val")
    asked = Predictor.of(opened, reference.max_pixels, by_tensor=True)
    return _score(asked, held_out, progress) if len(held_out) else None


def _require_finite(whose: str, answers: Mapping[str, npt.NDArray[np.float32]], advice: str) -> None:
    """No figure could be told, and nothing be written, of answers that are no numbers."""
    bad = {what: int((~np.isfinite(logits)).any(axis=1).sum()) for what, logits in answers.items()}
    found = [f"{number} of {len(answers[what])} {what}" for what, number in bad.items() if number]
    if found:
        raise GateError(
            f"{whose} answers with NaN or infinity about {', '.join(found)}; expected a number for each "
            f"class. {advice}"
        )


def _chosen(dataset: Dataset, pictures: int) -> Dataset:
    """Validation first, then training pictures, in the order of their hashes, so that classes mix."""
    order = pl.col("split").replace_strict({"val": 0, "train": 1}, default=2)
    table = dataset.table.filter(pl.col("split") != "test").sort(order, "sha256", "id")
    return dataset.with_table(table.head(pictures))


def _largest(wanted: npt.NDArray[np.float32], found: npt.NDArray[np.float32]) -> float:
    """Difference of a probability."""
    return float(np.abs(softmax(wanted) - softmax(found)).max())


def _awkward_answers(opened: Opened) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Through the picture entry, and through the tensor entry."""
    pictures = awkward_pictures(opened.inputs.size)
    fitted = opened.inputs.fitted_batch(pictures)
    return opened.answer(pictures), opened.bare(opened.inputs.normalised(fitted))


def _accuracy_difference(first: Predictions, second: Predictions, judges: Set[str] | None) -> Measure | None:
    """On validation, or those of its pictures that judge, second minus first."""
    judged = pl.col("split") == "val"
    if judges is not None:
        judged &= pl.col("id").is_in(list(judges))
    held_out = [each.where(each.rows.select(judged).to_series().to_numpy()) for each in (first, second)]
    return compare(*held_out, split="val").difference if len(held_out[0]) else None


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
