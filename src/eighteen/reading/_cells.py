"""The cells of a table as text, with the line that each row stands on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eighteen.core.findings import Finding


@dataclass(frozen=True)
class Cells:
    """A table as text.

    Attributes:
        headings: names of the columns; unique.
        rows: the cells of each row; a short row lacks the last ones, a long one has more than `headings`.
        lines: where each row stands, from 1.
        unit: what `lines` counts: "line" of a text file, "row" of Parquet and JSON lists.
        repeated: headings that stood more than once, as they were written; later ones got a number.
        notes: what was guessed about the file.
    """

    headings: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]
    unit: str = "line"
    repeated: tuple[str, ...] = ()
    notes: tuple[Finding, ...] = ()

    def column(self, heading: str) -> list[str]:
        """A column's cells, "" where a row is too short."""
        position = self.headings.index(heading)
        return [row[position] if position < len(row) else "" for row in self.rows]

    def at(self, row: int) -> str:
        """Where a row stands, for messages: "line 3"."""
        return f"{self.unit} {self.lines[row]}"

    def without_headings(self) -> Cells:
        """The same table read as if its first line were a row too; columns are called column_1, column_2."""
        width = len(self.headings)
        named = tuple(f"column_{number}" for number in range(1, width + 1))
        return replace(self, headings=named, rows=[list(self.headings), *self.rows], lines=[1, *self.lines])
