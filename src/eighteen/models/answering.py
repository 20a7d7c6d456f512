"""The whole answer as one network: mirror average and calibration behind the trained network.

Every export is made from this module, so that what a run's predictor computes around its network cannot be
left behind.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eighteen.core.calibration import Calibration


class Answering(nn.Module):
    """Normalised `[N, C, size, size]` to calibrated logits `[N, K]`.

    Args:
        network: trained, in evaluation mode.
        mirror_average: whether the answer is the mean over the picture and its mirror image.
        calibration: what is done to the logits.
        classes: K.
    """

    scale: Tensor
    bias: Tensor

    def __init__(
        self, network: nn.Module, mirror_average: bool, calibration: Calibration, classes: int
    ) -> None:
        super().__init__()
        self.network = network
        self.mirror_average = mirror_average
        plain = calibration.method == "none"
        scale = torch.ones(classes) if plain else torch.tensor(calibration.scale)
        bias = torch.zeros(classes) if plain else torch.tensor(calibration.bias)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        if self.mirror_average:
            # One pass over both: the graph holds the network once.
            both: Tensor = self.network(torch.cat([images, images.flip(-1)]))  # [2N, K]
            logits = (both[: images.shape[0]] + both[images.shape[0] :]) / 2
        else:
            logits = self.network(images)
        return logits * self.scale + self.bias
