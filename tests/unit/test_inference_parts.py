"""Reading ahead, scoring, and the tables of predictions."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import nn

from eighteen.core.calibration import Calibration
from eighteen.core.dataset import Dataset, empty_table
from eighteen.core.errors import RunError, TrainingError, UnreadableImage
from eighteen.core.inputs import InputSpec
from eighteen.core.stored import read_predictions, write_predictions
from eighteen.core.tables import check_table_path, write_table
from eighteen.formats import _opening
from eighteen.inference import reading
from eighteen.inference.devices import choose_device
from eighteen.inference.files import PredictedFiles, expand, predict_files
from eighteen.inference.predictor import Prediction, Predictor
from eighteen.inference.reading import read_batches, read_pictures
from eighteen.inference.scoring import Scorer, evaluating
from eighteen.tasks._evidence import calibration_evidence

TEMPERED = Calibration("temperature", (2.0, 2.0), (0.0, 0.0))
INPUTS = InputSpec(size=8, channels=1, fit="squash", mean=(0.5,), std=(0.25,))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Ten pictures, the fourth and the last of which are broken; picture k is of grey 10 k."""
    paths = [tmp_path / f"{number}.png" for number in range(10)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((9, 12), 10 * number, np.uint8)).save(path)
    for broken in (paths[3], paths[9]):
        broken.write_bytes(b"no picture")
    return paths


@pytest.mark.parametrize("batch_size", [1, 3, 4, 10, 64])
@pytest.mark.parametrize("workers", [1, 4])
def test_everything_is_read_in_order(batch_size: int, workers: int, files: list[Path]) -> None:
    items: list[Any] = [(path, -1) for path in files]
    found = list(read_batches(items, INPUTS, batch_size, workers=workers))
    positions = [int(position) for batch in found for position in batch.positions]
    bad = [position for batch in found for position, _ in batch.unreadable]
    assert positions == [0, 1, 2, 4, 5, 6, 7, 8]
    assert bad == [3, 9]
    greys = np.concatenate([batch.pixels[:, 0, 0, 0] for batch in found])
    assert greys.tolist() == [10.0 * position for position in positions]
    assert all(len(batch.positions) + len(batch.unreadable) <= batch_size for batch in found)


def test_nothing_to_read_gives_nothing() -> None:
    assert list(read_batches([], INPUTS, 4)) == []


