"""The whole answer as one network: mirror average and calibration behind the trained network.

Every export is made from these modules, so that what a run's predictor computes around its network cannot be
left behind.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from eighteen.core.artifact import Exportable


class Answering(nn.Module):
    """Normalised `[N, C, size, size]` to calibrated logits `[N, K]`.

    Args:
        model: what is exported; its network is in evaluation mode.
    """

    def __init__(self, model: Exportable) -> None:
        super().__init__()
        self.network = model.network
        self.mirror_average = model.inputs.mirror_average
        self.calibrating = Calibrating(model)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        if self.mirror_average:
            # One pass over both: the graph holds the network once.
            both: Tensor = self.network(torch.cat([images, images.flip(-1)]))  # [2N, K]
            logits = (both[: images.shape[0]] + both[images.shape[0] :]) / 2
        else:
            logits = self.network(images)
        calibrated: Tensor = self.calibrating(logits)
        return calibrated


class Calibrating(nn.Module):
    """Logits of the network to calibrated ones, `[N, K]` each, see `Calibration`."""

    scale: Tensor
    bias: Tensor

    def __init__(self, model: Exportable) -> None:
        super().__init__()
        calibration, classes = model.calibration, len(model.class_names)
        plain = calibration.method == "none"
        scale = torch.ones(classes) if plain else torch.tensor(calibration.scale)
        bias = torch.zeros(classes) if plain else torch.tensor(calibration.bias)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)
        self.bend = calibration.bend

    def forward(self, logits: Tensor) -> Tensor:
        calibrated = logits * self.scale + self.bias
        if self.bend:
            # The logarithm of the softmax; some runtimes would take it of a share that has become 0.
            shifted = logits - logits.amax(-1, keepdim=True)
            logs = shifted - shifted.exp().sum(-1, keepdim=True).log()
            calibrated = calibrated - self.bend * logs * logs
        return calibrated


class WithProbabilities(nn.Module):
    """Normalised `[N, C, size, size]` to probabilities and calibrated logits, `[N, K]` each."""

    def __init__(self, model: Exportable) -> None:
        super().__init__()
        self.answering = Answering(model)
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits: Tensor = self.answering(images)
        return logits.softmax(-1), logits


class InBfloat16(nn.Module):
    """A network that computes in bfloat16, between float32 ends; its norms keep their numbers in float32.

    Args:
        network: left as it is; a copy is taken.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = deepcopy(network).bfloat16()
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.float()
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images.bfloat16())
        return logits.float()
