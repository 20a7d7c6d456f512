"""The state of a training, saved so that going on gives the same weights, bit for bit, as never stopping.

`resume/` holds `state-<epoch>-<step>.safetensors` (network, averages, best weights so far, optimizer, random
state) and `state.json`, which names that file with its SHA-256 and holds the numbers. The JSON is written
last, so it always names a whole file; the state before is kept as well and used, with a warning, if the newer
one was damaged later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from eighteen.core import store
from eighteen.core.errors import RunError
from eighteen.core.run import Run
from eighteen.training.averaging import EpochMean, WeightAverage


@dataclass(frozen=True)
class Position:
    """How far a training is; a new one takes the place of the old after every step.

    Attributes:
        epoch: epochs finished.
        step: steps done in the epoch that is running.
        total_steps: steps done in all.
        loss_sum, images: sums over the running epoch, for its mean training loss.
        best, last: selection measures of the best and of the last finished epoch, each with its number; None
            before the first.
        first_loss: loss of the very first step, against which divergence is judged.
        seconds: time spent training, over all resumes.
    """

    epoch: int = 0
    step: int = 0
    total_steps: int = 0
    loss_sum: float = 0.0
    images: int = 0
    best: Mapping[str, float] | None = None
    last: Mapping[str, float] | None = None
    first_loss: float | None = None
    seconds: float = 0.0

    def moved(self, **changes: Any) -> Position:
        return replace(self, **changes)


@dataclass
class Moving:
    """What training changes: the parts whose tensors make the state."""

    network: nn.Module
    optimizer: Optimizer
    average: WeightAverage | None
    mean: EpochMean | None = None
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def evaluated(self) -> nn.Module:
        """The network that is scored and kept."""
        return self.network if self.average is None else self.average.network


def save_state(run: Run, position: Position, moving: Moving) -> None:
    """Saves the state and drops the one before the last."""
    folder = run.resume_folder
    store.make_folder(folder)
    tensors, scalars = _pack(moving)
    # The epoch too: the state after an epoch's last step is another one than that after its end.
    name = f"state-{position.epoch:05d}-{position.total_steps:09d}.safetensors"
    previous = _entries(folder)[:1]
    digest = store.write_tensors(folder / name, tensors, {})
    entry = {
        "file": name,
        "sha256": digest,
        "scalars": scalars,
        "position": {**vars(position), "best": dict(position.best) if position.best else None},
    }
    kept = [entry, *(old for old in previous if old["file"] != name)]
    store.write_json(folder / "state.json", {"version": 1, "states": kept})
    for path in folder.glob("state-*.safetensors"):
        if path.name not in {row["file"] for row in kept}:
            store.remove(path)


def load_state(run: Run, moving: Moving) -> tuple[Position, str]:
    """Brings everything back; returns the position and a warning ("" where all was well).

    Raises:
        RunError: there is nothing whole to go on from.
    """
    folder = run.resume_folder
    warning = ""
    for entry in _entries(folder):
        path = folder / entry["file"]
        reason = _damage(path, entry["sha256"])
        if reason:
            warning = f"{path} is {reason}; going on from the state before it"
            continue
        _unpack(store.read_tensors(path), entry["scalars"], moving)
        return Position(**entry["position"]), warning
    problem = f"its newest state is damaged ({warning})" if warning else "it holds no saved state"
    raise RunError(f"{run.path} cannot be resumed: {problem}; start again with another --out")


def drop_state(run: Run) -> None:
    """Removes the state of a finished training, which needs it no more."""
    for path in run.resume_folder.glob("state*"):
        store.remove(path)


def _entries(folder: Path) -> list[dict[str, Any]]:
    path = folder / "state.json"
    return list(store.read_object(path, "states")["states"]) if path.exists() else []


def _damage(path: Path, sha256: str) -> str:
    if not path.exists():
        return "missing"
    if path.stat().st_size == 0:
        return "empty"
    return "" if store.file_sha256(path) == sha256 else "incomplete or damaged"


def _pack(moving: Moving) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors = {f"network.{name}": value for name, value in moving.network.state_dict().items()}
    if moving.average is not None:
        state = moving.average.network.state_dict()
        tensors |= {f"average.{name}": value for name, value in state.items()}
    scalars: dict[str, Any] = {}
    if moving.mean is not None:
        tensors |= {f"mean.{name}": value for name, value in moving.mean.tensors.items()}
        scalars["mean.count"] = moving.mean.count
    tensors |= {f"best.{name}": value for name, value in moving.best.items()}
    tensors |= _random_states(_device(moving.network))
    for index, values in moving.optimizer.state_dict()["state"].items():
        for key, value in values.items():
            name = f"optimizer.{index}.{key}"
            if isinstance(value, Tensor):
                tensors[name] = value
            elif value is not None:
                scalars[name] = value
    return tensors, scalars


def _unpack(tensors: Mapping[str, Tensor], scalars: Mapping[str, Any], moving: Moving) -> None:
    moving.network.load_state_dict(_part(tensors, "network."))
    if moving.average is not None:
        moving.average.network.load_state_dict(_part(tensors, "average."))
    if moving.mean is not None:
        moving.mean.count = scalars["mean.count"]
        moving.mean.tensors = _on(moving.network, _part(tensors, "mean."))
    moving.best = _part(tensors, "best.")
    states: dict[int, dict[str, Any]] = {}
    for name, value in [*_part(tensors, "optimizer.").items(), *_part(scalars, "optimizer.").items()]:
        index, key = name.split(".", 1)
        states.setdefault(int(index), {})[key] = value
    groups = moving.optimizer.state_dict()["param_groups"]
    moving.optimizer.load_state_dict({"state": states, "param_groups": groups})
    _lay_out(moving.optimizer)
    _set_random_states(tensors, _device(moving.network))


def _random_states(device: torch.device) -> dict[str, Tensor]:
    """Of the CPU, and of the device that trains: where there are several, another one may be the current."""
    states = {"random.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["random.cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["random.mps"] = torch.mps.get_rng_state()
    return states


def _set_random_states(tensors: Mapping[str, Tensor], device: torch.device) -> None:
    """What another kind of device left has no meaning here."""
    torch.set_rng_state(tensors["random.cpu"])
    if device.type == "cuda" and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], device)
    elif device.type == "mps" and "random.mps" in tensors:
        torch.mps.set_rng_state(tensors["random.mps"])


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _on(network: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the network's device."""
    return {name: value.to(_device(network)) for name, value in tensors.items()}


def _lay_out(optimizer: Optimizer) -> None:
    """Gives each state the memory layout of its parameter: fused steps walk through both in one go."""
    for parameter, states in optimizer.state.items():
        for key, value in states.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                states[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _part(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
