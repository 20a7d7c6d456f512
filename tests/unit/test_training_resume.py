"""The random state that a saved training goes on with is that of the device it trains on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from eighteen.training.resume import _random_states, _set_random_states


class Generators:
    """The random states of a machine with several devices, the first of which is the current one."""

    def __init__(self) -> None:
        self.states = {torch.device("cuda", number): torch.tensor([number]) for number in range(2)}

    def get(self, device: Any = "cuda") -> torch.Tensor:
        return self.states[self._known(device)]

    def set(self, state: torch.Tensor, device: Any = "cuda") -> None:
        self.states[self._known(device)] = state

    def _known(self, device: Any) -> torch.device:
        named = torch.device(device)
        return torch.device("cuda", 0) if named.index is None else named


@pytest.fixture
def generators(monkeypatch: pytest.MonkeyPatch) -> Generators:
    made = Generators()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", made.get)
    monkeypatch.setattr(torch.cuda, "set_rng_state", made.set)
    return made


def test_a_second_gpu_goes_on_with_its_own_state(generators: Generators) -> None:
    device = torch.device("cuda", 1)
    saved = _random_states(device)
    assert int(saved["random.cuda"]) == 1
    generators.states = {each: torch.tensor([9]) for each in generators.states}
    _set_random_states(saved, device)
    assert {each.index: int(state) for each, state in generators.states.items()} == {0: 9, 1: 1}


def test_an_apple_gpu_goes_on_with_its_own_state(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[torch.Tensor] = []
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: torch.tensor([5]))
    monkeypatch.setattr(torch.mps, "set_rng_state", found.append)
    saved = _random_states(torch.device("mps"))
    _set_random_states(saved, torch.device("mps"))
    assert [int(state) for state in found] == [5]


def test_the_state_of_another_kind_of_device_is_left_alone(generators: Generators) -> None:
    saved = _random_states(torch.device("cpu"))
    assert list(saved) == ["random.cpu"], "a training on the CPU draws nothing elsewhere"
    before, drawn = dict(generators.states), torch.rand(3)
    for device in ("cpu", "cuda", "mps"):
        _set_random_states(saved, torch.device(device))
        assert torch.equal(torch.rand(3), drawn)
    _set_random_states(_random_states(torch.device("cuda", 1)), torch.device("cpu"))
    assert generators.states == before
