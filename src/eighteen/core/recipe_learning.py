"""The sections of the recipe that say how a network learns: loss, optimizer, schedule, training.

They are handed out by `recipe`, which says what a field is.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from eighteen.core._section import Auto, Fraction, Positive, Section


class LossSection(Section):
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="share of the target spread over all classes (Szegedy et al. 2016)"
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: weight n / (classes * n of the class), for unbalanced data"
    )


class OptimizerSection(Section):
    name: Literal["sgd", "momentum", "nesterov", "rmsprop", "adamw"] | Auto = Field(
        "auto", description="nesterov from scratch, adamw from pretrained weights"
    )
    lr: Annotated[float, Field(gt=0, le=10)] | Auto = Field("auto", description="peak learning rate")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.9, description="of momentum, nesterov and rmsprop; the first beta of adamw"
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] | Auto = Field(
        "auto",
        description="a layer's rate as a share of that of the layer above it; 1: all learn alike",
    )
    weight_decay: Annotated[float, Field(ge=0, le=1)] | Auto = Field(
        "auto", description="never on norms and biases"
    )


class ScheduleSection(Section):
    name: Literal["onecycle", "cosine", "constant"] = Field(
        "onecycle", description="onecycle and cosine both rise linearly first; onecycle then falls linearly"
    )
    warmup_fraction: Fraction | Auto = Field("auto", description="share of all steps during which lr rises")
    final_fraction: Fraction = Field(0.0, description="share of the peak that is left at the end")


class TrainingSection(Section):
    epochs: Positive | Auto = Field("auto", description="passes over the training pictures")
    batch_size: Positive | Auto = Field("auto", description="pictures a step")
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
    freeze_norms: bool | Auto = Field(
        "auto", description="keep the BatchNorm statistics that training started from"
    )
    ema_decay: Annotated[float, Field(ge=0, lt=1)] | Auto = Field(
        "auto", description="of the averaged weights that are evaluated and kept; 0 switches averaging off"
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
        "by more than two standard errors; last always keeps the last one",
    )
    budget_minutes: Annotated[float, Field(gt=0)] | None = Field(
        None, description="minutes; the first steps are measured, epochs and resolution fitted to the time"
    )
    workers: Annotated[int, Field(ge=0, le=64)] | Auto = Field(
        "auto", description="threads that decode and augment ahead of the step; 0 works in the step's thread"
    )
    cache_fraction: Annotated[float, Field(ge=0, le=0.9)] = Field(
        0.25, description="share of free memory that decoded pictures may fill; beyond it they are read anew"
    )
    checkpoint_minutes: Annotated[float, Field(ge=0)] = Field(
        1.0, description="minutes between saved states (one is saved on Ctrl-C too); 0 saves after each step"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
