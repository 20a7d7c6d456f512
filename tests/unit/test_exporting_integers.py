"""Integers that keep accuracy: networks that bear them badly are planted, and what is done is seen.

A format is played: its integers are the rounding of `fake_quantising`, so that each way is tried in a moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from eighteen.core.artifact import Exportable, Files, Opened, Pictures
from eighteen.core.calibration import Calibration
from eighteen.core.dataset import Dataset
from eighteen.core.errors import CannotKeepError, GateError
from eighteen.core.inputs import InputSpec
from eighteen.core.progress import silent
from eighteen.core.recipe import Recipe
from eighteen.evaluating.finishing import LEAST_FOR_CALIBRATION
from eighteen.exporting import halves
from eighteen.exporting.aware_training import taught
from eighteen.exporting.fake_quantising import layers_of, measure_ranges, quantising
from eighteen.exporting.halves import Halves, halves_of
from eighteen.exporting.integers import Held, to_integers
from eighteen.exporting.sensitivity import noise_shares
from eighteen.inference.exported import load_format
from eighteen.inference.predictor import Predictor
from eighteen.inference.scoring import Scorer
from eighteen.models.answering import Answering
from eighteen.reading.folders import read

Floats = np.ndarray[Any, np.dtype[np.float32]]
INPUTS = InputSpec(size=16, fit="squash", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
CLASSES = ("a", "b", "c")
PICTURES = 80


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv3, self.bn3 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        first = self.bn1(self.conv1(images)).relu()
        second = self.bn2(self.conv2(first)).relu()
        third: Tensor = (self.bn3(self.conv3(second)) + 0.25 * first).relu()
        logits: Tensor = self.fc(third.mean((2, 3)))
        return logits


@pytest.fixture
def network() -> Small:
    """BatchNorm is randomised, and no class is named always."""
    torch.manual_seed(1)
    found = Small()
    for module in found.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -0.3, 0.3),
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.5, 2.0),
            ):
                assert tensor is not None
                nn.init.uniform_(tensor, low, high)
    found.eval()
    with torch.no_grad():
        logits = found(samples_tensor())
        found.fc.weight *= 20
        found.fc.bias.copy_(found.fc.bias - 20 * (logits - found.fc.bias).mean(0))
    return found


def painted(count: int, seed: int) -> Floats:
    """Pictures `[N, 3, 16, 16]` that differ in colour and light, 0..255."""
    random = np.random.default_rng(seed)
    colours = random.uniform(30, 225, (count, 3, 1, 1))
    return (colours + random.uniform(-30, 30, (count, 3, 16, 16))).round().astype(np.float32)


def samples() -> Floats:
    return painted(64, 5)


def samples_tensor() -> Tensor:
    return torch.from_numpy(INPUTS.normalised(samples()))


def spoiled(network: Small) -> Small:
    """One channel a thousand times as loud, made up for behind: the same answers, but no range fits it."""
    with torch.no_grad():
        network.bn2.weight[3] *= 1000
        network.bn2.bias[3] *= 1000
        network.conv3.weight[:, 3] /= 1000
    return network


def exportable(network: nn.Module) -> Exportable:
    return Exportable(network, INPUTS, Calibration(), CLASSES, {}, samples)


@dataclass
class Played:
    """A format that writes nothing, and rounds with so many bits of weights."""

    weight_bits: int = 7

    def write(self, model: Exportable, folder: Path, precision: str) -> Files:
        assert precision == "int8"
        self.model = replace(model, network=deepcopy(model.network))
        return Files("model", "bare")

    def open_files(self, model: Path, bare: Path) -> Opened:
        kept, network = self.model.kept, self.model.network
        ranges = measure_ranges(network, samples_tensor())
        answering = Answering(self.model)
        scorer = Scorer(answering, INPUTS, torch.device("cpu"))

        def answer(pictures: Pictures) -> Floats:
            with quantising(network, ranges, kept, self.weight_bits):
                return scorer(INPUTS.fitted_batch(pictures))

        def bare(tensor: Floats) -> Floats:
            with quantising(network, ranges, kept, self.weight_bits), torch.no_grad():
                logits: Floats = answering(torch.from_numpy(tensor)).numpy()
                return logits

        return Opened(answer, bare, INPUTS, CLASSES)


def played(keeps: bool, weight_bits: int = 7) -> Any:
    form = Played(weight_bits)
    return SimpleNamespace(write=form.write, open_files=form.open_files, KEEPS_LAYERS=keeps)


def held(network: nn.Module, folder: Path) -> Held:
    """Validation pictures whose label is what the network says: it is right, and rather sure, about all."""
    found = painted(PICTURES * 5 // 4, 3)
    with torch.no_grad():
        logits = network(torch.from_numpy(INPUTS.normalised(found))).sort(1).values.numpy()
    surest = np.argsort(logits[:, -2] - logits[:, -1], kind="stable")[:PICTURES]
    for name in ("a", "b"):
        (folder / "all" / name).mkdir(parents=True)
    for row in range(PICTURES):
        pixels = found[surest[row]].transpose(1, 2, 0).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "all" / "ab"[row % 2] / f"{row:03}.png")
    dataset: Dataset = read(folder / "all", Recipe().data)
    source = Predictor(Scorer(network, INPUTS, torch.device("cpu")), INPUTS, CLASSES)
    said = source.score(dataset)
    assert said.rows["predicted"].n_unique() == len(CLASSES)
    table = dataset.table.with_columns(split=pl.lit("val"), target=said.rows["predicted"])
    labelled = replace(dataset, table=table, class_names=CLASSES)
    return Held(labelled, source.score(labelled), None)


def halved(judged: Held, monkeypatch: pytest.MonkeyPatch) -> tuple[Held, Halves]:
    monkeypatch.setattr(halves, "LEAST_IN_HALF", PICTURES // 2)
    found = halves_of(judged.validation, judged.known)
    assert found is not None
    return replace(judged, choosing=found.choosing), found


def no_training(*_: object) -> nn.Module:
    raise AssertionError("layers in float are enough")


def test_the_layer_that_suffers_most_is_found(network: Small) -> None:
    shares = noise_shares(network, samples_tensor())
    assert set(shares) == set(layers_of(network))
    assert max(shares.values()) < 0.05
    worse = noise_shares(spoiled(network), samples_tensor())
    assert next(iter(worse)) == "conv3"
    assert worse["conv3"] > 0.5
    assert worse["conv1"] == pytest.approx(shares["conv1"])


def test_a_network_that_bears_integers_keeps_no_layer(network: Small, tmp_path: Path) -> None:
    model, facts = to_integers(
        played(True), exportable(network), held(network, tmp_path), no_training, tmp_path, silent
    )
    assert model.kept == ()
    assert model.network is network
    assert (facts["kept_layers"], facts["training_steps"]) == ([], 0)
    assert model.calibration.n == PICTURES  # fitted again, on what the integers say


def test_a_planted_layer_is_kept_in_float(network: Small, tmp_path: Path) -> None:
    spoiled(network)
    model, facts = to_integers(
        played(True), exportable(network), held(network, tmp_path), no_training, tmp_path, silent
    )
    assert model.kept == ("conv3",)
    assert facts["kept_layers"] == ["conv3"]
    assert [sentence.split(":")[0] for sentence in facts["attempts"]] == [
        "all layers",
        "1 of 4 layers in float",
    ]


@pytest.mark.parametrize("entry", ["answer", "bare"])
def test_the_entry_that_falls_further_decides(entry: str, network: Small, tmp_path: Path) -> None:
    """One entry stays in float here, and tells nothing of what the other loses."""
    form, source = Played(), Scorer(spoiled(network), INPUTS, torch.device("cpu"))
    in_float = {
        "answer": lambda pictures: source(INPUTS.fitted_batch(pictures)),
        "bare": lambda tensor: network(torch.from_numpy(tensor)).detach().numpy(),
    }

    def open_files(model: Path, bare: Path) -> Opened:
        return replace(form.open_files(model, bare), **{entry: in_float[entry]})

    half: Any = SimpleNamespace(write=form.write, open_files=open_files, KEEPS_LAYERS=True)
    judged = held(network, tmp_path)
    model, _ = to_integers(half, exportable(network), judged, no_training, tmp_path, silent)
    assert model.kept == ("conv3",)


def test_a_mixture_that_the_format_cannot_hold_is_passed_over(network: Small, tmp_path: Path) -> None:
    form, told = played(True), []

    def write(model: Exportable, folder: Path, precision: str) -> Files:
        if len(model.kept) == 1:
            raise CannotKeepError("no program for it")
        files: Files = form.write(model, folder, precision)
        return files

    picky: Any = SimpleNamespace(write=write, open_files=form.open_files, KEEPS_LAYERS=True)
    model, facts = to_integers(
        picky,
        exportable(spoiled(network)),
        held(network, tmp_path),
        no_training,
        tmp_path,
        lambda *what: told.append(what[-1]),
    )
    assert len(model.kept) == 2 and "conv3" in model.kept
    assert [sentence.split(":")[0] for sentence in facts["attempts"]] == [
        "all layers",
        "2 of 4 layers in float",
    ]
    assert "integers, 1 layers in float: no program for it" in told


def test_an_attempt_that_answers_no_numbers_is_passed_over(network: Small, tmp_path: Path) -> None:
    form = Played()

    def open_files(model: Path, bare: Path) -> Opened:
        opened = form.open_files(model, bare)
        spoil = np.float32(0 if form.model.kept else np.nan)
        return replace(opened, answer=lambda pictures: opened.answer(pictures) + spoil)

    picky: Any = SimpleNamespace(write=form.write, open_files=open_files, KEEPS_LAYERS=True)
    model, facts = to_integers(
        picky, exportable(network), held(network, tmp_path), no_training, tmp_path, silent
    )
    assert len(model.kept) == 1
    assert facts["attempts"][0] == f"all layers: NaN or infinity about {PICTURES} of {PICTURES} pictures"


def test_half_of_a_large_validation_chooses_and_the_other_half_has_no_say(
    network: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled(network)
    judged, sides = halved(held(network, tmp_path), monkeypatch)
    model, facts = to_integers(played(True), exportable(network), judged, no_training, tmp_path, silent)
    assert model.kept == ("conv3",)
    assert [sentence.rpartition("n = ")[2] for sentence in facts["attempts"]] == ["80)", "40)"]
    # Whatever the other half would have said of the kept layers, the choice is the same.
    known = judged.known
    other = known.rows["id"].is_in(list(sides.judging))
    turned = known.rows["predicted"].replace_strict({"a": "b", "b": "c", "c": "a"})
    rows = known.rows.with_columns(target=pl.when(other).then(turned).otherwise("target"))
    known = replace(known, rows=rows)
    table = judged.validation.table.drop("target").join(rows.select("id", "target"), on="id")
    validation = judged.validation.with_table(table.select(judged.validation.table.columns))
    against = replace(judged, known=known, validation=validation)
    form = played(True)
    again, _ = to_integers(form, exportable(network), against, no_training, tmp_path / "again", silent)
    assert again.kept == model.kept


def test_halves_are_even_fixed_and_keep_groups_together(
    network: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = held(network, tmp_path)
    assert halves_of(judged.validation, judged.known) is None  # 80 pictures are far too few
    _, sides = halved(judged, monkeypatch)
    assert not sides.choosing & sides.judging
    table = judged.validation.table
    assert sides.choosing | sides.judging == set(table["id"])
    for name in CLASSES:
        ids = set(table.filter(pl.col("target") == name)["id"])
        assert abs(len(ids & sides.choosing) - len(ids & sides.judging)) <= 1
    shuffled = judged.validation.with_table(table.sample(fraction=1, shuffle=True, seed=1))
    assert halves_of(shuffled, judged.known) == sides
    monkeypatch.setattr(halves, "LEAST_IN_HALF", 15)
    groups = [f"g{row // 2}" for row in range(PICTURES)]
    grouped = halves_of(judged.validation.with_columns(group=groups), judged.known)
    assert grouped is not None
    named = table.select("id", group=pl.Series(groups)).group_by("group").agg("id")
    assert all(len({each in grouped.choosing for each in ids}) == 1 for ids in named["id"])
    monkeypatch.setattr(halves, "LEAST_IN_HALF", 21)  # of 40 groups: too many, though a half has 40 pictures
    assert halves_of(judged.validation.with_columns(group=groups), judged.known) is None


def test_too_few_validation_pictures_leave_the_runs_calibration(network: Small, tmp_path: Path) -> None:
    own = Calibration("temperature", (1.5,) * 3, (0.0,) * 3)
    judged = held(network, tmp_path)
    few = np.arange(len(judged.known)) < LEAST_FOR_CALIBRATION - 1
    table = judged.validation.table.filter(pl.col("id").is_in(judged.known.rows.filter(few)["id"].to_list()))
    fewer = Held(judged.validation.with_table(table), judged.known.where(few), None)
    model, _ = to_integers(
        played(True), replace(exportable(network), calibration=own), fewer, no_training, tmp_path, silent
    )
    assert model.calibration == own


def test_integers_throughout_get_no_bend_where_nothing_can_be_fitted(network: Small, tmp_path: Path) -> None:
    own = Calibration("bent", (1.5,) * 3, (0.0,) * 3, "fitted", 80, 0.2)
    judged = held(network, tmp_path)
    known = judged.known.where(np.arange(len(judged.known)) < LEAST_FOR_CALIBRATION - 1)
    table = judged.validation.table.filter(pl.col("id").is_in(known.rows["id"].to_list()))
    fewer = Held(judged.validation.with_table(table), known, None)
    form, source = played(True), replace(exportable(network), calibration=own)
    model, _ = to_integers(form, source, fewer, no_training, tmp_path, silent)
    assert model.calibration.bend == 0.2
    form.INTEGERS_THROUGHOUT = True  # as LiteRT's
    model, _ = to_integers(form, source, fewer, no_training, tmp_path / "again", silent)
    found = model.calibration
    assert (found.method, found.scale, found.bend, found.n) == ("temperature", own.scale, 0.0, 80)


def batches() -> Iterator[Tensor]:
    for seed in count(100):
        yield torch.from_numpy(INPUTS.normalised(painted(32, seed)))


def gap(network: nn.Module, other: nn.Module, bits: int) -> float:
    """How far another network's answers in integers are from a network's: Kullback-Leibler, nats."""
    tensor = samples_tensor()
    ranges = measure_ranges(other, tensor)
    with torch.no_grad():
        wanted = network(tensor).log_softmax(1)
        with quantising(other, ranges, (), bits):
            said = other(tensor).log_softmax(1)
        return float((wanted.exp() * (wanted - said)).sum(1).mean())


def test_training_with_rounded_layers_brings_the_answers_back(network: Small) -> None:
    before, weights = gap(network, network, 3), deepcopy(network.state_dict())
    found = taught(network, batches(), samples_tensor(), steps=80, rate=1e-3, weight_bits=3)
    assert gap(network, found, 3) < before / 2
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, weights[name])
    assert {name for name, _ in found.named_parameters()} == {name for name, _ in network.named_parameters()}


def test_training_comes_last_and_is_written_down(network: Small, tmp_path: Path) -> None:
    def train(network: nn.Module, tensor: Tensor, kept: tuple[str, ...], _: object) -> nn.Module:
        return taught(network, batches(), tensor, kept, steps=80, rate=1e-3, weight_bits=3)

    form, source = played(False, 3), exportable(network)
    try:
        model, facts = to_integers(form, source, held(network, tmp_path), train, tmp_path, silent)
        assert model.network is not network
        assert facts["training_steps"] > 0
    except GateError as refused:
        # Three bits are few; but it must have come closer.
        falls = list(map(float, re.findall(r": (-0\.\d+) ", str(refused))))
        assert falls[-1] > falls[0]


def test_what_falls_short_is_refused_with_all_figures(network: Small, tmp_path: Path) -> None:
    spoiled(network)

    def in_vain(network: nn.Module, *_: object) -> nn.Module:
        return network

    with pytest.raises(GateError, match=r"all layers: -0\.\d+ \(-.*n = 80\); all layers, after 300 steps"):
        to_integers(played(False), exportable(network), held(network, tmp_path), in_vain, tmp_path, silent)


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_a_file_keeps_layers_in_float(
    name: str, network: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("nncf", "openvino") if name == "openvino" else ():
        pytest.importorskip(package)
    form = load_format(name, "int8")
    assert form.KEEPS_LAYERS
    tensor, model = INPUTS.normalised(samples()), exportable(spoiled(network))
    with torch.no_grad():
        wanted = network(torch.from_numpy(tensor)).numpy()
    errors: dict[tuple[str, ...], float] = {}
    for kept in ((), ("conv3",)):
        folder = tmp_path / "-".join(("kept", *kept))
        folder.mkdir()
        files = form.write(replace(model, kept=kept, scratch=tmp_path), folder, "int8")
        opened = form.open_files(folder / files.model, folder / files.bare)
        errors[kept] = float(np.sqrt(np.square(opened.bare(tensor) - wanted).mean()))
    assert 5 * errors["conv3",] < errors[()]
    assert capsys.readouterr().out == ""  # standard output is for results
