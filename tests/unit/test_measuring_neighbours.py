"""Neighbours: equal to scikit-learn in blocks of any size, without the picture itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from eighteen import audit
from eighteen.core.errors import EighteenError
from eighteen.measuring import neighbours as module
from eighteen.measuring.neighbours import find_neighbours
from eighteen.training.features import FeatureReader, features_of


def features(n: int, seed: int, width: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


@pytest.mark.parametrize("cells", [1, 130, 1 << 24])
def test_it_equals_scikit_learn_in_blocks_of_any_size(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_CELLS", cells)
    training, queries = features(60, 0), features(9, 1) * 100
    found = find_neighbours(training, queries, k=4)
    distance, rows = (
        NearestNeighbors(n_neighbors=4, metric="cosine", algorithm="brute").fit(training).kneighbors(queries)
    )
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.similarity, 1 - distance, atol=1e-6)


def test_a_training_picture_is_not_its_own_neighbour() -> None:
    training = features(20, 2)
    assert find_neighbours(training, training[[7, 3]], k=1).rows.ravel().tolist() == [7, 3]
    found = find_neighbours(training, training[[7, 3]], k=19, own_rows=np.array([7, -1]))
    assert sorted(found.rows[0]) == [row for row in range(20) if row != 7]
    assert found.rows[1, 0] == 3 and np.isfinite(found.similarity).all()


def test_as_many_as_there_are() -> None:
    training = features(3, 3)
    assert find_neighbours(training, features(2, 4), k=5).rows.shape == (2, 3)
    assert find_neighbours(training, training[:1], k=5, own_rows=np.array([0])).rows.shape == (1, 2)
    assert find_neighbours(training, features(0, 4), k=2).rows.shape == (0, 2)


def test_features_of_zeros_are_like_nothing() -> None:
    training = features(4, 5)
    assert (find_neighbours(training, np.zeros((1, 6), np.float32), k=4).similarity == 0).all()


def test_equally_near_pictures_come_in_the_order_of_their_rows() -> None:
    training = np.array([[0, 1], [2, 0], [1, 0], [3, 0]], np.float32)
    assert find_neighbours(training, np.array([[1, 0]], np.float32), k=3).rows.tolist() == [[1, 2, 3]]


def test_neighbours_are_of_the_same_class(striped_squares: Any) -> None:
    seen, unseen = striped_squares.seen, striped_squares.unseen
    network, inputs = striped_squares.network.train(), striped_squares.inputs
    try:
        bank, asked = (features_of(network, inputs, part.pixels) for part in (seen, unseen))
        assert network.training
    finally:
        network.eval()
    found = find_neighbours(bank, asked)
    assert (seen.targets[found.rows] == unseen.targets[:, None]).mean() > 0.95


def test_features_are_those_of_the_training_pictures(striped_squares: Any, tmp_path: Path) -> None:
    pixels = np.rint(striped_squares.unseen.pixels[:6])
    for row, picture in enumerate(pixels):
        folder = tmp_path / "photos" / "ab"[row % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.astype(np.uint8).transpose(1, 2, 0)).save(folder / f"{row}.png")
    network, inputs = striped_squares.network, striped_squares.inputs
    dataset = audit(tmp_path / "photos").dataset
    plain, _ = FeatureReader(network, inputs, torch.device("cpu"), 10**6).read(dataset)
    order = [int(Path(name).stem) for name in dataset.ids]
    np.testing.assert_allclose(features_of(network, inputs, pixels)[order], plain, atol=1e-5)


def test_refusals(striped_squares: Any) -> None:
    one = features(1, 0)
    with pytest.raises(EighteenError, match="there are no training pictures"):
        find_neighbours(one[:0], one)
    with pytest.raises(EighteenError, match=r"shapes \(1, 6\) and \(1, 5\).*k=0, expected 1 or more"):
        find_neighbours(one, one[:, :5], k=0)
    with pytest.raises(EighteenError, match="not all finite"):
        find_neighbours(one, one * np.nan)
    with pytest.raises(EighteenError, match="own_rows are no 1 rows"):
        find_neighbours(one, one, own_rows=np.array([1]))
    with pytest.raises(EighteenError, match="the only training picture is the one asked about"):
        find_neighbours(one, one, own_rows=np.array([0]))
    with pytest.raises(EighteenError, match="no picture to take features of"):
        features_of(striped_squares.network, striped_squares.inputs, np.empty((0, 3, 32, 32), np.float32))
