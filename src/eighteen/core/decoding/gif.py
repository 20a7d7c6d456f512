"""GIF: bytes in, first frame out. The blocks are walked here for size, frames and completeness.

A frame may reach beyond the canvas the header states, so the size that counts is the larger of both. A file
that ends before its blocks do is refused; one that only lacks the trailer byte is used with a note.

Source: GIF89a specification (CompuServe 1990), sections 18 to 27.
"""

from __future__ import annotations

import io
import struct

from PIL import GifImagePlugin

from eighteen.core.decoding.pillow import pixels_of
from eighteen.core.decoding.value import Decoded, NotReadable, check_size, frames_note

END_MARKER_NOTE = "end marker is missing"
_EXTENSION, _FRAME, _TRAILER = 0x21, 0x2C, 0x3B


def decode_gif(data: bytes, max_pixels: int) -> Decoded:
    """Decodes the first frame of a GIF, laid on its canvas."""
    frames, width, height, notes = _walk(data, max_pixels)
    check_size(width, height, max_pixels)
    if frames == 0:
        raise NotReadable("truncated GIF: it holds no frame; copy or download it again")
    image = GifImagePlugin.GifImageFile(io.BytesIO(data))
    mode = image.mode
    return Decoded(pixels_of(image), mode, frames, 1, notes + frames_note(frames))


def _walk(data: bytes, max_pixels: int) -> tuple[int, int, int, tuple[str, ...]]:
    """Frames, the size of the canvas with the first frame on it, and notes."""
    try:
        width, height, flags = struct.unpack_from("<HHB", data, 6)
        check_size(width, height, max_pixels)
        position, frames = 13 + _palette_bytes(flags), 0
        while position < len(data):
            block = data[position]
            if block == _TRAILER:
                return frames, width, height, ()
            if block == _EXTENSION:
                position = _skip_blocks(data, position + 2)
            elif block == _FRAME:
                left, top, across, down, flags = struct.unpack_from("<HHHHB", data, position + 1)
                if frames == 0:
                    width, height = max(width, left + across), max(height, top + down)
                frames += 1
                position = _skip_blocks(data, position + 11 + _palette_bytes(flags))
            else:
                # Bytes between blocks are padding to every reader.
                position += 1
    except (struct.error, IndexError) as error:
        raise NotReadable("truncated GIF: the data ends in the middle; copy or download it again") from error
    return frames, width, height, (END_MARKER_NOTE,)


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_blocks(data: bytes, position: int) -> int:
    while (length := data[position]) != 0:
        position += length + 1
    return position + 1
