"""The gate of exports: each fault that deployed models are known for is planted, and caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import torch
from PIL import Image
from torch import nn

from eighteen.core.artifact import Opened, Pictures
from eighteen.core.dataset import Dataset
from eighteen.core.errors import GateError
from eighteen.core.inputs import InputSpec
from eighteen.core.predictions import softmax
from eighteen.exporting.parity import Parity, Reference, measure_parity
from eighteen.inference.predictor import Predictor
from eighteen.inference.scoring import Scorer
from eighteen.reading.folders import read

INPUTS = InputSpec(size=32, fit="crop", crop_fraction=0.8, mean=(0.5, 0.4, 0.6), std=(0.2, 0.3, 0.25))
CLASSES = ("a", "b", "c")
PIXELS = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(3)
    # Fine patterns count as much as coarse ones, so that every fault of a preparation shows.
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 15 * 15, len(CLASSES))
    ).eval()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for name in CLASSES:
            (folder / split / name).mkdir(parents=True)
            for row in range(4):
                pixels = random.integers(0, 256, (50 + 7 * row, 64, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{row}.png")
    from eighteen.core.recipe import Recipe

    return read(folder, Recipe().data)


@pytest.fixture(scope="module")
def source(network: nn.Module) -> Predictor:
    return Predictor(Scorer(network, INPUTS, torch.device("cpu")), INPUTS, CLASSES)


def opened(
    source: Predictor,
    inputs: InputSpec = INPUTS,
    picture: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]] = lambda picture: picture,
    fit: Callable[[npt.NDArray[np.uint8]], PIXELS] | None = None,
    answer: Callable[[PIXELS], PIXELS] = lambda logits: logits,
) -> Opened:
    """The source model with one thing done differently."""
    scorer = source.forward
    fitted = fit or inputs.fitted
    assert isinstance(scorer, Scorer)
    theirs = Scorer(scorer.network, inputs, torch.device("cpu"))

    def ask(pictures: Pictures) -> PIXELS:
        return answer(theirs(np.stack([fitted(picture(each)) for each in pictures])))

    def bare(tensor: PIXELS) -> PIXELS:
        with torch.no_grad():
            return answer(scorer.network(torch.from_numpy(tensor)).numpy())

    return Opened(ask, bare, INPUTS, CLASSES)


def measured(source: Predictor, model: Opened, dataset: Dataset) -> Parity:
    return measure_parity(Reference.of(source, dataset, pictures=20), model, "fp32", 1000)


def test_an_equal_model_passes_with_exact_figures(source: Predictor, dataset: Dataset) -> None:
    parity = measured(source, opened(source), dataset)
    assert parity.problems == ()
    assert parity.n == 20
    assert parity.top1_agreement == 1
    assert parity.max_probability_difference < 1e-6
    assert parity.accuracy_difference is not None
    assert parity.accuracy_difference.value == 0
    assert parity.accuracy_difference.n == 12  # validation alone
    assert set(parity.latency_ms) == {"1", "32"}


def test_the_test_split_stays_closed(source: Predictor, dataset: Dataset) -> None:
    seen: list[int] = []

    def count(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        seen.append(1)
        return picture

    held = dataset.table.filter(pl.col("split") == "test")
    for path in held["path"]:
        assert dataset.file(path).exists()
    reference = Reference.of(source, dataset, pictures=1000)
    parity = measure_parity(reference, opened(source, picture=count), "fp32", 1000)
    assert parity.n == 24  # 12 of training, 12 of validation


def cut_first(picture: npt.NDArray[np.uint8]) -> PIXELS:
    """Crop before resize."""
    height, width = picture.shape[:2]
    side = max(1, min(height, width) * 4 // 5)
    top, left = (height - side) // 2, (width - side) // 2
    inside = np.ascontiguousarray(picture[top : top + side, left : left + side])
    return INPUTS.model_copy(update={"fit": "squash"}).fitted(inside)


def every_other_pixel(picture: npt.NDArray[np.uint8]) -> PIXELS:
    """No antialias: the nearest sample of a point."""
    wide = INPUTS.fitted(picture)
    plain = Image.fromarray(picture).resize((40, 40), Image.Resampling.NEAREST)
    return np.asarray(plain, np.float32).transpose(2, 0, 1)[:, 4:36, 4:36].reshape(wide.shape)


FAULTS: dict[str, Callable[[Predictor], Opened]] = {
    "BGR": lambda source: opened(source, picture=lambda picture: picture[:, :, ::-1].copy()),
    "no antialias": lambda source: opened(source, fit=every_other_pixel),
    "another mean": lambda source: opened(
        source, inputs=INPUTS.model_copy(update={"mean": (0.485, 0.456, 0.406)})
    ),
    "crop before resize": lambda source: opened(source, fit=cut_first),
    "softmax twice": lambda source: opened(source, answer=lambda logits: softmax(logits).astype(np.float32)),
    "classes permuted": lambda source: opened(source, answer=lambda logits: np.roll(logits, 1, axis=1)),
    "another kernel": lambda source: opened(source, inputs=INPUTS.model_copy(update={"kernel": "bicubic"})),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str, source: Predictor, dataset: Dataset) -> None:
    parity = measured(source, FAULTS[fault](source), dataset)
    assert any("probabilities differ by" in problem for problem in parity.problems), parity


def test_integers_are_judged_through_the_tensor_entry_too(source: Predictor, dataset: Dataset) -> None:
    """Labels are what the source says, so that its accuracy is 1."""
    reference = Reference.of(source, dataset, pictures=20)
    rows = reference.said.rows.with_columns(target=pl.col("predicted"))
    table = reference.chosen.table.join(rows.select("id", named="predicted"), on="id", maintain_order="left")
    chosen = reference.chosen.with_table(table.with_columns(target=pl.col("named")).drop("named"))
    reference = replace(reference, chosen=chosen, said=replace(reference.said, rows=rows))
    assert rows["predicted"].n_unique() > 1
    right = measure_parity(reference, opened(source), "int8", 1000)
    assert right.problems == ()
    assert right.bare_accuracy_difference is not None
    assert (right.bare_accuracy_difference.value, right.bare_accuracy_difference.n) == (0, 12)
    model = opened(source)
    wrong = replace(model, bare=lambda tensor: np.roll(model.bare(tensor), 1, axis=1))
    (problem,) = measure_parity(reference, wrong, "int8", 1000).problems
    assert "accuracy on validation through the tensor entry falls by 1.0000" in problem
    assert measured(source, opened(source), dataset).bare_accuracy_difference is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("entry", ["answer", "bare"])
def test_a_model_that_answers_no_numbers_is_refused(
    value: float, precision: str, entry: str, source: Predictor, dataset: Dataset
) -> None:
    model = opened(source)
    right = getattr(model, entry)

    def spoiled(given: Any) -> PIXELS:
        logits: PIXELS = right(given).copy()
        logits[0, 0] = value
        return logits

    reference = Reference.of(source, dataset, pictures=20)
    with pytest.raises(GateError, match=r"the exported model answers with NaN or infinity about .* of "):
        measure_parity(reference, replace(model, **{entry: spoiled}), precision, 1000)


def test_a_run_that_answers_no_numbers_is_refused(dataset: Dataset) -> None:
    broken = Predictor(lambda fitted: np.full((len(fitted), 3), np.nan, np.float32), INPUTS, CLASSES)
    with pytest.raises(GateError, match=r"the run itself answers with NaN .* 20 of 20 files.*Train it again"):
        Reference.of(broken, dataset, pictures=20)


def test_accuracy_is_told_by_those_that_judge_alone(source: Predictor, dataset: Dataset) -> None:
    reference = Reference.of(source, dataset, pictures=20)
    judges = frozenset(dataset.subset("val").table["id"].head(5))
    parity = measure_parity(reference, opened(source), "int8", 1000, judges=judges)
    for each in (parity.accuracy_difference, parity.bare_accuracy_difference):
        assert each is not None and each.n == 5
    told = replace(parity, attempts=3).to_json()
    assert (told["judged_apart"], told["n"]) == (True, 20)
    assert "of the last of 3 attempts, told by the half of validation that chose among none" in told["note"]
    assert measured(source, opened(source), dataset).to_json()["judged_apart"] is False


def test_a_difference_that_was_selected_is_called_so(source: Predictor, dataset: Dataset) -> None:
    parity = measured(source, opened(source), dataset).to_json()
    assert (parity["attempts"], parity["note"]) == (1, "")
    parity = replace(measured(source, opened(source), dataset), attempts=3).to_json()
    assert parity["attempts"] == 3
    assert "the last of 3 attempts, which accuracy on these same pictures chose" in parity["note"]
