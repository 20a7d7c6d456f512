"""The random numbers of augmentation: even, unrelated, and bound to picture and epoch alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from eighteen.augmenting.draws import DRAW_COUNT, Draw, image_keys, uniforms

KEYS = image_keys([f"folder/{i}.png" for i in range(4000)])
NEIGHBOURS = np.arange(4000, dtype=np.uint64)


@pytest.mark.parametrize("keys", [KEYS, NEIGHBOURS], ids=["hashed", "neighbouring"])
@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (0, 1), (1, 0), (-5, 10**12)])
def test_each_column_is_even(keys: np.ndarray, seed: int, epoch: int) -> None:
    values = uniforms(seed, epoch, keys, 8)
    assert values.dtype == np.float64
    assert 0.0 <= values.min() < values.max() < 1.0
    for column in values.T:
        counts, _ = np.histogram(column, bins=50, range=(0, 1))
        assert stats.chisquare(counts).pvalue > 1e-5


def test_columns_epochs_seeds_and_neighbouring_keys_are_unrelated() -> None:
    base = uniforms(3, 7, NEIGHBOURS, 6)
    others = {
        "columns": (base[:, 0], base[:, 1]),
        "distant columns": (base[:, 0], base[:, 5]),
        "epochs": (base[:, 0], uniforms(3, 8, NEIGHBOURS, 6)[:, 0]),
        "seeds": (base[:, 0], uniforms(4, 7, NEIGHBOURS, 6)[:, 0]),
        "seed and epoch swapped": (base[:, 0], uniforms(7, 3, NEIGHBOURS, 6)[:, 0]),
        "keys": (base[:-1, 0], base[1:, 0]),
        "next key, next column": (base[:-1, 1], base[1:, 0]),
    }
    for name, (left, right) in others.items():
        table, _, _ = np.histogram2d(left, right, bins=8, range=[(0, 1), (0, 1)])
        assert stats.chisquare(table.ravel()).pvalue > 1e-5, name
        # Four standard errors of a correlation that is nought.
        assert abs(np.corrcoef(left, right)[0, 1]) < 4 / np.sqrt(len(left)), name


def test_no_two_streams_share_a_number() -> None:
    values = np.concatenate([uniforms(s, e, NEIGHBOURS, 4).ravel() for s in range(3) for e in range(3)])
    assert len(np.unique(values)) == len(values)


def test_a_row_depends_on_its_key_alone() -> None:
    alone = uniforms(1, 2, KEYS[17:18], 5)
    assert np.array_equal(uniforms(1, 2, KEYS, 5)[17], alone[0])
    assert np.array_equal(uniforms(1, 2, KEYS[::-1], 5)[-18], alone[0])
    assert np.array_equal(uniforms(1, 2, KEYS, 9)[17, :5], alone[0])


def test_keys_are_those_of_the_ids_whatever_the_machine() -> None:
    keys = image_keys(["a", "b", "a", "ä#1", "\udc80"])
    # BLAKE2b-64 of "a", read little-endian.
    assert int(keys[0]) == int.from_bytes(bytes.fromhex("40f89e395b66422f"), "little")
    assert keys[0] == keys[2] and len(set(keys.tolist())) == 4
    assert keys.dtype == np.uint64
    assert image_keys([]).shape == (0,)


def test_every_decision_has_a_position_of_its_own() -> None:
    positions = [draw.value for draw in Draw]
    assert len(Draw.__members__) == len(set(positions))
    assert max(positions) == Draw.CORNERS < DRAW_COUNT
