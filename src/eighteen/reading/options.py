"""What the user may say about how a path is read; everything has a default that needs no word."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReadOptions:
    """Options of `read`, the same for every layout.

    Attributes:
        image_column: column of a table that names the picture file; found by its heading where None.
        label_column: column of a table that holds the class; found by its heading where None.
        split_column: column that says train, val or test; in a table found by its heading where None, beside
            class folders used only when named.
        group_column: column whose equal values must stay in one split (patient, sender); only when named.
        allow_outside: pictures outside the data set's folder may be read ("../x.png", links that lead out).
        keep_negative_labels: the label -1 beside other non-negative numbers is a class, not "no label".
        max_skipped_fraction: largest share of a table's rows (0..1) that may be left out for having no file
            or for contradicting one another before the table is refused.
    """

    image_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    allow_outside: bool = False
    keep_negative_labels: bool = False
    max_skipped_fraction: float = 0.5
