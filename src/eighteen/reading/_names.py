"""What names say: clutter of operating systems, files that are no pictures, spellings of the splits.

Pictures are known by their content, later; a name only decides about what can be no picture at all.
"""

from __future__ import annotations

import os
from pathlib import Path

SPLIT_SPELLINGS: dict[str, frozenset[str]] = {
    "train": frozenset({"train", "training", "train_set", "trainset", "training_set", "trn"}),
    "val": frozenset(
        {"val", "valid", "validation", "validate", "validating", "val_set", "valset", "validation_set", "dev"}
    ),
    "test": frozenset({"test", "testing", "test_set", "testset", "testing_set", "tst"}),
}
"""Names of folders and cells that mean a split; case, "-" and blanks for "_" make no difference."""

CLUTTER = frozenset(
    {
        "__macosx",
        "__pycache__",
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "lost+found",
        "thumbs.db",
        "thumbs.db:encryptable",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "picasa.ini",
        "icon\r",
        ".ds_store",
        ".appledouble",
        ".lsoverride",
        ".spotlight-v100",
        ".trashes",
        ".fseventsd",
        ".temporaryitems",
        ".directory",
        ".picasa.ini",
        ".ipynb_checkpoints",
        ".git",
        ".gitattributes",
        ".gitignore",
        ".gitkeep",
        ".keep",
        ".nomedia",
    }
)
"""Lower-case names that systems and programs leave behind; ignored without further words."""

TEXT_ENDINGS = frozenset(
    [
        ".txt",
        ".md",
        ".rst",
        ".json",
        ".jsonl",
        ".ndjson",
        ".csv",
        ".tsv",
        ".parquet",
        ".xml",
        ".yaml",
        ".yml",
        ".toml",
        ".ini",
        ".cfg",
        ".log",
        ".html",
        ".htm",
        ".css",
        ".js",
        ".py",
        ".ipynb",
        ".sh",
        ".bat",
        ".m",
        ".r",
        ".c",
        ".cpp",
        ".h",
        ".java",
        ".doc",
        ".docx",
        ".odt",
        ".rtf",
        ".xls",
        ".xlsx",
        ".ods",
        ".ppt",
        ".pptx",
        ".pdf",
        ".db",
        ".sqlite",
        ".pkl",
        ".npy",
        ".npz",
        ".mat",
        ".h5",
        ".hdf5",
        ".pt",
        ".pth",
        ".ckpt",
        ".onnx",
        ".safetensors",
        ".zip",
        ".tar",
        ".gz",
        ".bz2",
        ".xz",
        ".7z",
        ".rar",
        ".md5",
        ".sha256",
        ".lock",
        ".url",
        ".lnk",
        ".names",
        ".bib",
        ".tex",
    ]
)
"""Endings of text, tables, programs, models and archives: no pictures, unless their first bytes say so."""

VIDEO_ENDINGS = frozenset(
    [".mp4", ".avi", ".mov", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".m4v", ".mp3", ".wav", ".flac"]
)
"""Endings of films and sound, which somebody may have taken for pictures."""

BARE_TEXT_NAMES = frozenset(
    {"license", "licence", "readme", "source", "copying", "notice", "authors", "makefile"}
)
"""Lower-case names without an ending that are text."""

PICTURE_ENDINGS = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".gif",
        ".bmp",
        ".dib",
        ".webp",
        ".tif",
        ".tiff",
        ".pgm",
        ".ppm",
        ".pbm",
        ".pnm",
        ".ico",
        ".tga",
        ".heic",
        ".heif",
        ".avif",
        ".jp2",
        ".j2k",
        ".jpx",
        ".psd",
        ".pcx",
        ".sgi",
        ".qoi",
    ]
)
"""Common endings of pictures; used for hints and for paths without an ending, never to leave a file out."""

SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*")
"""First bytes of the common picture formats (WebP and HEIF are told by bytes 4 to 12)."""

HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif"})


def split_of(name: str) -> str | None:
    """The split that a name means, or None.

    >>> split_of("Testing"), split_of("valid"), split_of("cat")
    ('test', 'val', None)
    """
    word = name.strip().casefold().replace("-", "_").replace(" ", "_")
    return next((split for split, spellings in SPLIT_SPELLINGS.items() if word in spellings), None)


def is_clutter(name: str) -> bool:
    """What systems leave behind (`Thumbs.db`, `__MACOSX`, `._x.png`)."""
    return name.startswith("._") or name.casefold() in CLUTTER


def is_text(path: str | Path) -> bool:
    """Whether a file's name says that it is text, a table, a program or an archive."""
    name = os.path.basename(path)  # noqa: PTH119 - called for every file of large folders
    stem, ending = os.path.splitext(name.casefold())  # noqa: PTH122
    return ending in TEXT_ENDINGS or (not ending and stem in BARE_TEXT_NAMES)


def is_video(path: str) -> bool:
    return os.path.splitext(path.casefold())[1] in VIDEO_ENDINGS  # noqa: PTH122


def has_picture_ending(path: str) -> bool:
    return os.path.splitext(path.casefold())[1] in PICTURE_ENDINGS  # noqa: PTH122


def starts_like_picture(path: str) -> bool:
    """Whether the first bytes are those of a picture, whatever the name says."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(12)
    except OSError:
        return False
    boxed = head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS
    return head.startswith(SIGNATURES) or (head[:4] == b"RIFF" and head[8:] == b"WEBP") or boxed


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "row"), counted(2, "row")
    ('1 row', '2 rows')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {'entries' if noun == 'entry' else noun + 's'}"


def printable(path: str) -> str:
    r"""A path that can be written as UTF-8: bytes that are no UTF-8 become escapes (`\xe4`).

    >>> printable("caf\udce9.png")
    'caf\\xe9.png'
    """
    if path.isascii():
        return path
    try:
        return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        # Halves of UTF-16 pairs, which JSON may hold, are no bytes of a file name either.
        return path.encode("utf-8", "backslashreplace").decode("utf-8")


def is_utf8(name: str) -> bool:
    """Whether a name is proper text; names with other bytes cannot be stored in tables or JSON."""
    return name.isascii() or printable(name) == name
