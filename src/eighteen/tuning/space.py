"""What is searched: fields of the recipe, each with its range.

The outermost limits are those of the recipe's own fields; nothing here repeats them. A range of the default
space lies around what the program would choose for these pictures, as `_REACHES` says, and `--space` replaces
single ranges by any that the recipe accepts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from eighteen.core.config import fields, parse_value, recipe_from_json
from eighteen.core.errors import RecipeError
from eighteen.core.recipe import Recipe

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = float | int | bool | str
Point = Mapping[str, Any]
"""A value for each parameter, by its dotted name."""

GRID_STEPS = 3
"""Values of a range that a grid tries."""

LOG_SPAN = 100.0
"""A range of positive numbers whose ends differ by this factor or more is searched by its logarithm."""


@dataclass(frozen=True)
class Parameter:
    """One field and what is tried for it: a range, or choices.

    Attributes:
        name: dotted name of the field.
        low, high: ends of the range, both tried.
        log: whether the range is searched by its logarithm.
        whole: whether only whole numbers are tried.
        choices: what is tried instead of a range.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Value, ...] = ()

    @property
    def distribution(self) -> BaseDistribution:
        """As optuna, which only a search needs, knows it."""
        from optuna import distributions

        if self.choices:
            return distributions.CategoricalDistribution(self.choices)
        if self.whole:
            return distributions.IntDistribution(int(self.low), int(self.high), log=self.log)
        return distributions.FloatDistribution(self.low, self.high, log=self.log)

    @property
    def grid(self) -> tuple[Value, ...]:
        """The values that a grid tries."""
        if self.choices:
            return self.choices
        values = [self.at(step / (GRID_STEPS - 1)) for step in range(GRID_STEPS)]
        return tuple(dict.fromkeys(values))

    def at(self, share: float) -> Value:
        """The value so far along the range, 0 … 1.

        >>> Parameter("optimizer.lr", 0.001, 0.1, log=True).at(0.5)
        0.01
        """
        if self.log:
            value = math.exp(math.log(self.low) + share * math.log(self.high / self.low))
        else:
            value = self.low + share * (self.high - self.low)
        value = min(self.high, max(self.low, float(f"{value:.12g}")))
        return round(value) if self.whole else value

    def share(self, value: Value) -> float:
        """How far along the range a value lies, 0 … 1; of choices, by their order."""
        if self.choices:
            return self.choices.index(value) / max(1, len(self.choices) - 1)
        inside = min(self.high, max(self.low, float(value)))
        if self.high == self.low:
            return 0.0
        if self.log:
            return math.log(inside / self.low) / math.log(self.high / self.low)
        return (inside - self.low) / (self.high - self.low)

    def nearest(self, value: Value) -> Value:
        """The value of the range that lies nearest; of choices, the first where it is none of them."""
        if self.choices:
            return value if value in self.choices else self.choices[0]
        return self.at(self.share(value))

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "choices": list(self.choices)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{**row, "choices": tuple(row["choices"])})

    def __str__(self) -> str:
        if self.choices:
            return f"{self.name} = {', '.join(map(str, self.choices))}"
        return f"{self.name} = {self.low:g}..{self.high:g}{' (log)' if self.log else ''}"


@dataclass(frozen=True)
class _Reach:
    """How far the default space goes.

    Attributes:
        factor: the range is the default value over and times this, searched by its logarithm; 0: it goes from
            the lowest value to `high`.
        high: largest value tried.
        low: smallest value tried.
    """

    factor: float = 0.0
    high: float = math.inf
    low: float = -math.inf


_REACHES: dict[str, _Reach] = {
    "optimizer.lr": _Reach(factor=10),
    "optimizer.weight_decay": _Reach(factor=10),
    "optimizer.layer_decay": _Reach(low=0.5),
    "training.batch_size": _Reach(factor=4, high=256, low=8),
    "loss.label_smoothing": _Reach(high=0.3),
    "schedule.warmup_fraction": _Reach(high=0.5),
    "augment.crop_scale_min": _Reach(low=0.08),
    "augment.rotation_degrees": _Reach(high=30),
    "augment.zoom_fraction": _Reach(high=0.3),
    "augment.brightness": _Reach(high=0.6),
    "augment.contrast": _Reach(high=0.6),
    "augment.saturation": _Reach(high=0.6),
    "augment.erasing": _Reach(high=0.6),
    "model.dropout": _Reach(high=0.5),
}


def default_space(resolved: Recipe) -> tuple[Parameter, ...]:
    """What is searched where the user names nothing, around what the program chose for these pictures.

    Args:
        resolved: the default recipe without a single "auto" among the searched fields.
    """
    found = (_around(resolved, name, reach) for name, reach in _REACHES.items() if _acts(resolved, name))
    return tuple(each for each in found if each is not None)


