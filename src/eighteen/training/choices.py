"""What "auto" means, one function a field: it looks at the recipe so far and at the facts of the training
pictures, and gives a value with its reason. `ORDER` lists them as they are settled."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from eighteen.core.recipe import Recipe
from eighteen.core.shapes import whole_fit
from eighteen.models.family import takes_small_stem
from eighteen.models.hub import only_size
from eighteen.training.cache import default_workers
from eighteen.training.facts import Facts, run_of_weights, weights_spec

SMALL_PX = 40
"""Up to this side the small stem (3x3, no pool) is used: a 32 px picture would leave the 7x7 stem as 8x8."""

NO_WEIGHTS_BELOW_PX = 64
"""Pictures with a shorter side do not start from ImageNet weights unless told to."""

SAMPLES = 30_000
"""Pictures shown in all when training from scratch on a small set, see `_epochs`."""

ERASING_EPOCHS = 15
"""Random erasing delays learning; shorter trainings from scratch go without. So do those of `_epochs`, which
gives as many pictures as erasing needs fewer epochs: only who asks for more gets it unasked."""

MANY_IMAGES = 20_000
"""From scratch on this many, Muon takes the steps; those of SGD have twice the rate and a decay fitted to
their number."""

DECAY_IN_ALL = 0.42
"""Rate times decay times steps, see `_weight_decay`."""

PROGRESSIVE_PX = 28
"""Smaller inputs are not made smaller still."""

PROGRESSIVE_EPOCHS = 10
"""From scratch, shorter trainings see full size throughout, but where small pictures buy them epochs."""

_SIGN = re.compile(r"[a-zA-Z]|[0-9]{1,2}")
_SIDES = re.compile(r"\b(left|right|links|rechts|gauche|droite|izquierda|derecha)\b|[左右]", re.IGNORECASE)

Choice = Callable[[Recipe, Facts], tuple[Any, str]]
"""Looks at the recipe so far and at the facts; gives a value and the reason."""


def _weights(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if facts.pretrained:
        return "imagenet", "starting from published weights is the cheapest gain there is"
    return "none", (
        f"the pictures' short side is {facts.short_px} px (under {NO_WEIGHTS_BELOW_PX}), which no published "
        f"weights fit: training starts from scratch"
    )


def _channels(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if facts.pretrained:
        channels = weights_spec(recipe).channels
        return channels, f"the weights were made with {'RGB' if channels == 3 else 'grey'} pictures"
    return (1, "every picture is grey") if facts.grey else (3, "there are coloured pictures")


def _size(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if facts.pretrained:
        size = weights_spec(recipe).size
        return size, f"the side that the weights of {recipe.model.name} were made with"
    only = only_size(recipe.model.name)
    if only is not None:
        return only, f"{recipe.model.name} takes pictures of no other side"
    short = facts.short_px
    if short <= SMALL_PX:
        size = max(16, 4 * math.ceil(short / 4))
        return size, f"the pictures' median short side is {short} px"
    if short <= 128:
        return min(64, 32 * math.ceil(short / 32)), f"pictures of {short} px: 64 px keeps training fast"
    size = 224 if facts.n >= 10_000 else 128
    return size, f"{facts.n} pictures of {short} px, from scratch: {size} px"


def _fit(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if facts.pretrained:
        spec = weights_spec(recipe)
        return spec.fit, "as the weights were evaluated"
    return whole_fit(facts.aspect_spread)


def _crop_fraction(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if facts.pretrained:
        return weights_spec(recipe).crop_fraction, "as the weights were evaluated"
    return 1.0, "the whole short side"


def _kernel(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if facts.pretrained:
        return weights_spec(recipe).kernel, "as the weights were made"
    return "bilinear", "with antialiasing; the choice of kernel matters little from scratch"


def _stem(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    size = recipe.inputs.size
    assert size != "auto"
    run = run_of_weights(recipe) if facts.pretrained else None
    if run is not None:
        return run.recipe.model.stem, "the stem that the weights have"
    if facts.pretrained or size > SMALL_PX:
        return "imagenet", f"inputs of {size} px"
    if not takes_small_stem(recipe.model.name):
        return "imagenet", f"{recipe.model.name} knows no other stem"
    return "small", f"inputs of {size} px would leave the 7x7 stem too small a map"


def _crop(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    size = recipe.inputs.size
    assert size != "auto"
    if size <= SMALL_PX:
        return "pad", "small pictures: shifting keeps every pixel sharp"
    if recipe.inputs.fit == "letterbox":
        return (
            "pad",
            "letterboxed pictures are seen whole, as in validation; a resized crop would cut them",
        )
    return "resized", "photographs: random area and aspect ratio"


def _crop_scale_min(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if recipe.augment.crop != "resized":
        return 1.0, "no resized crop"
    if facts.pretrained or facts.n >= 10_000:
        return 0.35, "many steps or good features carry strong crops"
    return 0.6, f"{facts.n} pictures from scratch: mild crops, so that the object stays in view"


def _horizontal_flip(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    names = facts.class_names
    if all(_SIGN.fullmatch(name.strip()) for name in names):
        return 0.0, (
            "off: the class names are numbers or single letters, whose mirror image may be another one; "
            "--set augment.horizontal_flip=0.5 where it is not"
        )
    sided = [name for name in names if _SIDES.search(re.sub(r"[_\-.]", " ", name))]
    if sided:
        return 0.0, f"off: left and right matter for {sided[0]}"
    return 0.5, "no class name speaks of numbers, letters, left or right"


def _mirror_average(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if recipe.augment.horizontal_flip:
        return True, "mirror images keep their class: the mean of both answers errs less, at twice the time"
    return False, "mirror images may be another class"


def _rotation(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    size = recipe.inputs.size
    assert size != "auto"
    if size <= SMALL_PX:
        return 0.0, "small pictures stay sharp"
    return 10.0, "cameras are held a little askew"


def _zoom(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if recipe.augment.crop == "resized":
        return 0.0, "the resized crop changes the size already"
    size = recipe.inputs.size
    assert size != "auto"
    return (0.0, "small pictures stay sharp") if size <= SMALL_PX else (0.1, "objects vary in size")


def _fill(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if recipe.inputs.fit == "letterbox":
        return "background", "as around the letterboxed picture"
    return "reflect", "the mirrored picture looks natural at the border"


def _light(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if facts.short_px <= SMALL_PX:
        return 0.0, "small pictures, evenly lit"
    return 0.2, "light varies from picture to picture"


def _saturation(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if recipe.inputs.channels == 1:
        return 0.0, "grey pictures"
    return _light(recipe, facts)


def _erasing(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    epochs = recipe.training.epochs
    assert epochs != "auto"
    if facts.pretrained or facts.n < 5_000 or epochs < ERASING_EPOCHS:
        return 0.0, "few steps: erasing would cost more than it brings"
    return 0.25, f"{epochs} epochs: it keeps the network from leaning on one part"


def _optimizer(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if facts.pretrained:
        return "adamw", "small steps from pretrained weights"
    return "muon", "orthogonal steps learn most from scratch"


def _batch_size(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    size = recipe.inputs.size
    assert size != "auto"
    if facts.n >= MANY_IMAGES:
        return (256 if size <= SMALL_PX else 128), f"{facts.n} training pictures of {size} px"
    if facts.n >= 4_000 or size <= SMALL_PX:
        return 64, f"{facts.n} training pictures of {size} px"
    return 32, f"{facts.n} training pictures: many small steps"


def _head_first(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if facts.pretrained:
        return True, "a head on frozen features is the floor that fine-tuning has to beat"
    return False, "there are no features to start from"


def _keep_head(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if recipe.training.head_first is True and recipe.balances:
        return False, (
            "rare classes are to count for more, and the head on frozen features is fitted and judged "
            "without that"
        )
    if recipe.training.head_first is True:
        return True, "fine-tuning is kept only where validation finds it better than the head"
    return False, "there is no head to keep"


def _progressive_from(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    epochs, size = recipe.training.epochs, recipe.inputs.size
    assert epochs != "auto" and size != "auto"
    if only_size(recipe.model.name) is not None:
        return 1.0, f"{recipe.model.name} takes pictures of {size} px alone"
    fewest = 4 if facts.pretrained or recipe.training.budget_minutes is not None else PROGRESSIVE_EPOCHS
    if epochs < fewest or size < PROGRESSIVE_PX:
        return 1.0, f"{epochs} epochs at {size} px: nothing to gain from smaller ones first"
    if facts.pretrained:
        return 0.7, "small pictures first take less time and teach as much"
    return 0.6, "small pictures first take less time and teach as much"


def _freeze_norms(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if facts.pretrained:
        return True, "statistics of small batches are worse than those of the weights"
    return False, "from scratch, the statistics have to be learned"


def _layer_decay(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if facts.pretrained:
        return 0.8, "low layers are general and should change little (Clark et al. 2020)"
    return 1.0, "from scratch, every layer learns alike"


def _lr(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    batch = recipe.training.batch_size
    assert batch != "auto"
    rates = {"adamw": 1e-3, "muon": 7e-3, "rmsprop": 1e-3, "sgd": 0.5, "momentum": 0.05, "nesterov": 0.05}
    name = recipe.optimizer.name
    assert name != "auto"
    if facts.pretrained and name in ("adamw", "muon"):
        return {"adamw": 2e-4, "muon": 1e-3}[name], "gentle on pretrained weights"
    rate = rates[name] * math.sqrt(batch / 32)
    if _is_sgd(recipe) and not facts.pretrained and facts.n >= MANY_IMAGES:
        return round(2 * rate, 5), f"{name} at batch size {batch}; many pictures carry a high rate"
    return round(rate, 5), f"{name} at batch size {batch}"


def _weight_decay(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if recipe.optimizer.name in ("adamw", "muon"):
        return 0.05, "decoupled decay is scaled by the learning rate"
    if _is_sgd(recipe) and not facts.pretrained and facts.n >= MANY_IMAGES:
        lr, steps = recipe.optimizer.lr, _steps(recipe, facts)
        assert lr != "auto"
        decay = min(2e-3, max(5e-4, DECAY_IN_ALL / (lr * steps)))
        return round(decay, 6), f"fitted to {steps} steps: so few would hardly shrink weights by 5e-4"
    return 5e-4, "SGD from scratch (He et al. 2016 use 1e-4 with far more steps)"


def _warmup(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if recipe.schedule.name == "constant":
        return 0.0, "a constant rate"
    return 0.2, "rises over the first fifth of the steps"


def _epochs(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    if facts.pretrained:
        epochs = min(30, max(6, round(15_000 / facts.n)))
        return epochs, f"{facts.n} training pictures, from pretrained weights"
    epochs = min(100, max(12, round(SAMPLES / facts.n)))
    return epochs, f"{facts.n} training pictures, from scratch"


def _ema(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    steps = _steps(recipe, facts)
    # The average looks back over about a twentieth of the training: 1 / (1 - decay) steps.
    decay = 1 - 1 / max(2.0, 0.05 * steps)
    return round(min(0.9995, decay), 6), f"averages over about a twentieth of the {steps} steps"


def _steps(recipe: Recipe, facts: Facts) -> int:
    """Of the whole training."""
    epochs, batch = recipe.training.epochs, recipe.training.batch_size
    assert epochs != "auto" and batch != "auto"
    return epochs * math.ceil(facts.n / batch)


def _is_sgd(recipe: Recipe) -> bool:
    return recipe.optimizer.name in ("momentum", "nesterov")


def _workers(recipe: Recipe, facts: Facts) -> tuple[Any, str]:
    return default_workers(), "one a core, at most eight"


ORDER: tuple[tuple[str, str, Choice], ...] = (
    ("model", "weights", _weights),
    ("inputs", "channels", _channels),
    ("inputs", "size", _size),
    ("inputs", "fit", _fit),
    ("inputs", "crop_fraction", _crop_fraction),
    ("inputs", "kernel", _kernel),
    ("model", "stem", _stem),
    ("augment", "crop", _crop),
    ("augment", "crop_scale_min", _crop_scale_min),
    ("augment", "horizontal_flip", _horizontal_flip),
    ("inputs", "mirror_average", _mirror_average),
    ("augment", "rotation_degrees", _rotation),
    ("augment", "zoom_fraction", _zoom),
    ("augment", "fill", _fill),
    ("augment", "brightness", _light),
    ("augment", "contrast", _light),
    ("augment", "saturation", _saturation),
    ("training", "batch_size", _batch_size),
    ("training", "epochs", _epochs),
    ("augment", "erasing", _erasing),
    ("training", "ema_decay", _ema),
    ("training", "head_first", _head_first),
    ("training", "keep_head", _keep_head),
    ("training", "progressive_from", _progressive_from),
    ("training", "freeze_norms", _freeze_norms),
    ("training", "workers", _workers),
    ("optimizer", "name", _optimizer),
    ("optimizer", "lr", _lr),
    ("optimizer", "layer_decay", _layer_decay),
    ("optimizer", "weight_decay", _weight_decay),
    ("schedule", "warmup_fraction", _warmup),
)
"""Fields in the order in which they are settled."""
