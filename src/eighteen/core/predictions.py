"""What a model said about each image: the one thing that every measure is computed from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.calibration import Calibration
from eighteen.core.errors import EighteenError

ROW_COLUMNS: tuple[str, ...] = (
    "id",
    "path",
    "target",
    "predicted",
    "score",
    "split",
    "group",
    "fold",
    "seed",
)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Rows and aligned arrays.

    Attributes:
        rows: `[N]` rows with the columns of `ROW_COLUMNS`; `target` is "" where it is not known, `fold` is
            -1 outside cross-validation.
        arrays: `logits` float32 `[N, K]`, as the model is shipped; `uncalibrated`, the network's own, where
            the model is calibrated; and further arrays whose first axis is aligned with `rows`.
        class_names: the K classes, in the order of the logits.
        expected: images that were to be scored.
        unreadable: id and reason of those that could not be; `expected == len(rows) + len(unreadable)`.
        own_logits: whether the network's own logits are known; not so of a model file that calibrates inside.
    """

    rows: pl.DataFrame
    arrays: dict[str, npt.NDArray[np.float32]]
    class_names: tuple[str, ...]
    expected: int
    unreadable: tuple[tuple[str, str], ...] = field(default=())
    own_logits: bool = True

    def __post_init__(self) -> None:
        missing = [name for name in ROW_COLUMNS if name not in self.rows.columns]
        problems = [f"columns are missing: {missing}"] if missing else []
        problems += [
            f"array '{name}' has {len(array)} rows, the table {len(self.rows)}"
            for name, array in self.arrays.items()
            if len(array) != len(self.rows)
        ]
        if self.expected != len(self.rows) + len(self.unreadable):
            problems.append(
                f"{self.expected} images expected, but {len(self.rows)} scored and "
                f"{len(self.unreadable)} unreadable"
            )
        if problems:
            raise EighteenError("these are no predictions: " + "; ".join(problems))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def logits(self) -> npt.NDArray[np.float32]:
        """Raw scores `[N, K]`, float32."""
        return self.arrays["logits"]

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Softmax of the logits in float64, `[N, K]`."""
        return softmax(self.logits)

    @property
    def targets(self) -> npt.NDArray[np.int64]:
        """Index of each row's true class, `[N]`; -1 where it is unknown or none of `class_names`."""
        lookup = {name: position for position, name in enumerate(self.class_names)}
        return np.array([lookup.get(name, -1) for name in self.rows["target"]], dtype=np.int64)

    @property
    def counts(self) -> dict[str, int]:
        return {"expected": self.expected, "scored": len(self), "unreadable": len(self.unreadable)}

    @property
    def uncalibrated(self) -> npt.NDArray[np.float32]:
        """The network's own logits `[N, K]`; without `own_logits` those that are known."""
        return self.arrays.get("uncalibrated", self.logits)

    def calibrated(self, calibration: Calibration) -> Predictions:
        """What the same network says with this calibration instead of the one that it had."""
        raw = self.uncalibrated
        logits = calibration.apply(raw)
        values = softmax(logits)
        best = values.argmax(axis=1) if len(self) else np.empty(0, np.int64)
        others = {name: array for name, array in self.arrays.items() if name != "uncalibrated"}
        kept = {} if calibration.method == "none" else {"uncalibrated": raw}
        return replace(
            self,
            rows=self.rows.with_columns(
                pl.Series("predicted", [self.class_names[k] for k in best], pl.String()),
                pl.Series("score", values[np.arange(len(self)), best], pl.Float64()),
            ),
            arrays={**others, "logits": logits, **kept},
        )

    def where(self, rows: npt.NDArray[np.bool_]) -> Predictions:
        """Some of the scored images, `[N]`; they count as all that were to be scored."""
        arrays = {name: array[rows] for name, array in self.arrays.items()}
        return replace(
            self, rows=self.rows.filter(rows), arrays=arrays, expected=int(rows.sum()), unreadable=()
        )

    def sorted_by_id(self) -> Predictions:
        """The same predictions in the order of their ids: every measure starts here, so that neither the
        order of rows nor the number of processes shows in a number."""
        order = self.rows.with_row_index("_row").sort("id", "fold", "seed")["_row"].to_numpy()
        return replace(
            self,
            rows=self.rows[order],
            arrays={name: array[order] for name, array in self.arrays.items()},
        )


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Along the last axis, in float64."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    exponent = np.exp(shifted)
    return np.asarray(exponent / exponent.sum(axis=-1, keepdims=True))
