"""Draws an augmentation sheet as one PNG picture.

In comes a `Sheet`; out come the bytes of a PNG. Text is set in the typeface that comes with Pillow, so that
the sheet looks the same on every machine; pictures of few pixels are enlarged without smoothing, because
their pixels are what the network gets.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from eighteen.reporting.augment_sheet import Cell, Sheet, SheetRow

CELL_PX, GAP_PX, MARGIN_PX, LABEL_PX = 144, 10, 56, 300
CAPTION_PX, SECTION_PX, HEAD_PX = 30, 92, 118
GROUP_GAP_PX = 34
PAPER, INK, FAINT, LINE, ON, OFF = "#fbfaf8", "#1f2328", "#6b7280", "#e3e0da", "#0f766e", "#9a9389"
_SMALL_PX = 72
"""Pictures up to this side are enlarged without smoothing."""


def sheet_png(sheet: Sheet) -> bytes:
    """The sheet as PNG; the same sheet always gives the same bytes."""
    on = [row for row in sheet.settings if row.is_on]
    off = [row for row in sheet.settings if not row.is_on]
    sections = [
        ("As the network sees it", "left: validation; then one draw after the other, everything together",
         list(sheet.whole)),
        ("On in this recipe", "each setting alone, at a third, two thirds and all of its strength", on),
        ("Off in this recipe", "shown at a usual strength, to choose from; on with --set augment.NAME=VALUE",
         off),
    ]  # fmt: skip
    sections = [section for section in sections if section[2]]
    height = HEAD_PX + MARGIN_PX + sum(SECTION_PX + _row_px() * len(rows) for _, _, rows in sections)
    canvas = Image.new("RGB", (_width_px(), height), PAPER)
    pen = ImageDraw.Draw(canvas)
    pen.text((MARGIN_PX, 44), "What training does to your pictures", INK, _font(38))
    size = sheet.size_px
    facts = f"{sheet.pictures:,} training pictures, {size} x {size} pixels each as the network's input"
    pen.text((MARGIN_PX, 92), facts, FAINT, _font(20))
    top = HEAD_PX
    for title, words, rows in sections:
        top = _section(pen, top, title, words)
        for row in rows:
            _row(canvas, pen, top, row)
            top += _row_px()
    buffer = io.BytesIO()
    canvas.save(buffer, format="PNG")
    return buffer.getvalue()


def _width_px() -> int:
    return 2 * MARGIN_PX + LABEL_PX + 8 * CELL_PX + 6 * GAP_PX + GROUP_GAP_PX


def _row_px() -> int:
    return CELL_PX + CAPTION_PX + 16


def _section(pen: ImageDraw.ImageDraw, top: int, title: str, words: str) -> int:
    pen.line([(MARGIN_PX, top + 22), (_width_px() - MARGIN_PX, top + 22)], LINE, 2)
    pen.text((MARGIN_PX, top + 42), title, INK, _font(26))
    start = MARGIN_PX + pen.textlength(title, _font(26)) + 18
    pen.text((start, top + 49), words, FAINT, _font(18))
    return top + SECTION_PX


def _row(canvas: Image.Image, pen: ImageDraw.ImageDraw, top: int, row: SheetRow) -> None:
    _label(pen, top, row)
    left = MARGIN_PX + LABEL_PX
    for number, group in enumerate(row.cells):
        left += number * (GROUP_GAP_PX - GAP_PX)
        for place, cell in enumerate(group):
            canvas.paste(_enlarged(cell), (left, top))
            colour = FAINT if place else OFF
            pen.text((left + CELL_PX / 2, top + CELL_PX + 6), cell.caption, colour, _font(15), anchor="ma")
            left += CELL_PX + GAP_PX


def _label(pen: ImageDraw.ImageDraw, top: int, row: SheetRow) -> None:
    name = row.name.removeprefix("augment.")
    pen.text((MARGIN_PX, top), name, INK if row.is_on else FAINT, _font(21))
    down = top + 30
    if row.value:
        words = row.value if row.is_on else f"off; shown: {row.value}"
        pen.text((MARGIN_PX, down), words, ON if row.is_on else OFF, _font(17))
        down += 28
    elif not row.is_on:
        pen.text((MARGIN_PX, down), "off", OFF, _font(17))
        down += 28
    for line in list(_lines(pen, row.sentence, LABEL_PX - 34))[:4]:
        pen.text((MARGIN_PX, down), line, FAINT, _font(15))
        down += 21


def _lines(pen: ImageDraw.ImageDraw, text: str, width_px: int) -> Iterator[str]:
    """The text in lines that are no longer than a width."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and pen.textlength(longer, _font(15)) > width_px:
            yield line
            longer = word
        line = longer
    yield line


def _enlarged(cell: Cell) -> Image.Image:
    pixels = np.repeat(cell.pixels, 3, axis=2) if cell.pixels.shape[2] == 1 else cell.pixels
    small = max(pixels.shape[:2]) <= _SMALL_PX
    kernel = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((CELL_PX, CELL_PX), kernel)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
