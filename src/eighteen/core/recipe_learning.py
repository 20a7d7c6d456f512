"""The sections of the recipe that say how a network learns: loss, optimizer, schedule, training.

They are handed out by `recipe`, which says what a field is.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from eighteen.core._section import Auto, Fraction, Positive, Section


class LossSection(Section):
    name: Literal["cross_entropy", "focal", "bce", "generalised"] = Field(
        "cross_entropy",
        description="focal: for easy majorities (Lin et al. 2017); bce: a yes or no for each class (Wightman "
        "et al. 2021); generalised: for wrong labels (Zhang and Sabuncu 2018)",
    )
    focal_gamma: Annotated[float, Field(ge=0, le=10)] = Field(
        2.0, description="of name = focal: how little sure answers count; 0: as cross_entropy"
    )
    robust_q: Annotated[float, Field(gt=0, le=1)] = Field(
        0.7,
        description="of name = generalised: how little a label counts that the network does not believe; "
        "near 0: as cross_entropy",
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="share of the target spread over all classes (Szegedy et al. 2016)"
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: weight n / (classes * n of the class), for unbalanced data"
    )


class OptimizerSection(Section):
    name: Literal["sgd", "momentum", "nesterov", "rmsprop", "adamw", "muon"] | Auto = Field(
        "auto",
        description="from scratch muon, which makes the step of each matrix and kernel an orthogonal one "
        "(Jordan et al. 2024); adamw from pretrained weights",
    )
    lr: Annotated[float, Field(gt=0, le=10)] | Auto = Field("auto", description="peak learning rate")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.9, description="of momentum, nesterov, rmsprop and muon; the first beta of adamw"
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] | Auto = Field(
        "auto",
        description="a layer's rate as a share of that of the layer above it; 1: all learn alike",
    )
    weight_decay: Annotated[float, Field(ge=0, le=1)] | Auto = Field(
        "auto", description="never on norms and biases"
    )
    sam_rho: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        description="how far uphill each step takes its gradient, for flat minima, at twice the time (Foret "
        "et al. 2021, who use 0.05); 0: off",
    )


class ScheduleSection(Section):
    name: Literal["onecycle", "cosine", "constant"] = Field(
        "onecycle", description="onecycle and cosine both rise linearly first; onecycle then falls linearly"
    )
    warmup_fraction: Fraction | Auto = Field("auto", description="share of all steps during which lr rises")
    final_fraction: Fraction = Field(
        0.0, description="of onecycle and cosine: share of the peak that is left at the end"
    )


class TrainingSection(Section):
    epochs: Positive | Auto = Field("auto", description="passes over the training pictures")
    batch_size: Positive | Auto = Field("auto", description="pictures a step")
    sampling: Literal["natural", "balanced", "square_root"] = Field(
        "natural",
        description="how often an epoch shows each class: as it is, all alike, or by the square root of its "
        "pictures (Mahajan et al. 2018); small classes are repeated, with other augmentations",
    )
    head_first: bool | Auto = Field(
        "auto", description="fit the last layer on frozen features before anything is trained"
    )
    keep_head: bool | Auto = Field(
        "auto",
        description="keep a mixture of the head on frozen features and the tuned weights, or the head alone, "
        "as validation says (Wortsman et al. 2022)",
    )
    progressive_from: Annotated[float, Field(ge=0.3, le=1)] | Auto = Field(
        "auto",
        description="side of the first epochs as a share of inputs.size; it grows to all of it over the "
        "first three quarters of the epochs (Howard 2018); 1: every epoch at full size",
    )
    side_fraction: Annotated[float, Field(ge=0.3, le=1)] = Field(
        1.0,
        description="side of the training pictures as a share of inputs.size; under 1, answers come at a "
        "higher resolution than was trained at (Touvron et al. 2019)",
    )
    freeze_norms: bool | Auto = Field(
        "auto", description="keep the BatchNorm statistics that training started from"
    )
    freeze_until: dict[str, Positive] = Field(
        {},
        description="epochs for which stages stay as they came, by the names of their parameters, such as "
        "{layer1 = 3, layer2 = 2}; backbone is all but the head (Howard and Ruder 2018)",
    )
    ema_decay: Annotated[float, Field(ge=0, lt=1)] | Auto = Field(
        "auto", description="of the averaged weights that are evaluated and kept; 0 switches averaging off"
    )
    swa_from: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="share of the epochs after which the rate stays, and the mean of the weights at each "
        "epoch's end is kept, norms measured anew (Izmailov et al. 2018); 1: off",
    )
    drop_doubtful: bool = Field(
        False,
        description="leave out training pictures whose labels look wrong to heads on frozen features that "
        "were not fitted on them (Northcutt et al. 2021); needs weights",
    )
    teacher: tuple[str, ...] = Field(
        (),
        description="trained runs whose answers about the same augmented pictures are learned too; several "
        "are an ensemble (Hinton et al. 2015; Beyer et al. 2022). itself: the same recipe, trained once "
        "before (Furlanello et al. 2018)",
    )
    teacher_temperature: Annotated[float, Field(gt=0, le=20)] = Field(
        2.0, description="softens the answers of teacher and network: higher shows more of the small shares"
    )
    teacher_weight: Fraction = Field(
        0.9, description="share of the teachers in the loss; the rest is the labels'"
    )
    precision: Literal["fp32", "bf16"] | Auto = Field(
        "auto", description="bf16 autocast where the hardware has it and it measured faster for this model"
    )
    channels_last: bool | Auto = Field("auto", description="memory layout; auto takes the faster, measured")
    clip_norm: Annotated[float, Field(ge=0)] = Field(
        2.0, description="largest gradient norm; 0 switches clipping off"
    )
    select_by: Literal["balanced_accuracy", "accuracy", "macro_f1", "nll", "last"] = Field(
        "balanced_accuracy",
        description="validation measure that picks the epoch; the last epoch stays unless the best is better "
        "by more than two standard errors; nll always keeps the best, last the last one",
    )
    budget_minutes: Annotated[float, Field(gt=0)] | None = Field(
        None, description="minutes; the first steps are measured, epochs and resolution fitted to the time"
    )
    workers: Annotated[int, Field(ge=0, le=64)] | Auto = Field(
        "auto",
        description="threads that decode and augment ahead of the step, or in turns with it where it takes "
        "the same cores; 0 works in the step's thread",
    )
    cache_fraction: Annotated[float, Field(ge=0, le=0.9)] = Field(
        0.25,
        description="share of free memory that decoded pictures may fill; where they do not all fit, all are "
        "read anew",
    )
    checkpoint_minutes: Annotated[float, Field(ge=0)] = Field(
        1.0, description="minutes between saved states (one is saved on Ctrl-C too); 0 saves after each step"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")

    @field_validator("teacher", mode="before")
    @classmethod
    def _one_teacher_is_a_list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value
