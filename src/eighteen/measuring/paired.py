"""Did the second model do better on the same pictures?

In come predictions of two models, each of one or several trainings; out goes a `Comparison`. Both saw the
same pictures, so only those count that just one of them gets right.

The verdict is read off the interval of the difference, in accuracy the widest of three:

1. a paired bootstrap: pictures are drawn, whole groups where there are groups, the same for both models;
2. Tango's score interval, which does not shrink to a point where models hardly disagree;
3. the exact interval that holds 0 just where the exact McNemar test does not reject at 5 %.

By the third, two equally accurate models, each trained once, on independent pictures, get "helps" or "hurts"
at most 5 times in 100, exactly and for any number of pictures. With groups or several trainings the second
and third count pictures for what they are worth (variance of one picture over that of these), and the 5 %
hold approximately; simulations in the tests check them. A verdict on another metric is read off that metric's
own interval, for which the 5 % hold approximately too.

Several trainings add a second source of luck. The half-widths by pictures and by seeds are added as squares,
as variances of independent sources are, with Student's t of Satterthwaite's degrees of freedom, which are
few where a few seeds decide. The two models' trainings are taken as independent of each other even where
their seeds are the same numbers. With one training each, seed variance is unknown and left out: the verdict
is then about these two models, not about the recipes that made them.

Sources: McNemar, Psychometrika 12 (1947); Bouthillier et al., Accounting for Variance in Machine Learning
Benchmarks, MLSys 2021; Korn and Graubard, Survey Methodology 24 (1998), for the worth of pictures in groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from scipy.stats import binomtest

from eighteen.core.errors import EighteenError
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.measuring._paired_draws import Draws, Spread, draw, spread_of
from eighteen.measuring._paired_ends import ends_of, worth
from eighteen.measuring._paired_power import enough
from eighteen.measuring._paired_rows import Pairs, pair
from eighteen.measuring.intervals import Interval
from eighteen.measuring.methods import bootstrap_method
from eighteen.measuring.verdicts import MARGIN, METRICS, Comparison, check_margin, decide, gained, say

_WIDE, _NARROW = 0.95, 0.9


def compare(
    first: Predictions | Sequence[Predictions],
    second: Predictions | Sequence[Predictions],
    *,
    margin: float = MARGIN,
    resamples: int = 2000,
    split: str = "",
    names: tuple[str, str] = ("the first", "the second"),
    metric: str = "accuracy",
    verdicts: int = 1,
) -> Comparison:
    """Compares two models on the pictures that both have scored.

    Args:
        first, second: one or several tables; rows with one `seed` are one training, whether they lie in one
            table or in several (folds).
        margin: a difference below it does not matter, above 0 and below 1: a share, in nll nats (0.01: the
            probability of the true class, as a geometric mean, differs by one percent).
        resamples: of the bootstrap; fewer are made above 100,000 pictures.
        split: name that is written into the measures.
        names: what the sentence calls the two models.
        metric: what the verdict is about, one of `METRICS`; in nll, less is better.
        verdicts: how many are given together. All of them together err no more often than one does: each
            interval is as wide as that asks for (Bonferroni).

    Returns:
        The comparison, second minus first. Neither the order of rows, nor the names of classes show in it.

    Raises:
        EighteenError: the margin is out of range, the metric unknown, or the tables do not belong together: a
            class or a group of a picture differs, a training answers twice for one picture, nothing is in
            common, and the like.
    """
    if metric not in METRICS:
        raise EighteenError(f"two models cannot be compared in '{metric}'; name one of {', '.join(METRICS)}")
    check_margin(margin, metric)
    made = _compare(pair(_several(first), _several(second)), margin, resamples, split, metric, verdicts)
    return replace(made, sentence=say(made, names))


def difference(
    first: Predictions | Sequence[Predictions],
    second: Predictions | Sequence[Predictions],
    name: str = "accuracy",
    *,
    confidence: float = _WIDE,
    resamples: int = 2000,
    split: str = "",
) -> Measure:
    """One difference, second minus first, with an interval of any level, as where many are looked at.

    Args:
        first, second: as for `compare`.
        name: "accuracy", "balanced_accuracy", "macro_f1" or "nll"; in nll, less is better.
        confidence: 0 … 1; a level near 1 asks for more resamples.

    Raises:
        EighteenError: the tables do not belong together.
    """
    pairs = pair(_several(first), _several(second))
    draws = draw(pairs, resamples)[name]
    return _measure(pairs, name, draws, split, confidence)


def _compare(
    pairs: Pairs,
    margin: float,
    resamples: int,
    split: str = "",
    metric: str = "accuracy",
    verdicts: int = 1,
) -> Comparison:
    drawn = draw(pairs, resamples)
    wide, less_wide = (1 - (1 - level) / verdicts for level in (_WIDE, _NARROW))
    measures = {name: _measure(pairs, name, draws, split, wide) for name, draws in drawn.items()}
    spread = spread_of(drawn[metric])
    narrow = ends_of(pairs, metric, drawn[metric], spread, less_wide)
    return _comparison(pairs, measures, narrow, margin, spread, metric)


def _several(tables: Predictions | Sequence[Predictions]) -> Sequence[Predictions]:
    return [tables] if isinstance(tables, Predictions) else tables


def _measure(pairs: Pairs, name: str, draws: Draws, split: str, confidence: float = _WIDE) -> Measure:
    spread = spread_of(draws)
    low, high = ends_of(pairs, name, draws, spread, confidence)
    method = _method(pairs, name, len(draws.drawn), spread, confidence)
    return Measure(draws.value, low, high, len(pairs.gain), method, split)


def _comparison(
    pairs: Pairs, measures: dict[str, Measure], narrow: Interval, margin: float, spread: Spread, metric: str
) -> Comparison:
    difference, scored = measures[metric], pairs.scored
    value, low, high = difference.value, difference.low, difference.high
    assert value is not None and low is not None and high is not None
    only_first, only_second = (round(float(each.sum())) for each in pairs.discordant)
    verdict = decide(gained((low, high), metric), gained(narrow, metric), margin)
    needed = None
    if verdict == "cannot tell":
        if metric == "accuracy":
            discordant, each_worth = float(sum(each.mean() for each in pairs.discordant)), worth(pairs)
        else:
            # Nothing is discordant here: a picture's share of the variance takes the place of p - d².
            discordant, each_worth = difference.n * spread.pictures + value**2, 1.0
        needed = enough(value, margin, difference.n, discordant, each_worth, spread)
    return Comparison(
        verdict=verdict,
        difference=difference,
        narrow=narrow,
        margin=margin,
        n=difference.n,
        n_units=scored.n_units,
        first_seeds=pairs.first.seeds,
        second_seeds=pairs.second.seeds,
        only_first=only_first,
        only_second=only_second,
        mcnemar_p=_mcnemar(pairs, only_first, only_second),
        images_needed=needed.images if needed else None,
        seeds_needed=needed.seeds if needed else None,
        image_sd=math.sqrt(spread.pictures) if scored.n_units > 1 else None,
        seed_sd=math.sqrt(spread.seeds) if spread.luck else None,
        measures={name: each for name, each in measures.items() if name != metric},
        left_out=pairs.left_out,
        method=difference.method,
        sentence="",
        metric=metric,
    )


def _mcnemar(pairs: Pairs, only_first: int, only_second: int) -> float | None:
    if not pairs.trained_once or pairs.scored.clustered:
        return None
    found = only_first + only_second
    return float(binomtest(only_second, found).pvalue) if found else 1.0


def _method(pairs: Pairs, name: str, resamples: int, spread: Spread, confidence: float) -> str:
    floor = {
        "accuracy": ", never narrower than Tango's score interval and the exact McNemar test",
        "balanced_accuracy": ", never narrower than Tango's score intervals of the classes, combined",
        "macro_f1": ", never narrower than that of the balanced accuracy, moved",
        "nll": "",
    }[name]
    made = bootstrap_method(pairs.scored, resamples, confidence, f"bias removed from each resample{floor}")
    if not spread.luck or spread.n_units < 2:
        return f"paired {made}; seed variance not included" if not spread.luck else f"paired {made}"
    seeds = f"{len(pairs.first.seeds)} and {len(pairs.second.seeds)} seeds"
    return (
        f"paired {made}; variance between {seeds} added to that of pictures, "
        f"Student's t with {spread.freedom:.1f} degrees of freedom"
    )
