"""Looking with a network: its features, and the answers of a run.

A picture's vector is the mean of the features of the picture and of its mirror image, so that a mirrored
picture is the same picture. Features are kept in the user's cache: what is labelled and trained on later is
not computed again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import nn

from eighteen.core.calibration import Calibration
from eighteen.core.dataset import Dataset
from eighteen.core.inputs import InputSpec
from eighteen.core.pixels import MAX_PIXELS
from eighteen.core.predictions import softmax
from eighteen.core.progress import Progress
from eighteen.core.run import Run
from eighteen.inference.devices import choose_device, open_placed
from eighteen.models import weights as model_weights
from eighteen.models.family import build, head_name
from eighteen.screening.seen import Floats, Seen
from eighteen.training.features import FeatureReader


@dataclass(frozen=True, eq=False)
class NetworkLook:
    """Looks with a network.

    Attributes:
        network: on its device.
        inputs: what it expects.
        device: where it lies.
        sentence: what it is, for people.
        class_names: of its answers; empty where its head was not trained on the data set.
        calibration: what is done to its logits.
        max_pixels: larger pictures are refused by the decoder.
        can_suggest: its features are good enough to learn classes from.
    """

    network: nn.Module
    inputs: InputSpec
    device: torch.device
    sentence: str
    class_names: tuple[str, ...] = ()
    calibration: Calibration = field(default_factory=Calibration)
    max_pixels: int = MAX_PIXELS
    can_suggest: bool = True

    @classmethod
    def of_run(cls, run: Run, device: str = "auto") -> Self:
        """The network of a run, with its answers.

        Raises:
            RunError: the run holds no weights.
        """
        network, place, _ = open_placed(run, device)
        sentence = f"features and answers of the run {run.path}"
        limit = run.recipe.data.max_pixels
        return cls(network, run.inputs, place, sentence, run.class_names, run.calibration, limit)

    @classmethod
    def of_weights(cls, name: str, weights: str | Path, device: str = "auto") -> Self:
        """A network of the family with weights from a file, or its published ones ("imagenet").

        Raises:
            WeightsError: the weights cannot be had, or are those of another network.
        """
        network = build(name, num_classes=1000)
        start = model_weights.start(name, weights)
        model_weights.fit(network, start.tensors)
        place, _ = choose_device(device)
        sentence = f"frozen features of {name} ({start.licence or start.path})"
        return cls(network.to(place), model_weights.input_spec_for(name), place, sentence)

    def __call__(self, dataset: Dataset, progress: Progress) -> Seen:
        """Looks at every row.

        Raises:
            TrainingError: a picture that was readable when it was scanned no longer is.
        """
        reader = FeatureReader(self.network, self.inputs, self.device, self.max_pixels)
        plain, mirrored = reader.read(dataset, progress)
        mean = np.asarray((plain + mirrored) / 2, np.float32)
        if not self.class_names:
            return Seen(mean)
        logits = self._head(mean if self.inputs.mirror_average else plain)
        return Seen(mean, softmax(self.calibration.apply(logits)))

    def _head(self, features: Floats) -> Floats:
        """Logits `[N, K]` of features `[N, D]`: what the network's last layer makes of them."""
        if not len(features):
            return np.empty((0, len(self.class_names)), np.float32)
        head = self.network.get_submodule(head_name(self.network))
        with torch.inference_mode():
            logits: torch.Tensor = head(torch.from_numpy(features).to(self.device))
        return logits.float().cpu().numpy()
