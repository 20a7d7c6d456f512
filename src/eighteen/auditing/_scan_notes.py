"""What a scan has to say: unreadable files, classes without any, wrong names, frames, modes, blank pictures.

In: the rows of the data set beside their records. Out: findings. Each kind is said once, with the first names
and a count.
"""

from __future__ import annotations

import re

import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding, name_some

ENDINGS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm", ".pfm"), "PPM"),
    **dict.fromkeys((".jp2", ".j2k", ".jpx", ".jpf", ".jpc"), "JPEG2000"),
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC"),
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    ".png": "PNG",
    ".gif": "GIF",
    ".webp": "WEBP",
    ".avif": "AVIF",
    ".tga": "TGA",
}
"""Format that a file's ending promises."""

_MODES = {
    "1": "1-bit",
    "P": "palette",
    "LA": "grey with alpha",
    "RGBA": "RGB with alpha",
    "CMYK": "CMYK",
    "I": "32-bit",
    "F": "float",
}
_FRAMES = re.compile(r"^\d+ frames, first used$")


def unreadable(rows: pl.DataFrame, total: int, max_skipped_fraction: float) -> list[Finding]:
    """Files that are left out, by reason; blocking when they are more than the allowed share.

    Args:
        rows: `id` and `reason` of the unreadable ones.
        total: images that were looked at.
        max_skipped_fraction: largest share that may be left out, 0..1.
    """
    if rows.is_empty():
        return []
    kinds: dict[str, list[str]] = {}
    for image, reason in rows.select("id", "reason").iter_rows():
        kinds.setdefault(re.sub(r"[0-9]+", "#", reason), []).append(f"{image} ({reason})")
    named = "; ".join(name_some(files) for files in sorted(kinds.values(), key=len, reverse=True))
    fraction = len(rows) / total
    message = f"{len(rows)} of {total} pictures cannot be read and are left out: {named}"
    advice = "repair or remove these files"
    if fraction <= max_skipped_fraction:
        return [Finding("unreadable", "warning", message, tuple(rows["id"]), advice)]
    limit = f"{fraction:.0%} are more than data.max_skipped_fraction = {max_skipped_fraction:.0%}"
    advice += ", or raise that option, or --accept unreadable"
    return [Finding("unreadable", "blocking", f"{message}. {limit}", tuple(rows["id"]), advice)]


def classes_without_images(before: Dataset, after: Dataset) -> list[Finding]:
    """Classes that had files and keep none."""
    had, has = before.class_counts(), after.class_counts()
    lost = [name for name in before.class_names if had[name] > 0 and has[name] == 0]
    if not lost:
        return []
    images = before.table.filter(pl.col("target").is_in(lost))["id"].to_list()
    named = name_some([f"{name} (0 of {had[name]} can be read)" for name in lost])
    message = f"no readable picture is left of {_plural(len(lost), 'class', 'classes')}: {named}"
    advice = "replace these files, remove the class, or --accept class_without_images to go on without it"
    return [Finding("class_without_images", "blocking", message, tuple(images), advice)]


def remarks(rows: pl.DataFrame) -> list[Finding]:
    """Findings on readable pictures.

    Args:
        rows: `id`, `path`, `format`, `mode`, `frames`, `notes`, `blank`.
    """
    return [*_frames(rows), *_other_notes(rows), *_blank(rows), *_misnamed(rows), *_modes(rows)]


def _frames(rows: pl.DataFrame) -> list[Finding]:
    several = rows.filter(pl.col("frames") > 1)
    if several.is_empty():
        return []
    named = name_some(
        [f"{image} ({n} frames, first used)" for image, n in several.select("id", "frames").rows()]
    )
    message = f"{_plural(len(several), 'file holds', 'files hold')} more than one frame or page: {named}"
    advice = "save the other frames as files of their own if they matter"
    return [Finding("animated", "warning", message, tuple(several["id"]), advice)]


def _other_notes(rows: pl.DataFrame) -> list[Finding]:
    """What the decoder noticed about single files, one finding for each thing noticed."""
    noted = rows.select("id", "notes").explode("notes").drop_nulls()
    kinds: dict[str, list[str]] = {}
    for image, note in noted.iter_rows():
        if not _FRAMES.match(note):
            kinds.setdefault(note, []).append(image)
    return [
        Finding(
            "file_remark",
            "warning",
            f"{note}: {name_some(images)} ({_plural(len(images), 'picture', 'pictures')}, used)",
            tuple(images),
            "save these files anew if it matters",
        )
        for note, images in sorted(kinds.items())
    ]


def _blank(rows: pl.DataFrame) -> list[Finding]:
    blank = rows.filter(pl.col("blank"))
    if blank.is_empty():
        return []
    images = blank["id"].to_list()
    message = (
        f"{_plural(len(images), 'picture is', 'pictures are')} of one single colour: {name_some(images)}"
    )
    advice = "remove them if they are failed exposures; they are used as they are"
    return [Finding("blank_images", "warning", message, tuple(images), advice)]


def _misnamed(rows: pl.DataFrame) -> list[Finding]:
    ending = pl.col("path").str.extract(r"(\.[^./]*)$").str.to_lowercase()
    promised = rows.select("id", "format", promised=ending.replace_strict(ENDINGS, default=None))
    known = promised.filter(pl.col("format").is_in(list(ENDINGS.values())))
    differing = known.filter(pl.col("promised") != pl.col("format"))
    wrong = [(image, f"{image} (is {kind})") for image, kind in differing.select("id", "format").iter_rows()]
    if not wrong:
        return []
    named = name_some([text for _, text in wrong])
    message = f"{_plural(len(wrong), 'file is', 'files are')} of another format than the name says: {named}"
    images = tuple(image for image, _ in wrong)
    return [
        Finding("misnamed_files", "info", message, images, "they are read by their content; nothing to do")
    ]


def _modes(rows: pl.DataFrame) -> list[Finding]:
    unusual = rows.filter(~pl.col("mode").is_in(["L", "RGB"]))
    if unusual.is_empty():
        return []
    counts = unusual.group_by("mode").len().sort(["len", "mode"], descending=[True, False])
    parts = [f"{number} {_mode_words(mode)}" for mode, number in counts.iter_rows()]
    message = (
        f"{_plural(len(unusual), 'picture is', 'pictures are')} not plain grey or RGB: {', '.join(parts)}"
    )
    advice = "they are brought to the model's channels by one fixed rule; see the options under inputs"
    return [Finding("converted_modes", "info", message, tuple(unusual["id"]), advice)]


def _mode_words(mode: str) -> str:
    kind, _, bits = mode.partition(";")
    if bits:
        return f"{bits}-bit {'grey' if kind in ('I', 'L') else kind}"
    return _MODES.get(mode, mode)


def _plural(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
