"""Calibration: how a model's logits become the ones that it is shipped with.

Fitted after training on pictures that the weights have not seen, stored in the run as `calibration.json` and
applied by every predictor and every export: `logits * scale + bias`, class by class. With one common scale it
is a temperature (Guo et al., On Calibration of Modern Neural Networks, ICML 2017), which never changes an
answer; with one a class it is vector scaling, which can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

Method = Literal["none", "temperature", "vector"]


@dataclass(frozen=True)
class Calibration:
    """What is done to the logits of a trained network.

    Attributes:
        method: how it was fitted; "none" leaves logits as they are.
        scale, bias: one number a class, `[K]`; empty with "none".
        reason: why this method, in a sentence.
        n: pictures that it was fitted on.
    """

    method: Method = "none"
    scale: tuple[float, ...] = ()
    bias: tuple[float, ...] = ()
    reason: str = ""
    n: int = 0

    def apply(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Calibrated logits of `[N, K]` raw ones, float32.

        >>> halved = Calibration("temperature", (0.5, 0.5), (0.0, 0.0))
        >>> halved.apply(np.array([[2.0, 1.0]], np.float32)).tolist()
        [[1.0, 0.5]]
        """
        if self.method == "none":
            return logits
        scale, bias = np.asarray(self.scale, np.float32), np.asarray(self.bias, np.float32)
        return np.asarray(logits * scale + bias, np.float32)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "scale": list(self.scale), "bias": list(self.bias)}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        return cls(row["method"], tuple(row["scale"]), tuple(row["bias"]), row["reason"], row["n"])
