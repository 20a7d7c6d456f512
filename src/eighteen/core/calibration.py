"""Calibration: how a model's logits become the ones that it is shipped with.

Fitted after training on pictures that the weights have not seen, stored in the run as `calibration.json`
and applied by every predictor and every export: `logits * scale + bias - bend * log_softmax(logits)²`,
class by class. With one common scale and no bend it is a temperature (Guo et al., On Calibration of
Modern Neural Networks, ICML 2017). A bend lowers small probabilities further than a temperature does,
which smoothed labels, holding them up in training, ask for; it keeps the order of classes (see Rahimi et
al., Intra Order-Preserving Functions for Calibration of Multi-Class Neural Networks, NeurIPS 2020).
Neither changes an answer (but for ties by rounding). With a scale and a bias a class it is vector
scaling, which can.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from eighteen.core.errors import RunError

Method = Literal["none", "temperature", "bent", "vector"]


@dataclass(frozen=True)
class Calibration:
    """What is done to the logits of a trained network.

    Attributes:
        method: how it was fitted; "none" leaves logits as they are.
        scale, bias: one number a class, `[K]`; empty with "none".
        bend: of log-probabilities, 0 or more; 0 but with "bent".
        reason: why this method, in a sentence.
        n: pictures that it was fitted on.
    """

    method: Method = "none"
    scale: tuple[float, ...] = ()
    bias: tuple[float, ...] = ()
    reason: str = ""
    n: int = 0
    bend: float = 0.0

    def apply(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Calibrated logits of `[N, K]` raw ones, float32.

        >>> halved = Calibration("temperature", (0.5, 0.5), (0.0, 0.0))
        >>> halved.apply(np.array([[2.0, 1.0]], np.float32)).tolist()
        [[1.0, 0.5]]
        >>> bent = Calibration("bent", (1.0, 1.0), (0.0, 0.0), bend=0.1)
        >>> [round(float(value), 3) for value in bent.apply(np.array([2.0, -2.0], np.float32))]
        [2.0, -3.615]
        """
        if self.method == "none":
            return logits
        scale, bias = np.asarray(self.scale, np.float32), np.asarray(self.bias, np.float32)
        calibrated = logits * scale + bias
        if self.bend:
            shifted = logits - logits.max(axis=-1, keepdims=True)
            logs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
            calibrated = calibrated - np.float32(self.bend) * logs**2
        return np.asarray(calibrated, np.float32)

    @property
    def straight(self) -> Calibration:
        """Without a bend, for formats that would round it: answers stay, small probabilities stay larger.

        >>> Calibration("bent", (2.0, 2.0), (0.0, 0.0), "scale 2, bend 0.1", 80, 0.1).straight.reason
        'scale 2, bend 0.1; the bend is left out, since integers would round it twice'
        """
        if not self.bend:
            return self
        reason = f"{self.reason}; the bend is left out, since integers would round it twice"
        return replace(self, method="temperature", bend=0.0, reason=reason)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "scale": list(self.scale), "bias": list(self.bias)}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Reads what `to_json` gave.

        Raises:
            RunError: something is missing, or the numbers are none that a fit gives.
        """
        try:
            bend = float(row.get("bend", 0.0))  # runs of before there were bends have none
            scale, bias = (tuple(map(float, row[name])) for name in ("scale", "bias"))
            made = cls(row["method"], scale, bias, str(row["reason"]), int(row["n"]), bend)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"the calibration cannot be read ({error!r}); calibrate the run again") from error
        fits = len(scale) == len(bias) and bool(scale) == (made.method != "none")
        if made.method not in get_args(Method) or not fits or not np.isfinite([*scale, *bias]).all():
            raise RunError(
                f"the calibration says method {made.method!r}, {len(scale)} scales and {len(bias)} biases; "
                f"expected one of {', '.join(get_args(Method))}, and a finite number of each a class"
            )
        turns = made.method != "vector" and min(scale, default=1.0) <= 0
        if turns or not 0 <= bend < np.inf:
            raise RunError(
                f"the calibration has a scale of {min(scale, default=1.0):g} and a bend of {bend:g}; "
                f"expected scales above 0 and a bend of 0 or more"
            )
        return made
