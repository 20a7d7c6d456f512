"""Knowledge distillation: trained runs say what they see in each training picture, and that is learned too.

A teacher knows more about a picture than its label: which other classes it resembles. It sees the same
augmented picture as the student, brought to its own size, channels and normalisation. Several teachers are an
ensemble: the mean of what they say. With temperature `T`, teachers' shares `p` and student's logits `z`, the
loss is `(1 - w)` of the recipe's own loss and `w` of

    T^2 KL(p || softmax(z / T)),    p = mean over teachers of softmax(teacher's logits / T)

Source: Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015; Beyer et al., Knowledge
distillation: A good teacher is patient and consistent, CVPR 2022 (the same picture for both, long trainings).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from eighteen.core.dataset import SPLITS, Dataset
from eighteen.core.errors import RecipeError
from eighteen.core.findings import name_some
from eighteen.core.inputs import InputSpec
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.formats import native
from eighteen.models.counting import count_macs
from eighteen.training.unseen import learned_among

Answer = Callable[[Tensor], Tensor]
"""Pictures to logits."""

Loss = Callable[[Answer, Tensor, Tensor], Tensor]
"""Mean loss of a network on pictures `[B, C, H, W]` and their targets."""

ITSELF = "itself"
"""In place of a run's path: the teacher is trained first, by the same recipe, see `own_teacher`."""

LUMA = (0.299, 0.587, 0.114)
"""Grey of red, green and blue (ITU-R 601), as everywhere."""


