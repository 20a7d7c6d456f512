"""Where the network runs: the device asked for, or a stated fallback."""

from __future__ import annotations

import torch
from torch import nn

from eighteen.core.errors import TrainingError
from eighteen.core.run import Run
from eighteen.formats import native


def choose_device(wanted: str) -> tuple[torch.device, str]:
    """The device to use and, where it is not the one asked for, a sentence that says so.

    Args:
        wanted: "auto" (the first accelerator there is, else the CPU), or a torch device such as "cuda:1".

    Raises:
        TrainingError: the name is no device.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda"), ""
        if torch.backends.mps.is_available():
            return torch.device("mps"), ""
        return torch.device("cpu"), ""
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise TrainingError(f"'{wanted}' is no device; use auto, cpu, cuda, cuda:1 or mps") from error
    if _is_there(device):
        return device, ""
    return torch.device("cpu"), f"the device '{wanted}' is not there; the CPU is used instead"


def open_placed(run: Run, wanted: str | None = None) -> tuple[nn.Module, torch.device, str]:
    """A run's trained network on its device, the device, and `choose_device`'s sentence.

    Args:
        run: trained.
        wanted: as for `choose_device`; None takes what the run's recipe says.

    Raises:
        RunError: the run holds no weights.
        TrainingError: the name is no device.
    """
    network = native.open_network(run)
    device, note = choose_device(run.recipe.training.device if wanted is None else wanted)
    return network.to(device), device, note


def _is_there(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return device.type == "cpu"
