"""Which answers of the C library mean that freed memory is kept."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace

import pytest

from eighteen.core.memory import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, keep_freed_memory


def asked(largest: int, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, dict[int, int]]:
    """What is said, and the settings, where blocks above `largest` bytes are always mapped."""
    settings: dict[int, int] = {}

    def mallopt(name: int, value: int) -> int:
        if name == M_MMAP_THRESHOLD and value > largest:
            return 0
        settings[name] = value
        return 1

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=mallopt))
    return keep_freed_memory(), settings


@pytest.mark.parametrize("largest", [2**62, 2**25])
def test_blocks_are_kept_as_far_as_the_library_lets_us(largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    agreed, settings = asked(largest, monkeypatch)
    assert agreed
    assert settings == {M_MMAP_THRESHOLD: min(2**30, largest), M_TRIM_THRESHOLD: 2**30}


def test_where_large_blocks_are_refused_small_ones_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    agreed, settings = asked(2**20, monkeypatch)
    assert not agreed
    assert settings == {M_TRIM_THRESHOLD: 2**30}


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    assert not keep_freed_memory()