def with_teachers(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe with whole paths of its teachers, which fit this data set.

    Raises:
        RunError: a teacher is no trained run.
        RecipeError: it knows other classes, or has learned from pictures that are to measure the student.
    """
    for path in _runs(recipe):
        run = Run.open(path)
        _check_classes(run, dataset)
        _check_unseen(run, dataset)
    whole = [path if path == ITSELF else str(Path(path).absolute()) for path in recipe.training.teacher]
    return recipe.changed(training={"teacher": whole})


def require_foreign_teachers(recipe: Recipe, dataset: Dataset) -> None:
    """Refuses teachers that no training of a study could have, before one is made.

    Each training there holds other pictures out, and splits a validation of its own off the others: a teacher
    that has learned from any of them passes on answers to what is measured, sooner or later.

    Args:
        recipe: its teachers that are runs are looked at.
        dataset: audited, with the splits that the study begins with.

    Raises:
        RunError: a teacher is no trained run.
        RecipeError: it knows other classes, or has learned from these pictures.
    """
    for path in _runs(recipe):
        run = Run.open(path)
        _check_classes(run, dataset)
        told = learned_among(run, dataset, SPLITS)
        if told:
            raise RecipeError(
                f"the teacher {run.path} has learned from {len(told)} of these pictures "
                f"({name_some(told, 3)}), and each training here is measured on others of "
                f"them: what it passes on would make the measures better than they are. Expected a teacher "
                f"that knows none of them. Take training.teacher={ITSELF}, one for each training; "
                f"or train with this teacher and without, by eighteen train --splits-from {run.path}, and "
                f"compare the two runs: eighteen compare RUN RUN"
            )


def own_teacher_path(run: Path) -> Path:
    """Where the teacher of a run lies that is taught by its like."""
    return run / "teacher"


def located(recipe: Recipe, run: Path) -> Recipe:
    """The recipe with the path of its own teacher in place of `ITSELF`."""
    own = str(own_teacher_path(run))
    paths = [own if path == ITSELF else path for path in recipe.training.teacher]
    return recipe.changed(training={"teacher": paths})


def taught(
    own: Loss, recipe: Recipe, class_names: Sequence[str], inputs: InputSpec, device: torch.device
) -> Loss:
    """The loss of a recipe: its own, or with teachers a mixture of its own and of what they say."""
    training = recipe.training
    if not training.teacher:
        return own
    teachers = [_Teacher.open(Path(path), class_names, inputs, device) for path in training.teacher]
    temperature, weight = training.teacher_temperature, training.teacher_weight

    def loss(network: Answer, images: Tensor, targets: Tensor) -> Tensor:
        logits = network(images).float()  # [B, K]
        with torch.no_grad():
            told = torch.stack([(teacher(images) / temperature).softmax(1) for teacher in teachers]).mean(0)
        mine = own(lambda _: logits, images, targets)
        return torch.lerp(mine, distillation(logits, told, temperature), weight)

    return loss


def teachers_work(recipe: Recipe, network: nn.Module) -> float:
    """Multiply-accumulates of all teachers' answers as a share of the network's own; 1 for its like."""
    inputs = recipe.inputs
    assert inputs.size != "auto" and inputs.channels != "auto"
    own = count_macs(network, inputs.size, inputs.channels)
    runs = [Run.open(path) for path in _runs(recipe)]
    built = [native.build(run.recipe, len(run.class_names)) for run in runs]
    sizes = [(run.inputs.size, run.inputs.channels) for run in runs]
    theirs = sum(count_macs(each, *size) for each, size in zip(built, sizes, strict=True))
    return theirs / own + (ITSELF in recipe.training.teacher)


def distillation(logits: Tensor, told: Tensor, temperature: float) -> Tensor:
    """How far softened answers are from the teachers', a scalar; 0 where they are the same.

    Args:
        logits: of the student, `[B, K]`.
        told: shares that the teachers give, `[B, K]`, softened by the same temperature.
        temperature: above 0; the square of it keeps the gradients' size.
    """
    softened = functional.log_softmax(logits / temperature, dim=1)
    return temperature**2 * functional.kl_div(softened, told, reduction="batchmean")


def seen_by(images: Tensor, mine: InputSpec, theirs: InputSpec) -> Tensor:
    """Network input `[B, C, H, W]` made after one description, as another one wants it.

    >>> grey = InputSpec(size=8, channels=1, mean=(0.5,), std=(0.5,))
    >>> seen_by(torch.zeros(2, 1, 8, 8), grey, InputSpec(size=16)).shape
    torch.Size([2, 3, 16, 16])
    """
    pixels = images.float() * _column(mine.std, images) + _column(mine.mean, images)  # 0 .. 1
    if mine.channels == 3 and theirs.channels == 1:
        pixels = (pixels * _column(LUMA, images)).sum(1, keepdim=True)
    pixels = pixels.expand(-1, theirs.channels, -1, -1)
    if pixels.shape[-1] != theirs.size:
        side = (theirs.size, theirs.size)
        pixels = functional.interpolate(pixels, side, mode="bilinear", antialias=True)
    return (pixels - _column(theirs.mean, images)) / _column(theirs.std, images)


def _runs(recipe: Recipe) -> list[str]:
    return [path for path in recipe.training.teacher if path != ITSELF]


@dataclass(frozen=True, eq=False)
class _Teacher:
    """A trained network that answers in the student's order of classes."""

    network: nn.Module
    order: Tensor
    inputs: InputSpec
    theirs: InputSpec

    @classmethod
    def open(
        cls, path: Path, class_names: Sequence[str], inputs: InputSpec, device: torch.device
    ) -> _Teacher:
        run = Run.open(path)
        network = native.open_network(run).to(device).requires_grad_(False)
        order = torch.tensor([run.class_names.index(name) for name in class_names], device=device)
        return cls(network, order, inputs, run.inputs)

    def __call__(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(seen_by(images, self.inputs, self.theirs))
        return logits.float()[:, self.order]


def _check_classes(run: Run, dataset: Dataset) -> None:
    native.open_network(run)  # says what is missing
    theirs, ours = set(run.class_names), set(dataset.class_names)
    if theirs != ours:
        alone = [f"only the teacher knows {name_some(sorted(theirs - ours))}"] if theirs - ours else []
        alone += [f"it does not know {name_some(sorted(ours - theirs))}"] if ours - theirs else []
        raise RecipeError(
            f"the teacher {run.path} was trained on other classes ({'; '.join(alone)}); a teacher must know "
            f"the same ones: train it on this data"
        )


def _check_unseen(run: Run, dataset: Dataset) -> None:
    """Refuses a teacher that would whisper the answers of validation or test."""
    told = learned_among(run, dataset, ("val", "test"))
    if told:
        raise RecipeError(
            f"the teacher {run.path} has learned from {len(told)} pictures that are validation or test here "
            f"({name_some(told, 3)}): what it passes on would make the measures better than "
            f"they are. Keep its splits: --splits-from {run.path}"
        )


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=like.device)[:, None, None]  # [C, 1, 1]
