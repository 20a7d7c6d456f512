"""Settings that speak against one another, and settings that would do nothing.

The first are refused, all of them at once. The second are told: a search or a comparison may well try values
of a setting beside others that leave it without effect.
"""

from __future__ import annotations

from collections.abc import Callable

from eighteen.core.errors import RecipeError
from eighteen.core.recipe import Recipe
from eighteen.models.hub import only_size


def check_settings(recipe: Recipe) -> None:
    """Refuses settings of a resolved recipe that contradict one another.

    Raises:
        RecipeError: with all of them, and what to set instead.
    """
    training, schedule = recipe.training, recipe.schedule
    scratch = recipe.model.weights == "none"
    problems = []
    if training.drop_doubtful and scratch:
        problems.append(
            "training.drop_doubtful asks heads on frozen features, and a network without weights has none; "
            "name some (--weights FILE), or look at the labels by eighteen audit --labels-from RUN"
        )
    if training.head_first is True and scratch:
        problems.append(
            "training.head_first is true, and a network without weights has no features that a head could be "
            "fitted on; name some (--weights FILE), or leave training.head_first out"
        )
    if training.keep_head is True and training.head_first is not True:
        problems.append(
            "training.keep_head is true, and with training.head_first false there is no head that could be "
            "kept; set training.head_first to true, which needs weights, or leave training.keep_head out"
        )
    if schedule.name == "constant" and schedule.final_fraction > 0:
        problems.append(
            f"schedule.final_fraction is {schedule.final_fraction:g}, and with schedule.name constant the "
            f"rate does not fall; set schedule.name to onecycle or cosine, or leave final_fraction out"
        )
    if problems:
        raise RecipeError("; ".join(problems))


def check_size(recipe: Recipe) -> None:
    """Refuses sides of pictures that a network of one size cannot take.

    Raises:
        RecipeError: with all of them, and what to set instead.
    """
    only = only_size(recipe.model.name)
    if only is None:
        return
    training = recipe.training
    problems = [
        f"{name} is {value:g}, and {recipe.model.name} takes pictures of {only} px alone; set it to "
        f"{wanted:g}, or take another network"
        for name, value, wanted in (
            ("inputs.size", recipe.inputs.size, only),
            ("training.progressive_from", training.progressive_from, 1.0),
            ("training.side_fraction", training.side_fraction, 1.0),
        )
        if value not in (wanted, "auto")
    ]
    if problems:
        raise RecipeError("; ".join(problems))


_NEEDS: tuple[tuple[str, str, Callable[[Recipe], bool], str], ...] = (
    ("augment", "flip_alternates", lambda recipe: recipe.augment.horizontal_flip != 0, "horizontal_flip"),
    ("augment", "blur_sigma_px", lambda recipe: recipe.augment.blur > 0, "blur"),
    ("augment", "pad_fraction", lambda recipe: recipe.augment.crop == "pad", 'crop = "pad"'),
    ("augment", "crop_aspect_max", lambda recipe: recipe.augment.crop == "resized", 'crop = "resized"'),
    ("augment", "erasing_area_max", lambda recipe: recipe.augment.erasing != 0, "erasing"),
    ("augment", "policy_operations", lambda recipe: recipe.augment.policy == "rand", 'policy = "rand"'),
    (
        "augment",
        "policy_magnitude",
        lambda recipe: recipe.augment.policy in ("rand", "augmix"),
        'policy = "rand" or "augmix"',
    ),
    (
        "augment",
        "mixing_probability",
        lambda recipe: recipe.augment.mixup_alpha > 0 or recipe.augment.cutmix_alpha > 0,
        "mixup_alpha or cutmix_alpha",
    ),
    ("loss", "focal_gamma", lambda recipe: recipe.loss.name == "focal", 'name = "focal"'),
    ("loss", "robust_q", lambda recipe: recipe.loss.name == "generalised", 'name = "generalised"'),
    ("optimizer", "momentum", lambda recipe: recipe.optimizer.name != "sgd", "another name than sgd"),
    ("training", "teacher_temperature", lambda recipe: bool(recipe.training.teacher), "teacher"),
    ("training", "teacher_weight", lambda recipe: bool(recipe.training.teacher), "teacher"),
)
"""Section, key, whether the setting acts in a resolved recipe, and what in its section it needs to."""


def idle_settings(recipe: Recipe) -> list[str]:
    """A sentence for each setting of a resolved recipe that is not as by default, and does nothing.

    >>> idle_settings(Recipe().changed(loss={"focal_gamma": 3.0}))
    ['loss.focal_gamma does nothing without name = "focal" in [loss]']
    """
    default = Recipe()
    return [
        f"{section}.{key} does nothing without {needed} in [{section}]"
        for section, key, acts, needed in _NEEDS
        if getattr(getattr(recipe, section), key) != getattr(getattr(default, section), key)
        and not acts(recipe)
    ]
