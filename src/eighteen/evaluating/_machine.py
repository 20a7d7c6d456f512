"""What a measured time depends on besides the network: the machine, and the number of threads."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


def describe_machine(device: torch.device) -> dict[str, str]:
    """Processor, cores that this process may use, device, system and version of PyTorch."""
    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processor": _processor(),
        "cores": str(len(affinity(0)) if affinity else os.cpu_count()),
        "device": accelerator,
        "system": f"{platform.system()} {platform.machine()}",
        "torch": torch.__version__,
    }


@contextmanager
def thread_count(threads: int) -> Iterator[None]:
    """Runs the block with this many threads of PyTorch, and puts the number before it back."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _processor() -> str:
    """The processor's name; Linux tells it in a file only."""
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