def test_reading_stays_a_little_ahead(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    plain = InputSpec.read

    def counting(self: InputSpec, *arguments: Any) -> Any:
        read.append(1)
        return plain(self, *arguments)

    monkeypatch.setattr(InputSpec, "read", counting)
    items: list[Any] = [(files[0], -1)] * 100
    batches = read_batches(items, INPUTS, 4, workers=2)
    next(batches)
    assert len(read) <= 16
    before = threading.active_count()
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() <= before


def test_large_pictures_are_read_ahead_and_batched_by_their_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of 100 pixels; 300 may be in a batch, and 300 may wait. Four threads overshoot by one each."""
    monkeypatch.setattr(reading, "MOST_PIXELS", 300)
    lock, read = threading.Lock(), 0

    def counting(self: InputSpec, pixels: Any) -> Any:
        nonlocal read
        with lock:
            read += 1
        return pixels

    monkeypatch.setattr(InputSpec, "to_channels_of", counting)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    items: list[Any] = [(np.full((10, 10, 3), number, np.uint8), -1) for number in range(40)]
    taken: list[int] = []
    for batch in read_pictures(items, INPUTS, 8):
        time.sleep(0.02)
        taken += [int(picture[0, 0, 0]) for picture in batch.pictures]
        assert len(batch.pictures) <= 3
        assert read <= len(taken) + 3 + 4
    assert taken == list(range(40))


def test_small_pictures_fill_their_batches(files: list[Path]) -> None:
    items: list[Any] = [(path, -1) for path in files]
    found = list(read_pictures(items, INPUTS, 4))
    assert [len(batch.positions) + len(batch.unreadable) for batch in found] == [4, 4, 2]


def test_nobody_waits_for_ever_when_reading_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_PIXELS", 1)
    items: list[Any] = [(np.zeros((10, 10, 3), np.uint8), -1)] * 40
    before = threading.active_count()
    batches = read_pictures(items, INPUTS, 8)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() <= before


def test_a_model_file_gets_few_large_pictures_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_opening, "PIXELS_A_CALL", 250)
    asked: list[tuple[int, ...]] = []

    def load(path: Path) -> tuple[_opening.Run, dict[str, str]]:
        def run(values: Any) -> Any:
            asked.append(values.shape)
            return values[:, 0, 0, :2].astype(np.float32)

        return run, {"input_spec": json.dumps(INPUTS.to_json()), "classes": '["a", "b"]'}

    (tmp_path / "model").touch()
    sides = [(10, 10)] * 5 + [(20, 20)] + [(10, 10)]
    pictures = [np.full((*side, 3), number, np.uint8) for number, side in enumerate(sides)]
    answers = _opening.open_described(tmp_path / "model", tmp_path, load).answer(pictures)
    assert answers[:, 0].tolist() == list(range(7))
    assert asked == [(2, 10, 10, 3), (2, 10, 10, 3), (2, 10, 10, 3), (1, 20, 20, 3)]


class Mean(nn.Module):
    """Logits of two classes from the mean of the normalised picture; remembers its mode."""

    def __init__(self) -> None:
        super().__init__()
        self.modes: list[bool] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.modes.append(self.training)
        mean = images.mean((1, 2, 3))
        return torch.stack([mean, -mean], dim=1)


def test_scores_use_evaluation_mode_and_the_stated_normalisation() -> None:
    network = Mean().train()
    scorer = Scorer(network, INPUTS, torch.device("cpu"))
    pixels = np.full((2, 1, 8, 8), 255.0, np.float32)
    logits = scorer(pixels)
    assert logits.dtype == np.float32
    assert logits[:, 0] == pytest.approx((1 - 0.5) / 0.25)
    assert np.allclose(scorer.normalised(torch.from_numpy(pixels)).numpy(), INPUTS.normalised(pixels))
    assert network.modes == [False]
    assert network.training


def test_the_mode_is_put_back_after_an_error() -> None:
    network = nn.Sequential(nn.Dropout(0.5)).train()
    with pytest.raises(ValueError), evaluating(network):
        assert not network.training
        raise ValueError
    assert network.training
    assert network[0].training


def predictor() -> Predictor:
    return Predictor(Scorer(Mean(), INPUTS, torch.device("cpu")), INPUTS, ["bright", "dark"])


def test_predictions_come_in_the_order_of_their_sources(files: list[Path]) -> None:
    array = np.full((5, 6, 3), 200, np.uint8)
    sources = [*files, files[0].read_bytes(), array]
    rows = predictor().predict(sources, batch_size=3)
    assert len(rows) == 12
    assert [bool(row.error) for row in rows] == [number in (3, 9) for number in range(12)]
    assert [row.label for row in rows[:3]] == ["dark"] * 3
    assert rows[10] == rows[0]
    assert rows[11].label == "bright"
    assert all(sum(row.probabilities) == pytest.approx(1) for row in rows if not row.error)
    assert rows[3].probabilities == ()
    assert predictor().predict([]) == []


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_arrays_that_are_no_pictures_say_what_is_expected(array: Any) -> None:
    with pytest.raises(UnreadableImage, match="RGB order"):
        INPUTS.to_channels_of(array)
    (row,) = predictor().predict([array])
    assert "uint8 [H, W, 3]" in row.error


def test_a_data_set_is_scored_with_every_row_accounted_for(files: list[Path]) -> None:
    rows = [
        {"id": path.name, "path": path.name, "index": -1, "target": "dark", "split": "val", "group": "g"}
        for path in files
    ]
    extra = {"sha256": "", "width": 0, "height": 0, "mode": ""}
    table = pl.DataFrame([{**row, **extra} for row in rows], schema=empty_table().schema)
    found = predictor().score(Dataset(table, ("bright", "dark"), files[0].parent), batch_size=4, seed=5)
    assert found.counts == {"expected": 10, "scored": 8, "unreadable": 2}
    assert [image for image, _ in found.unreadable] == ["3.png", "9.png"]
    assert all(reason for _, reason in found.unreadable)
    assert found.rows["id"].to_list() == [path.name for path in files if path.name not in ("3.png", "9.png")]
    assert set(found.rows["seed"]) == {5}
    assert found.logits.shape == (8, 2)
    assert found.rows["score"].to_numpy() == pytest.approx(found.probabilities.max(axis=1))


def test_the_table_of_predictions(tmp_path: Path) -> None:
    rows = (Prediction("b", 0.75, (0.25, 0.75)), Prediction("", 0.0, (), "empty file"))
    predicted = PredictedFiles(("ä,1.png", "x.png"), rows, ("a", "b"))
    for ending, read in ((".csv", pl.read_csv), (".parquet", pl.read_parquet), (".jsonl", pl.read_ndjson)):
        path = tmp_path / "deep" / f"table{ending}"
        write_table(path, predicted.to_table())
        first, second = read(path).to_dicts()  # type: ignore[operator]
        assert (first["path"], first["label"], first["score"]) == ("ä,1.png", "b", 0.75)
        assert (first["p:a"], first["p:b"]) == (0.25, 0.75)
        assert (second["error"], second["score"], second["p:a"]) == ("empty file", None, None)
        with pytest.raises(RunError, match="never overwritten"):
            write_table(path, predicted.to_table())
    for name in ("t.xlsx", "t", "t.CSVX"):
        with pytest.raises(RunError, match="use one of"):
            check_table_path(tmp_path / name)


def test_folders_are_expanded_and_files_kept(files: list[Path], tmp_path: Path) -> None:
    assert expand([files[2], tmp_path]) == ([files[2], *files], [])
    assert expand([tmp_path / "none.png"]) == ([tmp_path / "none.png"], [])


def test_entries_that_cannot_be_opened_are_named_not_missing(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(files[0].read_bytes())
    found, left_out = expand([tmp_path])
    assert found == files
    assert [(Path(item.path).name, item.reason[:11]) for item in left_out] == [
        ("caf\\xe9.png", "its name is"),
        ("gone.png", "broken link"),
    ]
    predictor = Predictor(lambda pixels: np.zeros((len(pixels), 2), np.float32), INPUTS, ("a", "b"))
    table = predict_files(predictor, [tmp_path, tmp_path / os.fsdecode(b"caf\xe9.png")]).to_table()
    assert table["path"].to_list()[-3:] == [str(tmp_path / "caf\\xe9.png"), *(i.path for i in left_out)]
    assert [bool(error) for error in table["error"]][-3:] == [False, True, True]


def test_devices() -> None:
    assert choose_device("cpu") == (torch.device("cpu"), "")
    device, note = choose_device("auto")
    assert device.type in ("cpu", "cuda", "mps")
    assert note == ""
    device, note = choose_device(f"cuda:{torch.cuda.device_count()}")
    assert device.type == "cpu"
    assert "is not there; the CPU is used instead" in note
    with pytest.raises(TrainingError, match="is no device; use auto, cpu"):
        choose_device("gpu")
    assert choose_device("meta")[0].type == "cpu"


def test_one_picture_is_not_taken_for_a_list_of_them() -> None:
    predictor = Predictor(lambda pixels: np.zeros((len(pixels), 2), np.float32), INPUTS, ("a", "b"))
    picture = np.zeros((4, 5, 3), np.uint8)
    for source in ("cat.png", Path("cat.png"), b"\x89PNG", picture):
        with pytest.raises(TypeError, match="give a list"):
            predictor.predict(source)  # type: ignore[arg-type]
    assert len(predictor.predict(picture[None])) == 1


def test_a_table_may_end_in_capitals(tmp_path: Path) -> None:
    write_table(tmp_path / "answers.CSV", PredictedFiles((), (), ("cat",)).to_table())
    assert (tmp_path / "answers.CSV").read_text().startswith("path,label,score,error,p:cat")


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there are no pictures to predict"):
        predict_files(Predictor(lambda pixels: pixels, InputSpec(), ("cat",)), [tmp_path])


@pytest.mark.parametrize(("calibration", "known"), [(Calibration(), True), (TEMPERED, False)])
def test_a_files_own_logits_are_known_only_where_it_does_not_calibrate(
    calibration: Calibration, known: bool, tmp_path: Path
) -> None:
    """Not even where its predictions are read back, and so no measure is made of them."""
    pictures = [np.full((8, 8, 3), 60 * number, np.uint8) for number in range(4)]
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    extra = {"index": -1, "split": "val", "group": "", "sha256": "", "width": 8, "height": 8, "mode": "RGB"}
    rows = [{"id": f"{n}", "path": f"{n}.png", "target": "ab"[n % 2], **extra} for n in range(4)]
    dataset = Dataset(pl.DataFrame(rows, schema=empty_table().schema), ("a", "b"), tmp_path)

    def load(path: Path) -> tuple[_opening.Run, dict[str, str]]:
        notes = {"calibration": json.dumps(calibration.to_json()), "classes": '["a", "b"]'}
        notes["input_spec"] = json.dumps(INPUTS.to_json())
        return (lambda values: values[:, 0, 0, :2].astype(np.float32) / 60), notes

    opened = _opening.open_described(tmp_path, tmp_path, load)
    said = Predictor.of(opened).score(dataset)
    assert said.own_logits is known
    write_predictions(tmp_path / "predictions", "val", said)
    again = read_predictions(tmp_path / "predictions", "val")
    assert again.own_logits is again.where(np.array([True, False, True, True])).own_logits is known
    measures, details = calibration_evidence(again, "val", 0.95, 100)
    assert set(measures) == ({"ece_uncalibrated"} if known else set())
    assert set(details["calibration"]) == ({"before", "after"} if known else {"after"})
