"""The state of a model whose runtime does not run on the machine that exported it: nothing was compared.

It stands in `parity.json` in the place of figures, so that nobody takes silence for agreement. What reading
the files proves is listed, and no more than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NotCompared:
    """What is known of a model that could not be asked.

    Attributes:
        reason: why its answers were not compared here.
        checked: what reading its files proved.
        problems: what reading its files disproved; empty where it may be shipped.
        size_bytes: of the model file.
    """

    reason: str
    checked: tuple[str, ...]
    problems: tuple[str, ...]
    size_bytes: int

    def to_json(self) -> dict[str, Any]:
        return {
            "compared": False,
            "reason": self.reason,
            "checked": list(self.checked),
            "problems": list(self.problems),
            "size_bytes": self.size_bytes,
        }

    @property
    def sentence(self) -> str:
        return f"its answers were not compared here: {self.reason}"
