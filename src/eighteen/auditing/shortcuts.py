"""Shortcuts in the data: does something that should not matter give the class away?

In: a scanned data set with its plain facts. Out: the finding `shortcuts`. For each kind of facts (border,
size, colour, blur, compression, file date) a small decision tree and a linear discriminant, fed with nothing
else, name the class of pictures that they were not fitted on; groups and copies stay on one side. The better
of both is held against always naming the most frequent class. The interval of the difference counts
groups, and is made wider for the number of kinds and models looked at (Bonferroni).

A found shortcut need not be wrong, ripe fruit is told by its colour; but border, size, compression and date
say nothing about a subject. What is not found proves nothing: only these facts were looked at.

Source: Geirhos et al., Shortcut Learning in Deep Neural Networks, Nature Machine Intelligence 2 (2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.auditing._facts import COLUMN, facts_in
from eighteen.core.dataset import Dataset, picture_hash
from eighteen.core.findings import Finding
from eighteen.core.measures import Measure

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAST_IMAGES = 100
MOST_IMAGES = 2_000
"""Pictures looked at, drawn evenly. An accuracy is then known to 0.03 for all looks together, while what is
named `STRONG` lies at 0.2: more would cost time and change no answer."""

FOLDS = 5
CONFIDENCE = 0.95
MODELS = 2

STRONG = 0.2
"""Share of the way from the most frequent class to always right; above it, surely, a kind is a warning."""

_BORDER = ("border_red", "border_green", "border_blue", "border_contrast", "border_detail")
_COLOUR = ("red", "green", "blue", "saturation", "brightness", "contrast")
_SAYS_NOTHING = ("border", "size", "blur", "compression", "file date")
"""Kinds that say nothing about a subject."""

_RIDGE = 1e-3
"""Added to the variances of facts of variance 1, so that facts which say the same can be solved for."""

_DAY_NS = 86_400 * 1_000_000_000


@dataclass(frozen=True)
class Shortcut:
    """What one kind of facts knows of the class.

    Attributes:
        kind: `border`, `size`, `colour`, `blur`, `compression` or `file date`.
        accuracy: of the better of both models, on pictures that it was not fitted on.
        gain: accuracy minus that of always naming the most frequent class.
        share: gain as a share of the most that there is to gain.
    """

    kind: str
    accuracy: float
    gain: Measure
    share: float

    @property
    def found(self) -> bool:
        return self.gain.low is not None and self.gain.low > 0


def check(dataset: Dataset) -> list[Finding]:
    """The finding `shortcuts`; none where there are too few pictures."""
    looked = find_shortcuts(dataset)
    if not looked:
        return []
    found = sorted((each for each in looked if each.found), key=lambda each: -each.share)
    kinds = ", ".join(each.kind for each in looked)
    if not found:
        return [Finding("shortcuts", "info", f"the class cannot be told by one of these alone: {kinds}")]
    majority = found[0].accuracy - (found[0].gain.value or 0)
    told = "; ".join(
        f"{each.kind} {each.accuracy:.2f} (gain {each.gain.value:+.2f} [{each.gain.low:+.2f}, "
        f"{each.gain.high:+.2f}])"
        for each in found
    )
    message = (
        f"something besides the subject tells the class better than always naming the most frequent one "
        f"({majority:.2f}): {told}; n = {found[0].gain.n}, {found[0].gain.method}; looked at: {kinds}"
    )
    strong = [each.kind for each in found if each.kind in _SAYS_NOTHING and _surely_strong(each)]
    if strong:
        advice = (
            f"a model may learn {', '.join(strong)} instead of the subject: mix sources within each class"
        )
        return [Finding("shortcuts", "warning", message, (), advice)]
    return [Finding("shortcuts", "info", message, (), "explain RUN shows what a trained model goes by")]


def find_shortcuts(dataset: Dataset) -> list[Shortcut]:
    """What each kind of facts knows; empty where there are too few pictures."""
    counts = dataset.class_counts()
    usable = dataset.with_table(
        dataset.table.filter(pl.col("target").is_in([name for name, n in counts.items() if n >= FOLDS]))
    )
    if len(usable) < LEAST_IMAGES or sum(n >= FOLDS for n in counts.values()) < 2:
        return []
    rows = np.linspace(0, len(usable) - 1, min(len(usable), MOST_IMAGES)).astype(np.int64)
    drawn = usable.with_table(usable.table.sort("sha256", "id")[rows])
    kinds = _kinds(drawn)
    targets, units = drawn.class_index(), _units(drawn)
    folds = _folds(targets, units)
    if folds is None:
        return []
    looks, base = len(kinds) * MODELS, _majority_right(targets, folds)
    return [_looked(kind, facts, targets, units, folds, base, looks) for kind, facts in kinds.items()]


def _kinds(dataset: Dataset) -> Mapping[str, Floats]:
    """Facts of each kind, `[N, F]`; kinds that do not vary are left out."""
    if COLUMN not in dataset.table.columns:
        return {}
    table = dataset.table
    width, height = (table[name].to_numpy().astype(np.float64) for name in ("width", "height"))
    size, date = (table[f"scan.{name}"].to_numpy().astype(np.float64) for name in ("size_bytes", "mtime_ns"))
    form = table["scan.format"].rank("dense").to_numpy().astype(np.float64)
    kinds = {
        "border": facts_in(dataset, _BORDER),
        "size": np.stack([width, height, width / height], axis=1),
        "colour": facts_in(dataset, _COLOUR),
        "blur": facts_in(dataset, ("blur",)),
    }
    if (table["index"] < 0).all():
        # In a file of many pictures neither its size nor its date belongs to one of them.
        kinds["compression"] = np.stack([np.log(size / (width * height)), form], axis=1)
        # Within a day a data set was copied or unpacked, most likely class by class: that says nothing.
        if np.quantile(date, 0.95) - np.quantile(date, 0.05) > _DAY_NS:
            kinds["file date"] = date[:, None] / _DAY_NS
    return {
        kind: facts for kind, facts in kinds.items() if facts is not None and (facts.std(axis=0) > 1e-6).any()
    }


def _majority_right(targets: Ints, folds: Ints) -> npt.NDArray[np.bool_]:
    """Whether each picture is of the class that is most frequent outside its fold, `[N]`."""
    most = np.array([np.bincount(targets[folds != fold]).argmax() for fold in range(FOLDS)])
    return np.asarray(most[folds] == targets)


def _looked(
    kind: str,
    facts: Floats,
    targets: Ints,
    units: Ints,
    folds: Ints,
    base: npt.NDArray[np.bool_],
    looks: int,
) -> Shortcut:
    answers = (_answers(fitted, facts, targets, folds) for fitted in (_tree, _discriminant))
    right = max((answer == targets for answer in answers), key=np.mean)
    gain = _gain(right.astype(np.float64) - base, units, looks)
    room = max(1 - float(base.mean()), 1e-9)
    return Shortcut(kind, float(right.mean()), gain, (gain.value or 0.0) / room)


def _answers(
    fitted: Callable[[Floats, Ints], Callable[[Floats], Ints]], facts: Floats, targets: Ints, folds: Ints
) -> Ints:
    """The class of each picture as a model names it that was not fitted on it, `[N]`."""
    out = np.empty(len(targets), np.int64)
    for fold in range(FOLDS):
        held = folds == fold
        mean, std = facts[~held].mean(axis=0), facts[~held].std(axis=0) + 1e-9
        model = fitted((facts[~held] - mean) / std, targets[~held])
        out[held] = model((facts[held] - mean) / std)
    return out


def _tree(facts: Floats, targets: Ints) -> Callable[[Floats], Ints]:
    from sklearn.tree import DecisionTreeClassifier

    made = DecisionTreeClassifier(max_leaf_nodes=16, min_samples_leaf=5, random_state=0)
    return made.fit(facts, targets).predict  # type: ignore[no-any-return]


def _discriminant(facts: Floats, targets: Ints) -> Callable[[Floats], Ints]:
    """Linear discriminant with one covariance for all classes: one small system to solve, no iterations.

    Source: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2009, section 4.3.
    """
    classes, number = np.unique(targets, return_inverse=True)
    one_hot = np.eye(len(classes))[number]  # [N, K]
    counts = one_hot.sum(axis=0)
    means = one_hot.T @ facts / counts[:, None]  # [K, F]
    within = facts - means[number]
    covariance = within.T @ within / len(facts) + _RIDGE * np.eye(facts.shape[1])
    weights = np.linalg.solve(covariance, means.T)  # [F, K]
    bias = np.log(counts / len(facts)) - 0.5 * (means * weights.T).sum(axis=1)
    return lambda others: classes[(others @ weights + bias).argmax(axis=1)]


def _gain(difference: Floats, units: Ints, looks: int) -> Measure:
    """Mean difference with its interval, by units, at a confidence that holds for all looks.

    Source: the linearised variance of a ratio of totals over clusters (Cochran, Sampling Techniques, 1977).
    """
    from scipy.stats import t

    sums, sizes = np.bincount(units, difference), np.bincount(units)
    n, value = len(sums), float(difference.mean())
    spread = float(np.sqrt(n / max(n - 1, 1) * ((sums - value * sizes) ** 2).sum())) / len(difference)
    reach = float(t.ppf(1 - (1 - CONFIDENCE) / looks / 2, max(n - 1, 1))) * spread
    method = f"cross-validated, by group, 95 % for all {looks} looks together"
    return Measure(value, max(-1.0, value - reach), min(1.0, value + reach), len(difference), method)


def _surely_strong(each: Shortcut) -> bool:
    low, value = each.gain.low or 0.0, each.gain.value or 0.0
    return value > 0 and low / value * each.share > STRONG


def _folds(targets: Ints, units: Ints) -> Ints | None:
    """Folds that keep units together and deal those of each class in turn; None where there are too few."""
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    if len(first) < 2 * FOLDS:
        return None
    classes = targets[first]
    order = np.argsort(classes, kind="stable")
    starts = np.searchsorted(classes[order], classes[order], side="left")
    fold = np.empty(len(first), np.int64)
    fold[order] = (np.arange(len(first)) - starts) % FOLDS
    return fold[unit]


def _units(dataset: Dataset) -> Ints:
    """Number of each picture's group, or of its content where it has none."""
    content = pl.coalesce(picture_hash(dataset.table.columns), "id")
    named = pl.when(pl.col("group") != "").then(pl.col("group")).otherwise(content)
    ranks = dataset.table.select(named.rank("dense")).to_series()
    return ranks.to_numpy().astype(np.int64) - 1
