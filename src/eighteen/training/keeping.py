"""What is kept in the end: the tuned weights, the head on frozen features, or the middle between the two.

Fine-tuning a small data set can lose what the frozen features knew. The model that training started from is
therefore put aside, and at the end validation scores three sets of weights: the first, the last, and their
mean, which often errs less than either (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from eighteen.core import store
from eighteen.core.run import Run
from eighteen.training.resume import Moving

SHARES = (1.0, 0.5, 0.0)
"""Shares of the tuned weights that are tried."""

_WORDS = {1.0: "fine-tuning", 0.5: "the mean of both", 0.0: "the head on frozen features"}
_FILE = "start.safetensors"


def put_aside(run: Run, network: nn.Module) -> None:
    """Writes the weights that fine-tuning starts from into the run's resume folder."""
    store.make_folder(run.resume_folder)
    tensors = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    store.write_tensors(run.resume_folder / _FILE, tensors, {})


def keep_the_better(
    run: Run, moving: Moving, select_by: str, validate: Callable[[nn.Module], Mapping[str, float]]
) -> str:
    """Puts into `moving.best` whichever weights validation likes best; says which and why.

    Args:
        run: holds what `put_aside` wrote.
        moving: trained to the end.
        select_by: the measure that decides; "nll" is better when smaller.
        validate: selection measures of a network; {} without validation pictures, which keeps fine-tuning.
    """
    start = store.read_tensors(run.resume_folder / _FILE)
    tuned, network = moving.best, moving.evaluated
    found: dict[float, Mapping[str, float]] = {}
    for share in SHARES:
        network.load_state_dict(mixed(start, tuned, share))
        found[share] = validate(network)
    if not all(found.values()):
        return "fine-tuning is kept: there are no validation pictures that could speak against it"
    kept = max(SHARES, key=lambda share: _merit(found[share], select_by))
    moving.best = mixed(start, tuned, kept)
    scores = ", ".join(f"{_WORDS[share]} {found[share][select_by]:.3f}" for share in SHARES)
    return f"{_WORDS[kept]} is kept: validation {select_by.replace('_', ' ')} of {scores}"


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


def _merit(measures: Mapping[str, float], select_by: str) -> tuple[float, float]:
    """Larger is better; a draw goes to the smaller log loss."""
    value = measures[select_by]
    return (-value if select_by == "nll" else value, -measures["nll"])
