"""What must not change a trained model, and what must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from eighteen import Run, train

AUGMENTED = {"augment.erasing": 0.5, "augment.rotation_degrees": 10.0, "model.dropout": 0.2}


@pytest.fixture(scope="module")
def plain(pictures: Path, small: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = small(**AUGMENTED, **{"training.workers": 1})
    return train(pictures, tmp_path_factory.mktemp("plain") / "run", recipe)


@pytest.mark.parametrize("cache_fraction", [0.25, 0.0])
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_and_cache_change_nothing(
    workers: int, cache_fraction: float, plain: Run, pictures: Path, small: Any, tmp_path: Path
) -> None:
    changes = {**AUGMENTED, "training.workers": workers, "training.cache_fraction": cache_fraction}
    run = train(pictures, tmp_path / "run", small(**changes))
    assert run.weights_path.read_bytes() == plain.weights_path.read_bytes()
    assert run.measures == plain.measures


def test_another_seed_changes_the_weights(plain: Run, pictures: Path, small: Any, tmp_path: Path) -> None:
    recipe = small(**AUGMENTED, **{"training.workers": 1, "seed": 1})
    run = train(pictures, tmp_path / "run", recipe)
    assert run.weights_path.read_bytes() != plain.weights_path.read_bytes()
    assert run.dataset.table.equals(plain.dataset.table), "the split has its own seed"


def test_rows_in_another_order_change_nothing(pictures: Path, small: Any, tmp_path: Path) -> None:
    files = sorted(pictures.rglob("*.png"))
    rows = pl.DataFrame(
        {
            "image": [str(file.relative_to(pictures)) for file in files],
            "label": [file.parent.name for file in files],
            "split": [file.parent.parent.name for file in files],
        }
    )
    shuffled = rows[np.random.default_rng(3).permutation(len(rows))]
    runs = []
    for name, table in (("one", rows), ("two", shuffled)):
        table.write_csv(pictures / f"{name}.csv")
        runs.append(train(pictures / f"{name}.csv", tmp_path / name, small(**AUGMENTED)))
        (pictures / f"{name}.csv").unlink()
    one, two = runs
    assert one.weights_path.read_bytes() == two.weights_path.read_bytes()
    assert {row["epoch"]: row["train_loss"] for row in one.history} == {
        row["epoch"]: row["train_loss"] for row in two.history
    }
    for name, measure in one.measures["val"].items():
        other = two.measures["val"][name]
        assert (measure.value, measure.low, measure.high) == pytest.approx(
            (other.value, other.low, other.high), abs=1e-9
        ), name


def test_command_and_function_leave_the_same_folder(
    pictures: Path, trained: Run, eighteen: Any, small_flags: Any, tmp_path: Path
) -> None:
    said = eighteen("train", pictures, "--out", tmp_path / "run", *small_flags({}))
    assert said.code == 0, said.err

    def files(root: Path) -> set[str]:
        return {path.relative_to(root).as_posix() for path in root.rglob("*")}

    assert files(tmp_path / "run") == files(trained.path)
    for name in (
        "weights.safetensors",
        "recipe.json",
        "inputs.json",
        "dataset.json",
        "dataset.parquet",
        "audit.json",
        "measures.json",
        "environment.json",
        "predictions/val.parquet",
        "predictions/val.safetensors",
        "predictions/val.json",
    ):
        assert (tmp_path / "run" / name).read_bytes() == (trained.path / name).read_bytes(), name
