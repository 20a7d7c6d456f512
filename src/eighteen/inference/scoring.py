"""Logits of pictures: float32, evaluation mode, and the same for a picture whatever it is batched with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from eighteen.core.inputs import InputSpec
from eighteen.core.memory import keep_freed_memory

Forward = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""Fitted pictures `[B, C, H, W]`, 0..255, to logits `[B, K]`."""


class Scorer:
    """Normalises a fitted batch and runs the network on it, on its mirror images too where the inputs say so.

    On the CPU the process keeps the memory that a batch frees from then on (`core.memory`).

    Args:
        network: left in the mode it was in.
        inputs: what the network expects.
        device: where the network lies.
    """

    def __init__(self, network: nn.Module, inputs: InputSpec, device: torch.device) -> None:
        if device.type == "cpu":
            keep_freed_memory()
        scale, shift = inputs.scale_and_shift()
        self.network = network
        self.device = device
        self._scale = torch.from_numpy(scale).to(device)[:, None, None]  # [C, 1, 1]
        self._shift = torch.from_numpy(shift).to(device)[:, None, None]
        self._mirror_average = inputs.mirror_average

    def __call__(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with torch.inference_mode(), evaluating(self.network):
            images = self.normalised(torch.from_numpy(pixels))
            logits: Tensor = self.network(images)  # [B, K]
            if self._mirror_average:
                logits = (logits + self.network(images.flip(-1))) / 2
            return logits.float().cpu().numpy()

    def normalised(self, pixels: Tensor) -> Tensor:
        """Network input of fitted pictures, `[B, C, H, W]` float32."""
        batch = pixels.to(self.device, torch.float32)
        return torch.addcmul(self._shift, batch, self._scale).contiguous(memory_format=torch.channels_last)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block, and whatever mode it was before afterwards."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)
