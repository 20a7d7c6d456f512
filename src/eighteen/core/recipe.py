"""The recipe: everything that decides how a model is made, in one frozen value.

Each field states its default, limits, unit and reason in one line; validation, `--set`, the documentation
table and the search space all read that line. `"auto"` asks the program to choose; `resolve` (in training)
replaces every "auto" by an explicit value with its reason, and only such a recipe is stored in a run.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from eighteen.core._section import Auto, Byte, Deviation, Fraction, Positive, Section
from eighteen.core.recipe_learning import LossSection, OptimizerSection, ScheduleSection, TrainingSection

__all__ = [
    "AugmentSection",
    "DataSection",
    "EvaluationSection",
    "InputsSection",
    "LossSection",
    "ModelSection",
    "OptimizerSection",
    "Recipe",
    "ScheduleSection",
    "Section",
    "TrainingSection",
]


class DataSection(Section):
    image_column: str | None = Field(None, description="column of a table that holds the image path")
    label_column: str | None = Field(None, description="column that holds the label")
    split_column: str | None = Field(None, description="column that holds train, val or test")
    group_column: str | None = Field(
        None,
        description="column (patient, burst, sender) whose equal values must stay on one side of a split",
    )
    val_fraction: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.15, description="share of validation where none is given"
    )
    test_fraction: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.15, description="share of test where no split at all is given"
    )
    split_seed: Annotated[int, Field(ge=0)] = Field(
        0, description="salt of the split's hash; kept apart from `seed` so that seeds compare on one split"
    )
    splits_from: str | None = Field(
        None, description="run whose splits are taken over; pictures that it does not know are split anew"
    )
    resplit: bool = Field(False, description="ignore given splits and make new ones")
    max_pixels: Positive = Field(
        150_000_000, description="pixels; a larger picture is left out unread (a 100-megapixel scan passes)"
    )
    max_skipped_fraction: Fraction = Field(
        0.5, description="share of images that may be unusable before training is refused"
    )
    min_images_per_class: Positive = Field(1, description="images; a class with fewer blocks training")
    allow_outside: bool = Field(False, description="let a table name files outside its own folder")
    keep_negative_labels: bool = Field(False, description="treat the label -1 as a class, not as 'no label'")
    accept: tuple[str, ...] = Field((), description="blocking findings to accept, by the name of their check")
    strict: bool = Field(False, description="let every warning of the audit block training")
    corrections: str | None = Field(
        None, description="file of decisions on single pictures (relabel, drop); the pictures stay untouched"
    )
    corrections_sha256: str | None = Field(
        None, description="hash of that file, as a run stores it; where given, another content is refused"
    )

    @model_validator(mode="after")
    def _corrections_agree(self) -> Self:
        if self.corrections_sha256 is not None and self.corrections is None:
            raise ValueError(
                "corrections_sha256 is the hash of a file that data.corrections names; give both"
            )
        return self

    @model_validator(mode="after")
    def _splits_agree(self) -> Self:
        if self.resplit and self.splits_from is not None:
            raise ValueError("splits_from takes splits over and resplit makes new ones; give one of them")
        return self


class InputsSection(Section):
    size: Annotated[int, Field(ge=8, le=1024)] | Auto = Field(
        "auto", description="pixels; side of the network's square input"
    )
    channels: Literal[1, 3] | Auto = Field("auto", description="1 for data sets that are all grey, else 3")
    fit: Literal["squash", "crop", "letterbox"] | Auto = Field(
        "auto", description="how a picture that is not square is brought to the square"
    )
    crop_fraction: Annotated[float, Field(gt=0.3, le=1)] | Auto = Field(
        "auto", description="share of the short side that the middle crop keeps (fit = crop)"
    )
    kernel: Literal["bilinear", "bicubic"] | Auto = Field("auto", description="resampling kernel")
    background: tuple[Byte, Byte, Byte] = Field(
        (255, 255, 255), description="RGB laid under transparent pixels and around letterboxed pictures"
    )
    mean: tuple[Fraction, ...] | Auto = Field(
        "auto", description="per channel, 0..1; of the training pictures, or what the weights were made with"
    )
    std: tuple[Deviation, ...] | Auto = Field("auto", description="per channel, 0..1; as mean")
    mirror_average: bool | Auto = Field(
        "auto",
        description="answer with the mean over the picture and its mirror image, which takes twice the "
        "time; auto: where augment.horizontal_flip is not 0",
    )


class AugmentSection(Section):
    crop: Literal["none", "pad", "resized"] | Auto = Field(
        "auto", description="pad: shift by a few pixels; resized: random area and aspect ratio"
    )
    crop_scale_min: Annotated[float, Field(ge=0.05, le=1)] | Auto = Field(
        "auto", description="smallest share of the area that a resized crop keeps"
    )
    crop_aspect_max: Annotated[float, Field(ge=1, le=3)] = Field(
        4 / 3, description="largest change of aspect ratio by a resized crop (Szegedy et al. 2015)"
    )
    pad_fraction: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.125, description="largest shift by crop = pad, share of the side (4 of 32 pixels: He et al. 2016)"
    )
    horizontal_flip: Fraction | Auto = Field(
        "auto", description="probability; 0 where left and right or digits and letters matter"
    )
    flip_alternates: bool = Field(
        False,
        description="mirror by turns: at horizontal_flip = 0.5 in every second epoch, beginning at random "
        "(Jordan 2024); with repeats, every second time that a picture's turn comes",
    )
    vertical_flip: Fraction = Field(0.0, description="probability; for pictures without an up, such as cells")
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] | Auto = Field(
        "auto", description="degrees; largest turn to either side"
    )
    zoom_fraction: Annotated[float, Field(ge=0, le=0.5)] | Auto = Field(
        "auto", description="largest change of size by crop = none or pad"
    )
    translate_fraction: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.0, description="largest shift in x and y, share of the side, beside any crop"
    )
    shear_degrees: Annotated[float, Field(ge=0, le=45)] = Field(
        0.0, description="degrees; largest slant to either side, in x and y"
    )
    perspective: Annotated[float, Field(ge=0, le=0.9)] = Field(
        0.0,
        description="strength, as torchvision's RandomPerspective: corners move in by up to this half side",
    )
    fill: Literal["reflect", "background"] | Auto = Field(
        "auto", description="what shows beyond the border of a shifted or turned picture"
    )
    brightness: Fraction | Auto = Field("auto", description="strength, as torchvision's ColorJitter")
    contrast: Fraction | Auto = Field("auto", description="strength, as torchvision's ColorJitter")
    saturation: Fraction | Auto = Field("auto", description="strength, as torchvision's ColorJitter")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.0, description="strength, turns of the colour circle"
    )
    grey: Fraction = Field(0.0, description="probability of taking all colour out")
    blur: Fraction = Field(0.0, description="probability of a Gaussian blur")
    blur_sigma_px: Annotated[float, Field(ge=0.1, le=10)] = Field(
        2.0, description="pixels of the input; largest standard deviation of the blur, the smallest is 0.1"
    )
    erasing: Fraction | Auto = Field("auto", description="probability of random erasing (Zhong et al. 2017)")
    erasing_area_max: Annotated[float, Field(ge=0.02, le=0.6)] = Field(
        0.25, description="largest erased share of the picture"
    )
    cutout: Fraction = Field(
        0.0, description="side of a square that every picture loses, share of the side (DeVries et al. 2017)"
    )
    policy: Literal["none", "trivial", "rand", "augmix"] = Field(
        "none", description="TrivialAugment Wide, RandAugment or AugMix (without its consistency loss)"
    )
    policy_operations: Annotated[int, Field(ge=1, le=5)] = Field(
        2, description="operations on each picture; policy = rand"
    )
    policy_magnitude: Annotated[int, Field(ge=0, le=30)] = Field(
        9, description="strength, policy = rand; a third of it is the severity of policy = augmix"
    )
    mixup_alpha: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0,
        description="blends pictures and targets, shares from Beta(alpha, alpha); 0: off (Zhang et al. 2018)",
    )
    cutmix_alpha: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0,
        description="pastes a box of another picture, area from Beta(alpha, alpha); 0: off (Yun et al. 2019)",
    )
    mixing_probability: Fraction = Field(
        1.0, description="share of the pictures that mixup_alpha and cutmix_alpha act on; both on: half each"
    )
    repeats: Annotated[int, Field(ge=1, le=8)] = Field(
        1,
        description="views of a picture that follow one another; an epoch then shows one picture in so many, "
        "in turn (Hoffer et al. 2020)",
    )


class ModelSection(Section):
    name: str = Field("resnet18", description="resnet18 (the page), or any timm backbone")
    weights: str = Field(
        "auto",
        description="imagenet (fetched from the hub), none (from scratch), a file, or the folder of a run; "
        "auto: imagenet, but none for pictures under 64 pixels, whose small stem no published weights fit",
    )
    stem: Literal["imagenet", "small", "small_pooled"] | Auto = Field(
        "auto",
        description="imagenet: 7x7 stride 2 and pool; small: 3x3 stride 1, for inputs up to 40 pixels; "
        "small_pooled: a 2x2 pool after it, a quarter of the work",
    )
    blocks: tuple[Positive, Positive, Positive, Positive] = Field(
        (2, 2, 2, 2), description="residual blocks of the four stages; (3,4,6,3) is ResNet-34"
    )
    shortcut: bool = Field(True, description="false: the plain network without identity shortcuts")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="probability, before the head")
    drop_path: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="stochastic depth: probability that the last block adds nothing to a picture; earlier "
        "blocks less (Huang et al. 2016)",
    )
    width: Annotated[float, Field(ge=0.125, le=4)] = Field(
        1.0, description="channels as a share of the paper's; 0.5 has a quarter of the parameters, for boards"
    )


class EvaluationSection(Section):
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="level of the intervals")
    resamples: Annotated[int, Field(ge=100, le=100_000)] = Field(
        2000, description="bootstrap resamples of each interval"
    )
    batch_size: Positive = Field(64, description="pictures a forward pass")
    open_test: bool = Field(
        False, description="score the test split at the end of training; each opening is written down"
    )


class Recipe(Section):
    """How a model is made. Every value is explicit or "auto"; see the sections for each field."""

    data: DataSection = DataSection()
    inputs: InputsSection = InputsSection()
    augment: AugmentSection = AugmentSection()
    model: ModelSection = ModelSection()
    loss: LossSection = LossSection()
    optimizer: OptimizerSection = OptimizerSection()
    schedule: ScheduleSection = ScheduleSection()
    training: TrainingSection = TrainingSection()
    evaluation: EvaluationSection = EvaluationSection()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(
        0, description="of initial weights, order and augmentation"
    )

    @model_validator(mode="after")
    def _channels_agree(self) -> Self:
        mean, std = self.inputs.mean, self.inputs.std
        if mean != "auto" and std != "auto" and len(mean) != len(std):
            raise ValueError(
                f"inputs.mean has {len(mean)} values and inputs.std {len(std)}; give one a channel"
            )
        return self

    @property
    def balances(self) -> bool:
        """Whether rare classes are made to count for more than their share while training."""
        return self.loss.class_weights != "none" or self.training.sampling != "natural"

    def changed(self, **sections: dict[str, Any]) -> Recipe:
        """The recipe with some values replaced and checked again.

        >>> Recipe().changed(training={"epochs": 3}).training.epochs
        3
        """
        values = self.model_dump()
        for name, section in sections.items():
            values[name].update(section)
        return Recipe.model_validate(values)

    def autos(self) -> tuple[str, ...]:
        """Names of the fields that are still "auto"."""
        return tuple(
            f"{section}.{key}"
            for section, fields in self.model_dump().items()
            if isinstance(fields, dict)
            for key, value in fields.items()
            if value == "auto"
        )

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")
