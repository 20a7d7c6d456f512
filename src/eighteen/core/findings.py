"""A finding: what a check saw in the data, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal
from unicodedata import category

Severity = Literal["info", "warning", "blocking"]
_ORDER: dict[Severity, int] = {"blocking": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Suspect:
    """A picture whose label looks wrong.

    Attributes:
        path: id of the picture.
        label: what it is called.
        suggested: what it looks like instead.
        score: how suspect the label is, 0..1; above 0.5 a model prefers the suggested one.
    """

    path: str
    label: str
    suggested: str
    score: float


@dataclass(frozen=True)
class Finding:
    """One thing that a check saw.

    Attributes:
        check: name of the check, the word that `--accept` takes.
        severity: `info` (nothing to do), `warning` (used, but look), `blocking` (training stops).
        message: what was seen, with counts and the first names.
        images: ids of the pictures concerned (paths relative to the data set's root).
        advice: what to do about it, one sentence.
        groups: where the finding speaks of sets of pictures, the sets, as ids.
        suspects: where it speaks of labels, more about each of `images`, in the same order.
    """

    check: str
    severity: Severity
    message: str
    images: tuple[str, ...] = ()
    advice: str = ""
    groups: tuple[tuple[str, ...], ...] = ()
    suspects: tuple[Suspect, ...] = ()

    def to_json(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "check": self.check,
            "severity": self.severity,
            "message": self.message,
            "images": [asdict(suspect) for suspect in self.suspects] or list(self.images),
            "advice": self.advice,
        }
        if self.groups:
            row["groups"] = [list(group) for group in self.groups]
        return row

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Finding:
        suspects = tuple(Suspect(**image) for image in row["images"] if isinstance(image, dict))
        return cls(
            check=row["check"],
            severity=row["severity"],
            message=row["message"],
            images=tuple(suspect.path for suspect in suspects) or tuple(row["images"]),
            advice=row["advice"],
            groups=tuple(tuple(group) for group in row.get("groups", ())),
            suspects=suspects,
        )

    def escalated(self) -> Finding:
        """The same finding, blocking (what `--strict` makes of a warning)."""
        return replace(self, severity="blocking")


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Blocking first, then warnings, then information; the order within each is kept."""
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity]))


def one_line(text: str) -> str:
    """The text with line breaks and other control characters written as escapes, since names may hold them.

    >>> one_line("a\\nb")
    'a\\\\nb'
    """
    breaks = ("Cc", "Zl", "Zp")
    return "".join(
        mark.encode("unicode_escape").decode() if category(mark) in breaks else mark for mark in text
    )


def name_some(names: Sequence[str], limit: int = 10) -> str:
    """The first names and how many more there are.

    >>> name_some(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:limit])
    rest = len(names) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown
