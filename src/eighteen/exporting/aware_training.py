"""Quantisation-aware training: a short training in which a network learns to bear integers.

A copy of the network answers with its layers rounded, and is drawn to what the network itself answers about
the same training pictures, prepared and augmented as in its run. Labels play no part: the shipped model shall
answer like the trained one. Statistics of BatchNorm stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from copy import deepcopy
from itertools import count, islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from eighteen.core.errors import EighteenError
from eighteen.core.progress import Progress
from eighteen.core.run import Run
from eighteen.exporting.fake_quantising import WEIGHT_BITS, measure_ranges, quantising
from eighteen.tasks import make
from eighteen.training.fitting import training_batches

STEPS = 300
RATE = 3e-5
"""Of Adam, falling to zero along a straight line: weights move by a few of their steps at most."""


def train_aware(
    run: Run, network: nn.Module, samples: Tensor, kept: Collection[str], progress: Progress
) -> nn.Module:
    """A copy of a run's network that answers like it when its layers are integers.

    Args:
        run: trained; its recipe prepares the pictures.
        network: of the run.
        samples: normalised pictures `[N, C, size, size]` that set the ranges.
        kept: layers that stay in float.
        progress: told how far it is.
    """
    return taught(network, _images(run, progress), samples, kept, progress=progress)


def taught(
    network: nn.Module,
    images: Iterator[Tensor],
    samples: Tensor,
    kept: Collection[str] = (),
    steps: int = STEPS,
    rate: float = RATE,
    weight_bits: int = WEIGHT_BITS,
    progress: Progress | None = None,
) -> nn.Module:
    """A copy of the network, trained to answer like it in integers.

    Args:
        network: in evaluation mode; left as it is.
        images: batches of normalised pictures, at least `steps` of them.
        samples: normalised pictures that set the ranges.
        kept: layers that stay in float.
        steps: of the training.
        rate: of Adam at the start.
        weight_bits: of a weight.
        progress: told how far it is.

    Raises:
        EighteenError: the loss is not finite.
    """
    student = deepcopy(network).eval()
    ranges = measure_ranges(network, samples)
    with quantising(student, ranges, kept, weight_bits):
        optimizer = torch.optim.Adam([each for each in student.parameters() if each.requires_grad], lr=rate)
        for step, batch in enumerate(islice(images, steps)):
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 - step / steps)
            with torch.no_grad():
                wanted = network(batch).log_softmax(-1)
            said = student(batch).log_softmax(-1)
            loss = functional.kl_div(said, wanted, reduction="batchmean", log_target=True)
            if not bool(loss.isfinite()):
                raise EighteenError(f"training for integers diverged in step {step + 1}; export fp16 instead")
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            if progress is not None:
                progress("integers", step + 1, steps, "training with rounded layers")
    return student


def _images(run: Run, progress: Progress) -> Iterator[Tensor]:
    """Augmented training pictures without end. Epochs go on where the run's ended: at full size."""
    dataset, recipe = run.dataset, run.recipe
    task = make(dataset.task, dataset.class_names, recipe.loss, dataset.class_counts("train"))
    batches = training_batches(recipe, dataset.subset("train"), task, progress)
    assert recipe.training.epochs != "auto"
    for epoch in count(recipe.training.epochs):
        for batch in batches.epoch(epoch):
            yield batch.images
