"""Time and space: what an answer of a network costs on this machine.

In goes a network with its inputs, out come its size, its multiply-accumulates, the memory of a forward pass
and the time of a picture, by batch size and number of threads. Times go through the same scorer as
predictions, so a mirrored second pass is in them. Reading and decoding pictures is not.

A measured cost is kept in the user's cache by the network's content, its inputs, the machine and the
settings: other threads, another processor or another PyTorch measure again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from eighteen.core import store
from eighteen.core.errors import EighteenError, RunError
from eighteen.core.inputs import InputSpec
from eighteen.core.places import cache_folder
from eighteen.core.progress import Progress, silent
from eighteen.evaluating._fresh_process import resident_peaks
from eighteen.evaluating._live_memory import count_live_bytes
from eighteen.evaluating._machine import describe_machine
from eighteen.evaluating._timing import Timing, time_scorer
from eighteen.inference.scoring import Scorer
from eighteen.models.counting import count_macs, count_parameters

BATCH_SIZES = (1, 32)
REPEATS = 30

VERSION = 1
"""Raised when a change makes older cached costs wrong."""


@dataclass(frozen=True)
class Memory:
    """Memory of scoring one batch.

    Attributes:
        batch_size: pictures scored at once.
        tensor_bytes: network, pictures and what is computed from them, where most is alive at once. Counted,
            not measured: equal on all machines, without the scratch space of libraries.
        process_bytes: peak resident memory of a fresh process that opens the run and scores the batch on the
            CPU, Python and PyTorch included; None where no run was named.
    """

    batch_size: int
    tensor_bytes: int
    process_bytes: int | None


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Attributes:
        parameters: trainable and frozen ones.
        macs: multiply-accumulates of the answer for one picture, mirrored pass included.
        size_bytes: of parameters and running statistics, as they lie in a file.
        memory: by batch size.
        timings: by batch size and threads.
        machine: what the times were taken on.
        measured: when, UTC.
        note: that it comes from the cache, or that it could not be kept there.
    """

    parameters: int
    macs: int
    size_bytes: int
    memory: tuple[Memory, ...]
    timings: tuple[Timing, ...]
    machine: Mapping[str, str]
    measured: str
    note: str = ""

    @property
    def sentence(self) -> str:
        """Size, work and the fastest setting, in one line."""
        best = max(self.timings, key=lambda timing: timing.images_per_s)
        first = min(self.timings, key=lambda timing: (timing.batch_size, timing.p50_ms))
        return (
            f"{self.parameters / 1e6:.2f} million parameters ({self.size_bytes / 1e6:.1f} MB), "
            f"{self.macs / 1e6:,.0f} million multiply-accumulates a picture; {first.p50_ms:.2f} ms a picture "
            f"in batches of {first.batch_size}, at best {best.images_per_s:,.0f} pictures/s (batches of "
            f"{best.batch_size}, threads: {best.threads}) on {self.machine['processor']}"
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"machine": dict(self.machine)}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        memory = tuple(Memory(**one) for one in row["memory"])
        return cls(**{**row, "memory": memory, "timings": tuple(Timing(**one) for one in row["timings"])})


def measure_cost(
    network: nn.Module,
    inputs: InputSpec,
    *,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    threads: Sequence[int] = (),
    repeats: int = REPEATS,
    run: Path | None = None,
    again: bool = False,
    progress: Progress = silent,
) -> Cost:
    """Measures what an answer costs, or looks it up where it was measured before.

    Args:
        network: takes `[B, channels, size, size]`; it is left as it is, on its device.
        inputs: what the network expects.
        batch_sizes: pictures scored at once, each 1 or more.
        threads: numbers of threads, each 1 or more; by default one, and as many as PyTorch has now.
        repeats: calls to time in each setting, 1 or more; fewer where they take more than ten seconds, but
            not fewer than five.
        run: the trained run of this network; a fresh process then opens it to measure its memory.
        again: measure even where a cost is in the cache.
        progress: is told each setting.

    Raises:
        EighteenError: settings are out of range, or the fresh process failed.
    """
    threads = threads or (1, torch.get_num_threads())
    _check(batch_sizes, threads, repeats)
    batch_sizes, threads = sorted(set(batch_sizes)), sorted(set(threads))
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    machine = describe_machine(device)
    settings = {"batch_sizes": batch_sizes, "threads": threads, "repeats": repeats, "run": run is not None}
    path = _cache_file(network, inputs, {"machine": machine, **settings})
    known = None if again else _load(path)
    if known is not None:
        return replace(known, note=f"measured on {known.measured}, from the cache")
    cost = Cost(
        count_parameters(network),
        count_macs(network, inputs.size, inputs.channels) * (2 if inputs.mirror_average else 1),
        sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values()),
        _memory(network, inputs, batch_sizes, max(threads), run),
        time_scorer(Scorer(network, inputs, device), inputs, batch_sizes, threads, repeats, progress),
        machine,
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    return replace(cost, note=_save(path, cost))


def _check(batch_sizes: Sequence[int], threads: Sequence[int], repeats: int) -> None:
    problems = [
        f"{name} are {list(values)}, expected one or more whole numbers of 1 or more"
        for name, values in (("batch sizes", batch_sizes), ("threads", threads), ("repeats", [repeats]))
        if not values or min(values) < 1
    ]
    if problems:
        raise EighteenError(f"the cost cannot be measured: {'; '.join(problems)}; change these settings")


def _memory(
    network: nn.Module, inputs: InputSpec, batch_sizes: Sequence[int], threads: int, run: Path | None
) -> tuple[Memory, ...]:
    peaks = {} if run is None else resident_peaks(run, batch_sizes, threads)
    return tuple(
        Memory(batch_size, count_live_bytes(network, inputs, batch_size), peaks.get(batch_size))
        for batch_size in batch_sizes
    )


def _cache_file(network: nn.Module, inputs: InputSpec, settings: Mapping[str, Any]) -> Path:
    """Where the cost of this network with these inputs, settings and machine is kept."""
    digest = hashlib.sha256(json.dumps([VERSION, inputs.sha256, settings], sort_keys=True).encode())
    digest.update(str(network).encode())
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return cache_folder("cost") / f"{digest.hexdigest()[:32]}.json"


def _load(path: Path) -> Cost | None:
    """The cost in the cache; a damaged one counts as none, since it can be measured again."""
    if not path.exists():
        return None
    try:
        return Cost.from_json(store.read_object(path))
    except (RunError, KeyError, TypeError):
        return None


def _save(path: Path, cost: Cost) -> str:
    """Keeps a cost; where that fails, says so: the cache only saves time."""
    try:
        store.make_folder(path.parent)
        store.write_json(path, cost.to_json())
    except RunError as error:
        return f"this will be measured again the next time ({error})"
    return ""
