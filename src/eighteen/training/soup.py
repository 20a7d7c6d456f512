"""The mean of the weights of several trained runs, as one run: a soup.

Runs that began with the same weights often end in one wide valley; their mean then errs less than any of
them and costs no more than one. Greedy takes runs in, best first, as long as validation does not get worse,
so that a run from elsewhere stays out. Statistics of BatchNorm belong to their own weights: unless all runs
kept those of the same file of weights, they are measured anew on training pictures.

Source: Wortsman et al., Model soups: averaging weights of multiple fine-tuned models, ICML 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from eighteen.core import store
from eighteen.core.dataset import Dataset
from eighteen.core.errors import RunError
from eighteen.core.inputs import InputSpec
from eighteen.core.progress import Progress
from eighteen.core.run import Run
from eighteen.formats import native
from eighteen.inference.devices import choose_device
from eighteen.tasks import make
from eighteen.training.fitting import training_batches
from eighteen.training.swa import measure_norms
from eighteen.training.validation import Validation

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Kitchen:
    """What a soup is cooked and tasted with.

    Attributes:
        network: takes the weights; its own are overwritten.
        images: training pictures for the norms; None keeps the mean of the statistics.
        loss: mean log loss on validation of a network.
    """

    network: nn.Module
    images: Callable[[], Iterator[Tensor]] | None
    loss: Callable[[nn.Module], float]

    def cooked(self, states: Sequence[Weights]) -> tuple[dict[str, Tensor], float]:
        """The mean of some weights, with norms that fit, and its loss."""
        self.network.load_state_dict(mean_of(states))
        if self.images is not None and len(states) > 1:
            measure_norms(self.network, self.images())
        loss = self.loss(self.network.eval())
        made = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        return made, loss


def cook(runs: Sequence[Run], out: Path, greedy: bool, progress: Progress) -> Run:
    """Writes a run whose weights are the mean of those of others; it is trained, and not yet measured.

    Args:
        runs: trained on the same pictures, of the same network; the first lends its data set and its recipe,
            but for the opening of the test split.
        out: the run folder to make.
        greedy: leave out what validation speaks against.

    Raises:
        RunError: runs do not go together, or there is no validation to be greedy by.
    """
    first = runs[0]
    check_together(runs)
    dataset = first.dataset
    if greedy and not dataset.split_counts["val"]:
        raise RunError(
            f"{first.path} has no validation pictures to choose by; take the mean of all: --uniform"
        )
    # Whoever opened the test split for the first run has not asked for it to be opened for this one.
    recipe = first.recipe.changed(evaluation={"open_test": False})
    kitchen = _kitchen(runs, dataset, progress)
    states = [store.read_tensors(run.weights_path) for run in runs]
    taken, weights, note = _chosen(kitchen, states, runs) if greedy else _all(kitchen, states, runs)
    with Run.creating(out, dataset.task) as staging:
        staging.save_recipe(recipe, first.reasons)
        staging.save_dataset(dataset)
        staging.save_findings(first.findings)
        staging.save_inputs(first.inputs)
        staging.save_environment(
            {"device": "cpu", "threads": torch.get_num_threads(), "seed": first.recipe.seed}
        )
        staging.add_event(note)
        facts = {"classes": str(len(dataset.class_names)), "input_spec_sha256": first.inputs.sha256}
        staging.save_weights(weights, {**facts, "runs": str(len(taken))})
        staging.set_state("trained")
    progress("note", 0, 0, note)
    return Run.open(out)


def mean_of(states: Sequence[Weights]) -> dict[str, Tensor]:
    """The equal mean of weights by name; whole numbers are those of the first.

    >>> mean_of([{"w": torch.tensor([1.0])}, {"w": torch.tensor([4.0])}])["w"]
    tensor([2.5000])
    """
    if len(states) == 1:
        return dict(states[0])
    return {
        name: torch.stack([state[name] for state in states]).mean(0) if value.is_floating_point() else value
        for name, value in states[0].items()
    }


def check_together(runs: Sequence[Run]) -> None:
    """Refuses runs whose weights cannot be averaged, or would be measured by pictures that one learned from.

    Raises:
        RunError: naming the runs that do not go together.
    """
    first = runs[0]
    split = first.dataset.table.select("sha256", "split").unique().sort("sha256", "split")
    for run in runs:
        native.open_network(run)  # says what is missing
        same = {
            "classes": run.class_names == first.class_names,
            "networks": _shape(run) == _shape(first),
            "inputs": _plain(run.inputs) == _plain(first.inputs),
            "splits": run.dataset.table.select("sha256", "split")
            .unique()
            .sort("sha256", "split")
            .equals(split),
        }
        other = [name for name, is_same in same.items() if not is_same]
        if other:
            raise RunError(
                f"{run.path} and {first.path} have other {' and other '.join(other)}; a soup takes runs of "
                f"one network on one data set: train them with --splits-from {first.path} and another --seed"
            )


def _plain(inputs: InputSpec) -> InputSpec:
    """Without the mirrored second pass, which does not concern the weights."""
    return inputs.model_copy(update={"mirror_average": False})


def _shape(run: Run) -> object:
    model = run.recipe.model
    return model.name, model.stem, model.blocks, model.shortcut, model.width


def _kitchen(runs: Sequence[Run], dataset: Dataset, progress: Progress) -> Kitchen:
    run, recipe = runs[0], runs[0].recipe
    device = choose_device(recipe.training.device)[0]
    training = dataset.subset("train")
    task = make(dataset.task, dataset.class_names, recipe.loss, dataset.class_counts("train"))
    validation = Validation(task, dataset.subset("val"), run.inputs, recipe, device)
    epochs = recipe.training.epochs
    assert epochs != "auto"

    def images() -> Iterator[Tensor]:
        batches = training_batches(recipe, training, task, progress)
        return (batch.images.to(device) for batch in batches.epoch(epochs))

    def loss(network: nn.Module) -> float:
        losses = validation.losses(network)
        return float("nan") if losses is None else float(losses.mean())

    return Kitchen(native.open_network(run).to(device), None if _norms_alike(runs) else images, loss)


def _norms_alike(runs: Sequence[Run]) -> bool:
    """Whether all runs kept the statistics of one file of weights, by its hash; older runs do not name it."""
    starts = {run.environment.get("weights_sha256") for run in runs}
    kept = all(run.recipe.training.freeze_norms is True for run in runs)
    return kept and len(starts) == 1 and all(starts)


def _all(kitchen: Kitchen, states: Sequence[Weights], runs: Sequence[Run]) -> tuple[list[int], Weights, str]:
    weights, loss = kitchen.cooked(states)
    return list(range(len(runs))), weights, f"the mean of {_names(runs)}; log loss on validation {loss:.3f}"


def _chosen(
    kitchen: Kitchen, states: Sequence[Weights], runs: Sequence[Run]
) -> tuple[list[int], Weights, str]:
    """Best first, each that does not make validation worse."""
    alone = [kitchen.cooked([state]) for state in states]
    order = sorted(range(len(runs)), key=lambda number: alone[number][1])
    taken, (weights, best) = [order[0]], alone[order[0]]
    for number in order[1:]:
        tried, loss = kitchen.cooked([states[each] for each in (*taken, number)])
        if loss <= best:
            taken, weights, best = [*taken, number], tried, loss
    left = [runs[number] for number in order if number not in taken]
    note = f"the mean of {_names([runs[number] for number in taken])}; log loss on validation {best:.3f}"
    note += f", the best run alone {alone[order[0]][1]:.3f}"
    return taken, weights, f"{note}; left out: {_names(left)}" if left else note


def _names(runs: Sequence[Run]) -> str:
    return ", ".join(run.path.name for run in runs)
