"""What a file is, by its first bytes: a name never decides, and a refusal can say what came instead."""

from __future__ import annotations

HEAD_BYTES = 1024
"""How much of a file is enough to name its format (DICOM's mark sits at 128, an SVG tag after a preamble)."""

IMAGE_FORMATS = frozenset(
    {"JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000", "HEIC", "TGA"}
)
"""Formats that are decoded. PSD, EPS (runs Ghostscript), icons, RAW and vector formats are not."""

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"%PDF", "PDF"),
    (b"%!PS", "EPS"),
    (b"8BPS", "PSD"),
    (b"PK\x03\x04", "ZIP"),
    (b"PK\x05\x06", "ZIP"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!", "RAR"),
    (b"\x93NUMPY", "NPY"),
    (b"\x89HDF", "HDF5"),
    (b"\0\0\x01\0", "ICO"),
    (b"v/1\x01", "OpenEXR"),
    (b"SIMPLE  =", "FITS"),
    (b"qoif", "QOI"),
    (b"\x1aE\xdf\xa3", "video"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_WHAT = {
    "PDF": "a PDF document",
    "EPS": "an EPS document",
    "PSD": "a Photoshop file",
    "ZIP": "a ZIP archive",
    "gzip": "a gzip archive",
    "7z": "a 7z archive",
    "RAR": "a RAR archive",
    "TAR": "a tar archive",
    "NPY": "a NumPy array",
    "HDF5": "an HDF5 file",
    "SVG": "an SVG drawing",
    "HTML": "an HTML page",
    "XML": "an XML text",
    "text": "a text file",
    "video": "a video",
    "DICOM": "a DICOM file",
    "ICO": "an icon file",
    "zeros": "nothing but zero bytes (a damaged copy)",
}


def sniff(head: bytes) -> str | None:
    """Names the format of a file by its first `HEAD_BYTES` bytes, or None where it is not known.

    >>> sniff(b"GIF89a...."), sniff(b"<!DOCTYPE html>"), sniff(b"\\x07\\x08\\x09")
    ('GIF', 'HTML', None)
    """
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF":
        return "WEBP" if head[8:12] == b"WEBP" else "video"
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if len(head) > 2 and head[:1] == b"P" and head[1:2] in b"123456fF" and head[2:3].isspace():
        return "PPM"
    if head[128:132] == b"DICM":
        return "DICOM"
    if head[257:262] == b"ustar":
        return "TAR"
    if head and not head.strip(b"\0"):
        return "zeros"
    return _text(head)


def why_not(kind: str | None, head: bytes) -> str:
    """The reason, with a remedy, for refusing a file of a kind that is not decoded."""
    if kind is None:
        return f"not a known image format (begins with {head[:8].hex(' ')}); convert it to PNG or JPEG"
    what = _WHAT.get(kind, f"a {kind} file")
    if kind in {"HTML", "text", "zeros"}:
        return f"{what}, not an image; download or copy the picture again"
    return f"{what}, which is not read as an image; convert it to PNG or JPEG"


def _iso_media(head: bytes) -> str:
    size = int.from_bytes(head[:4], "big")
    brands = [head[8:12]] + [head[at : at + 4] for at in range(16, min(size, len(head)), 4)]
    if brands[0] in (b"avif", b"avis"):
        return "AVIF"
    if brands[0] in _HEIF_BRANDS:
        modern = any(brand in _HEIF_BRANDS[:8] for brand in brands)
        return "AVIF" if not modern and {b"avif", b"avis"} & set(brands) else "HEIC"
    return "video"


def _text(head: bytes) -> str | None:
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "HTML"
    if b"<svg" in start and start.startswith(b"<"):
        return "SVG"
    if start.startswith(b"<?xml"):
        return "XML"
    printable = sum(32 <= byte < 127 or byte in b"\t\r\n" or byte >= 128 for byte in head)
    plain = sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)
    return "text" if head and printable == len(head) and plain >= 0.7 * len(head) else None
