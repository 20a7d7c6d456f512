"""The predictor: opens a trained model and says what it sees. The only stateful object a user meets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.artifact import Opened, Pictures
from eighteen.core.calibration import Calibration
from eighteen.core.dataset import Dataset
from eighteen.core.errors import RunError
from eighteen.core.inputs import InputSpec
from eighteen.core.pixels import Source
from eighteen.core.predictions import Predictions, softmax
from eighteen.core.progress import Progress, silent
from eighteen.core.run import Run
from eighteen.inference import exported
from eighteen.inference.reading import Item, items_of, read_batches, read_pictures
from eighteen.inference.scoring import Forward
from eighteen.measuring.conformal import SetRule, fit_sets, sets

Look = Callable[[npt.NDArray[np.float32]], Mapping[str, npt.NDArray[np.float32]]]
"""Fitted pictures `[B, C, H, W]`, 0..255, to arrays of B rows."""


_Answered = tuple[
    npt.NDArray[np.int64],
    Callable[[], npt.NDArray[np.float32]],
    Callable[[], npt.NDArray[np.float32]],
    tuple[tuple[int, str], ...],
]


@dataclass(frozen=True)
class Prediction:
    """What the model says about one picture.

    Attributes:
        label: the most probable class; "" where the picture could not be read.
        score: its probability, 0..1.
        probabilities: of every class, in class order; empty where the picture could not be read.
        error: why the picture could not be read; "" otherwise.
        labels: the prediction set, most probable first: the true class is among them as often as was asked;
            empty where no coverage was asked.
    """

    label: str
    score: float
    probabilities: tuple[float, ...]
    error: str = ""
    labels: tuple[str, ...] = ()


class Predictor:
    """A trained model, ready to be asked.

    Args:
        forward: fitted pictures `[B, C, H, W]` float32 0..255 to logits `[B, K]`.
        inputs: how a picture becomes the network's input.
        class_names: the K classes.
        max_pixels: pictures above it count as unreadable; None takes the decoder's own limit.
        calibration: what is done to the logits that `forward` gives.
        set_rule: which classes belong into a prediction set; None makes none.
        note: what the user should know about how it was opened, such as a device that is not there.
        ask: RGB pictures `[H, W, 3]` of any size to logits, for a model that fits them itself; pictures then
            go there, and `forward` is left to those who have fitted ones.
        own_logits: whether `forward` gives the network's own logits, and not calibrated ones.
    """

    def __init__(
        self,
        forward: Forward,
        inputs: InputSpec,
        class_names: Sequence[str],
        max_pixels: int | None = None,
        note: str = "",
        calibration: Calibration | None = None,
        set_rule: SetRule | None = None,
        ask: Callable[[Pictures], npt.NDArray[np.float32]] | None = None,
        own_logits: bool = True,
    ) -> None:
        self.note = note
        self.forward = forward
        self.ask = ask
        self.inputs = inputs
        self.class_names = tuple(class_names)
        self.max_pixels = max_pixels
        self.calibration = calibration or Calibration()
        self.set_rule = set_rule
        self.own_logits = own_logits

    @classmethod
    def open(cls, path: str | Path, device: str = "auto", coverage: float | None = None) -> Self:
        """Opens a run folder, a folder that `eighteen export` made, or a file of it that describes itself.

        Args:
            path: the model.
            device: where the network of a run runs; exported models run on the CPU.
            coverage: how often the prediction set shall hold the true class, 0..1; fitted on what the model
                said about validation. None makes no sets.

        Raises:
            RunError: there is no trained model at `path`, no validation to fit sets on, or another device was
                asked for than an exported model runs on.
        """
        from eighteen.inference.devices import open_placed
        from eighteen.inference.scoring import Scorer

        if exported.is_exported(Path(path)):
            if coverage is not None:
                raise RunError(
                    f"{path}: prediction sets need the run that a model was exported from; name the run"
                )
            if device not in ("auto", "cpu"):
                raise RunError(
                    f"{path}: device '{device}' was asked for, and exported models run on the CPU; leave "
                    f"--device out, or name the run"
                )
            return cls.of(exported.open_model(Path(path)), exported.max_pixels(Path(path)))
        run = Run.open(path)
        network, place, note = open_placed(run, device)
        scorer = Scorer(network, run.inputs, place)
        limit = run.recipe.data.max_pixels
        rule = None if coverage is None else _set_rule(run, coverage)
        return cls(scorer, run.inputs, run.class_names, limit, note, run.calibration, rule)

    @classmethod
    def of(cls, opened: Opened, max_pixels: int | None = None, by_tensor: bool = False) -> Self:
        """Asks an exported model that is open already; through its tensor entry, where that is wanted."""

        def forward(fitted: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            return opened.bare(opened.inputs.normalised(fitted))

        ask = None if by_tensor else opened.answer
        names, plain = opened.class_names, opened.plain
        return cls(forward, opened.inputs, names, max_pixels, ask=ask, own_logits=plain)

    def predict(
        self,
        sources: Iterable[Source | npt.NDArray[np.uint8]],
        *,
        batch_size: int = 64,
        progress: Progress = silent,
    ) -> list[Prediction]:
        """One prediction for each source, in order.

        Args:
            sources: paths, bytes of files, or uint8 arrays `[H, W, 3]` in RGB order.
            batch_size: pictures a forward pass.

        Returns:
            A `Prediction` each; one that cannot be read carries its `error`.

        Raises:
            TypeError: one picture instead of a list: its letters or rows would be taken for pictures.
        """
        if isinstance(sources, str | bytes | PurePath) or (
            isinstance(sources, np.ndarray) and sources.ndim < 4
        ):
            raise TypeError("predict takes several pictures; for one, give a list: predict([picture])")
        items: list[Item] = [
            (source if isinstance(source, bytes | np.ndarray) else Path(source), -1) for source in sources
        ]
        logits, errors, _ = self._logits(items, batch_size, progress)
        probabilities = softmax(self.calibration.apply(logits))
        inside = None if self.set_rule is None else sets(self.set_rule, probabilities)
        return [
            Prediction("", 0.0, (), errors[row])
            if row in errors
            else Prediction(
                self.class_names[int(values.argmax())],
                float(values.max()),
                tuple(map(float, values)),
                labels=() if inside is None else self._in_set(inside[row], values),
            )
            for row, values in enumerate(probabilities)
        ]

    def _in_set(
        self, inside: npt.NDArray[np.bool_], probabilities: npt.NDArray[np.float64]
    ) -> tuple[str, ...]:
        order = np.argsort(-probabilities, kind="stable")
        return tuple(self.class_names[k] for k in order if inside[k])

    def score(
        self,
        dataset: Dataset,
        *,
        batch_size: int = 64,
        seed: int = 0,
        progress: Progress = silent,
        look: Look | None = None,
    ) -> Predictions:
        """Predictions for every row of a data set; what cannot be read is listed and stays counted.

        Args:
            dataset: what to score.
            batch_size: pictures a forward pass.
            seed: of the training, written into each row.
            progress: told how far it is.
            look: also sees every batch of fitted pictures; what it gives is kept as further arrays.
        """
        logits, errors, seen = self._logits(items_of(dataset), batch_size, progress, look)
        ids = dataset.ids
        good = np.array([row for row in range(len(dataset)) if row not in errors], dtype=np.int64)
        rows = (
            dataset.table[good]
            .select("id", "path", "target", "split", "group")
            .with_columns(
                pl.lit("").alias("predicted"),
                pl.lit(0.0).alias("score"),
                pl.lit(-1, pl.Int64()).alias("fold"),
                pl.lit(seed, pl.Int64()).alias("seed"),
            )
        )
        raw = Predictions(
            rows=rows,
            arrays={"logits": logits[good], **seen},
            class_names=self.class_names,
            expected=len(dataset),
            unreadable=tuple((ids[row], reason) for row, reason in sorted(errors.items())),
            own_logits=self.own_logits,
        )
        return raw.calibrated(self.calibration)

    def _logits(
        self, items: Sequence[Item], batch_size: int, progress: Progress, look: Look | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[int, str], dict[str, npt.NDArray[np.float32]]]:
        """Of the network: logits `[N, K]` (zero where a picture could not be read), the reasons of those, and
        what `look` saw in the readable ones."""
        logits = np.zeros((len(items), len(self.class_names)), dtype=np.float32)
        errors: dict[int, str] = {}
        seen: list[Mapping[str, npt.NDArray[np.float32]]] = []
        done = 0
        for positions, answers, fitted, unreadable in self._answered(items, batch_size):
            errors.update(unreadable)
            if len(positions):
                logits[positions] = answers()
                if look is not None:
                    seen.append(look(fitted()))
            done += len(positions) + len(unreadable)
            progress("predict", done, len(items), "")
        names = seen[0] if seen else ()
        return logits, errors, {name: np.concatenate([part[name] for part in seen]) for name in names}

    def _answered(self, items: Sequence[Item], batch_size: int) -> Iterator[_Answered]:
        """Each batch: its positions, logits and fitted pictures (made when asked for), failures."""
        if self.ask is None:
            for batch in read_batches(items, self.inputs, batch_size, self.max_pixels):
                pixels = batch.pixels
                yield batch.positions, partial(self.forward, pixels), partial(_same, pixels), batch.unreadable
            return
        for found in read_pictures(items, self.inputs, batch_size, self.max_pixels):
            fitted = partial(self.inputs.fitted_batch, found.pictures)
            yield found.positions, partial(self.ask, found.pictures), fitted, found.unreadable


def _same(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return pixels


def _set_rule(run: Run, coverage: float) -> SetRule:
    if "val" not in run.predicted_splits:
        raise RunError(
            f"{run.path} holds no predictions for validation, which prediction sets are fitted on; make "
            f"them: eighteen evaluate {run.path}"
        )
    known = run.predictions("val")
    return fit_sets(known.probabilities, known.targets, coverage)