def changed_space(
    space: tuple[Parameter, ...], texts: Iterable[str], recipe: Recipe
) -> tuple[Parameter, ...]:
    """The space with the user's own ranges.

    Args:
        space: the default one.
        texts: `field=low..high` or `field=a,b,c`; a single value keeps the field at it; `none` leaves out
            everything named before it.
        recipe: what the values go into.

    Raises:
        RecipeError: no such form, a field of `data`, or a value that the recipe refuses; all of them at once.
    """
    chosen = {each.name: each for each in space}
    problems: list[str] = []
    for text in texts:
        if text.strip() == "none":
            chosen = {}
            continue
        try:
            parameter = _parsed(text, recipe)
        except RecipeError as error:
            problems.append(str(error))
        else:
            chosen[parameter.name] = parameter
    if problems:
        raise RecipeError("; ".join(problems))
    if not chosen:
        raise RecipeError("the space is empty; name at least one field: --space optimizer.lr=0.001..0.1")
    return tuple(chosen.values())


def with_point(recipe: Recipe, point: Point) -> Recipe:
    """The recipe with a point's values.

    Raises:
        RecipeError: the recipe refuses one, or their combination.
    """
    values = recipe.to_json()
    for name, value in point.items():
        section, _, key = name.rpartition(".")
        (values.setdefault(section, {}) if section else values)[key] = value
    return recipe_from_json(values)


def value_of(recipe: Recipe, name: str) -> Any:
    """The value of a field by its dotted name."""
    section, _, key = name.rpartition(".")
    return getattr(getattr(recipe, section) if section else recipe, key)


def point_of(recipe: Recipe, space: Iterable[Parameter]) -> dict[str, Value]:
    """Where a resolved recipe lies in the space; at the nearest end, where it lies outside."""
    return {each.name: each.nearest(value_of(recipe, each.name)) for each in space}


def check_numbers(space: Iterable[Parameter], resolved: Recipe) -> None:
    """Raises RecipeError for a range of a field that is no number where the search begins."""
    off = [
        f"{each.name} is {value}"
        for each in space
        if not each.choices
        and (isinstance(value := value_of(resolved, each.name), bool) or not isinstance(value, int | float))
    ]
    if off:
        raise RecipeError(
            f"a range is searched around a number, but {'; '.join(off)} here. Leave it out, or set a number "
            f"first: --set FIELD=NUMBER"
        )


def field_limits(name: str) -> tuple[float, float, bool]:
    """The recipe's own limits of a numeric field, infinite where there are none; and whether it is whole.

    >>> field_limits("optimizer.lr"), field_limits("training.batch_size")
    ((0.0, 10.0, False), (1.0, inf, True))
    """
    schema = fields()[name]["schema"]
    for part in schema.get("anyOf", [schema]):
        if part.get("type") in ("number", "integer"):
            low = part.get("minimum", part.get("exclusiveMinimum", -math.inf))
            high = part.get("maximum", part.get("exclusiveMaximum", math.inf))
            return float(low), float(high), part["type"] == "integer"
    raise RecipeError(f"{name} is no number; search it by naming its values: --space {name}=a,b")


def _acts(recipe: Recipe, name: str) -> bool:
    """Whether the field changes anything in this recipe."""
    colours = name in ("augment.saturation",)
    if colours and recipe.inputs.channels == 1:
        return False
    if name == "augment.crop_scale_min":
        return recipe.augment.crop == "resized"
    if name == "augment.zoom_fraction":
        return recipe.augment.crop != "resized"
    if name == "optimizer.layer_decay":
        return recipe.model.weights != "none"
    return name != "schedule.warmup_fraction" or recipe.schedule.name != "constant"


def _around(recipe: Recipe, name: str, reach: _Reach) -> Parameter | None:
    value = float(value_of(recipe, name))
    least, most, whole = field_limits(name)
    low, high = max(least, reach.low), min(most, reach.high)
    if reach.factor:
        if value <= 0:
            return None
        low, high = max(low, value / reach.factor), min(high, value * reach.factor)
    # The default is always inside.
    low, high = min(low, value), max(high, value)
    return Parameter(name, low, high, log=bool(reach.factor), whole=whole)


def _parsed(text: str, recipe: Recipe) -> Parameter:
    name, equals, wanted = (part.strip() for part in text.partition("="))
    if not equals or not name or not wanted:
        raise RecipeError(f"--space {text}: expected field=low..high or field=a,b,c")
    if name.partition(".")[0] == "data":
        raise RecipeError(
            f"--space {text}: the pictures are read and split once, before the search, so that {name} would "
            f"change nothing; expected a field of another section. Set it for all trials: --set {name}=VALUE"
        )
    if ".." in wanted:
        return _range(text, name, wanted, recipe)
    choices = tuple(parse_value(part.strip()) for part in wanted.split(","))
    if any(isinstance(choice, list | dict) for choice in choices):
        raise RecipeError(
            f"--space {text}: {name} holds a list or a table, which is not searched; expected single values. "
            f"Set it for all trials: --set {name}=VALUE"
        )
    for choice in choices:
        with_point(recipe, {name: choice})
    return Parameter(name, choices=tuple(dict.fromkeys(choices)))


def _range(text: str, name: str, wanted: str, recipe: Recipe) -> Parameter:
    ends = [parse_value(part.strip()) for part in wanted.split("..", maxsplit=1)]
    for end in ends:
        with_point(recipe, {name: end})
    numbers = [float(end) for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise RecipeError(f"--space {text}: expected two numbers, the smaller one first")
    low, high = numbers
    return Parameter(name, low, high, log=low > 0 and high / low >= LOG_SPAN, whole=field_limits(name)[2])
