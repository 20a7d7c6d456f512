"""From a path or bytes to bytes, without hanging on a pipe or reading a device for ever."""

from __future__ import annotations

import errno
import os
import stat

from eighteen.core.decoding.sniff import HEAD_BYTES
from eighteen.core.decoding.value import NotReadable

MAX_FILE_BYTES = 4 << 30
"""A file is read as a whole before it is decoded; above 4 GiB it is refused and the memory kept free."""

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_REASONS = {
    errno.ENOENT: "there is no such file; check the path",
    errno.ENOTDIR: "there is no such file; check the path",
    errno.EACCES: "no permission to read it; change the file's access rights",
    errno.EPERM: "no permission to read it; change the file's access rights",
    errno.ELOOP: "a symbolic link that leads to itself; remove it",
    errno.ENAMETOOLONG: "the file name is too long for this system; shorten it",
    errno.ENXIO: "a pipe, socket or device, not a file",
    errno.EISDIR: "a folder, not a file",
}


class OpenFile:
    """A regular file that is open: its first bytes at once, all of it on demand. A context manager.

    Raises:
        NotReadable: missing, no permission, a folder, a pipe or a device, or larger than `MAX_FILE_BYTES`.
    """

    def __init__(self, path: str) -> None:
        try:
            descriptor = os.open(path, _FLAGS)
        except OSError as error:
            raise NotReadable(_reason(error)) from error
        except ValueError as error:
            raise NotReadable("the path holds a zero character; check the path") from error
        kind = os.fstat(descriptor)
        if not stat.S_ISREG(kind.st_mode):
            os.close(descriptor)
            is_folder = stat.S_ISDIR(kind.st_mode)
            raise NotReadable("a folder, not a file" if is_folder else "a pipe, socket or device, not a file")
        self._stream = os.fdopen(descriptor, "rb")
        self.size_bytes = kind.st_size
        self.head = self._read(HEAD_BYTES)

    def rest(self) -> bytes:
        """The whole file; call it once."""
        if self.size_bytes > MAX_FILE_BYTES:
            self._stream.close()
            raise NotReadable(f"{self.size_bytes} bytes is more than the {MAX_FILE_BYTES} that are read")
        return self.head + self._read(MAX_FILE_BYTES) if len(self.head) == HEAD_BYTES else self.head

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def _read(self, limit_bytes: int) -> bytes:
        try:
            # Reading without a limit lets Python size the buffer by the file instead of by the limit.
            return self._stream.read(limit_bytes) if limit_bytes < MAX_FILE_BYTES else self._stream.read()
        except OSError as error:
            self._stream.close()
            raise NotReadable(_reason(error)) from error


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0, f"cannot be read ({error.strerror or error})")
