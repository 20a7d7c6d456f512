"""Memory that a training step gives back is kept by the process, not returned to the system.

A step frees and takes the same big blocks again and again. glibc maps blocks above 128 KB anew each time, and
the system zeroes every page of them: on two cores ResNet-18 trains 1.2 to 1.3 times faster when it does not
(see docs/benchmarks.md). Other C libraries keep their own way.
"""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
KEPT_BYTES = 2**30


def keep_freed_memory() -> bool:
    """Asks the allocator of this process to keep what is freed; returns whether it agreed.

    Source: mallopt(3) of glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    agreed = library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
    return bool(agreed and library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
