"""What is kept in the end: the tuned weights, the head on frozen features, or a mixture of the two.

Fine-tuning a small data set can lose what the frozen features knew. The model that training started from is
therefore put aside, and at the end validation scores it, the tuned weights, and mixtures of both, which often
err less than either (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022).

What decides is the log loss at the best temperature: on a hundred pictures accuracies differ by a few
answers, balanced ones by those of the rarest class, while the log loss looks at every picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from eighteen.core import store
from eighteen.core.run import Run
from eighteen.training.resume import Moving

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Shares of the tuned weights that are tried."""

MEASURE = "nll_calibrated"

_FILE = "start.safetensors"


def put_aside(run: Run, network: nn.Module) -> None:
    """Writes the weights that fine-tuning starts from into the run's resume folder."""
    store.make_folder(run.resume_folder)
    tensors = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    store.write_tensors(run.resume_folder / _FILE, tensors, {})


def keep_the_better(run: Run, moving: Moving, validate: Callable[[nn.Module], Mapping[str, float]]) -> str:
    """Puts into `moving.best` whichever weights validation likes best; says which and why.

    Args:
        run: holds what `put_aside` wrote.
        moving: trained to the end.
        validate: selection measures of a network; {} without validation pictures, which keeps fine-tuning.
    """
    start = store.read_tensors(run.resume_folder / _FILE)
    tuned, network = moving.best, moving.evaluated
    found: dict[float, Mapping[str, float]] = {}
    for share in SHARES:
        network.load_state_dict(mixed(start, tuned, share))
        found[share] = validate(network)
    if not all(MEASURE in measures for measures in found.values()):
        return "fine-tuning is kept: there are no validation pictures that could speak against it"
    kept = min(SHARES, key=lambda share: found[share][MEASURE])
    moving.best = mixed(start, tuned, kept)
    scores = ", ".join(f"{_words(share)} {found[share][MEASURE]:.3f}" for share in SHARES)
    return f"{_words(kept)} is kept; log loss on validation at the best temperature: {scores}"


def mixed(start: Mapping[str, Tensor], tuned: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Weights between two sets of the same names: 1 gives the tuned ones, 0 those of the start."""
    return {
        name: start[name].to(value.device).lerp(value, share) if value.is_floating_point() else value
        for name, value in tuned.items()
    }


def drop_start(run: Run) -> None:
    """Removes what was put aside."""
    path = run.resume_folder / _FILE
    if path.exists():
        store.remove(path)


def _words(share: float) -> str:
    if share in (0.0, 1.0):
        return "fine-tuning" if share else "the head on frozen features"
    return f"{100 * share:g} % fine-tuning"
