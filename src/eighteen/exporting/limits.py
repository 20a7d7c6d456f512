"""How far an exported model may differ from the one that it was made from, by precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eighteen.core.measures import Measure


@dataclass(frozen=True)
class Limits:
    """What a precision may differ.

    Attributes:
        agreement: share of the files that need the same answer.
        probability: largest difference in a class's probability.
        bare: the same for the tensor entry.
        accuracy: share by which accuracy on validation may fall.
        pictures: validation pictures that may be lost all the same: one of a few hundred is a larger share
            than any such limit, and with the same answer nearly everywhere it is a tie that fell otherwise.
    """

    agreement: float
    probability: float
    bare: float
    accuracy: float
    pictures: int = 0


LIMITS: Mapping[str, Limits] = {
    "fp32": Limits(0.999, 1e-3, 1e-5, 0.001, pictures=1),
    "fp16": Limits(0.999, 1e-2, 1e-2, 0.001, pictures=1),
    "bf16": Limits(0.99, 5e-2, 5e-2, 0.005, pictures=1),
    "int8": Limits(0.0, 1.0, 1.0, 0.005),
}
"""By precision. Integers change probabilities a little everywhere: accuracy is what they are held to."""


def problems_of(
    limits: Limits,
    agreement: float,
    gap: float,
    bare: float,
    accuracy: Measure | None,
    bare_accuracy: Measure | None,
) -> tuple[str, ...]:
    """What is beyond the limits, in words.

    Args:
        limits: of the precision.
        agreement: share of the files with the same answer.
        gap, bare: largest difference of a probability, also through the tensor entry.
        accuracy, bare_accuracy: on validation, exported minus source, through either entry; None where it was
            not asked.
    """
    found = []
    if agreement < limits.agreement:
        found.append(
            f"the same answer on {agreement:.2%} of the files, at least {limits.agreement:.1%} wanted"
        )
    if not gap <= limits.probability:
        found.append(f"probabilities differ by {gap:.3g}, at most {limits.probability:g} allowed")
    if not bare <= limits.bare:
        found.append(f"through the tensor entry they differ by {bare:.3g}, at most {limits.bare:g} allowed")
    for entry, each in (("", accuracy), (" through the tensor entry", bare_accuracy)):
        if each is None or each.value is None:
            continue
        lost = -each.value * each.n
        if -each.value > limits.accuracy and lost > limits.pictures + 0.5:
            found.append(
                f"accuracy on validation{entry} falls by {-each.value:.4f} ({each.low:+.4f} to "
                f"{each.high:+.4f}, n = {each.n}), at most {limits.accuracy:g} allowed"
            )
    return tuple(found)


def remedy(precision: str) -> str:
    """What to do about a model that was refused."""
    if precision == "fp32":
        return "This is a fault of the export, not of your data; please report it with the figures"
    return "Take a higher precision: --precision fp32"
