"""Cost: what is counted, what is timed, and when it is measured again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eighteen.core.dataset import Dataset, empty_table
from eighteen.core.errors import EighteenError
from eighteen.core.inputs import InputSpec
from eighteen.core.places import cache_folder
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.evaluating import _timing, cost
from eighteen.evaluating._fresh_process import resident_peaks
from eighteen.evaluating._live_memory import count_live_bytes
from eighteen.evaluating._machine import describe_machine, thread_count
from eighteen.evaluating.cost import Cost, measure_cost
from eighteen.formats import native
from eighteen.inference.scoring import Scorer


class Tiny(nn.Sequential):
    """Two classes from 8-pixel pictures; counts its calls on real pictures."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(
            nn.Conv2d(3, width, 1, bias=False),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, 2),
        )
        self.calls: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> Tensor:
        if images.device.type != "meta":
            self.calls.append(tuple(images.shape))
        return super().forward(images)


class Broken(Tiny):
    """Fails on real pictures."""

    def forward(self, images: Tensor) -> Tensor:
        if images.device.type != "meta":
            raise ArithmeticError
        return super().forward(images)


INPUTS = InputSpec(size=8)


def quick(network: nn.Module, inputs: InputSpec = INPUTS, **settings: Any) -> Cost:
    return measure_cost(network, inputs, **{"batch_sizes": (1, 2), "threads": (1,), "repeats": 3, **settings})


def test_the_parts_of_a_cost() -> None:
    found = quick(Tiny(), batch_sizes=(2, 1, 2))
    assert found.parameters == 3 * 4 + 4 * 2 + 2
    assert found.macs == 8 * 8 * 3 * 4 + 4 * 2
    assert found.size_bytes == 4 * found.parameters
    assert [(one.batch_size, one.threads, one.repeats) for one in found.timings] == [(1, 1, 3), (2, 1, 3)]
    for one in found.timings:
        assert 0 < one.p50_ms <= one.p95_ms
        assert one.images_per_s > 0
    assert [one.batch_size for one in found.memory] == [1, 2]
    assert {one.process_bytes for one in found.memory} == {None}
    assert found.machine["torch"] == torch.__version__
    assert found.note == ""
    assert "0.00 million parameters" in found.sentence
    assert found.machine["processor"] in found.sentence


def test_more_work_is_counted_for_larger_pictures_and_wider_networks() -> None:
    small, large = quick(Tiny()), quick(Tiny(), InputSpec(size=16))
    assert large.parameters == small.parameters
    assert large.macs > 3 * small.macs
    assert large.memory[0].tensor_bytes > 3 * small.memory[0].tensor_bytes
    wide = quick(Tiny(16))
    assert wide.macs == 4 * small.macs
    assert wide.size_bytes > small.size_bytes


def test_a_mirrored_pass_is_counted_and_run() -> None:
    network, mirrored = Tiny(), INPUTS.model_copy(update={"mirror_average": True})
    assert quick(network, mirrored).macs == 2 * quick(Tiny()).macs
    once = Tiny()
    quick(once)
    assert len(network.calls) == 2 * len(once.calls)


def test_times_are_those_of_the_scorer(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(np.cumsum([0, 2, 1, 4, 1, 2, 1, 2, 1, 10]).tolist())  # seconds: calls of 2, 4, 2, 2, 10
    monkeypatch.setattr(_timing.time, "perf_counter", lambda: next(ticks))
    scorer = Scorer(Tiny(), INPUTS, torch.device("cpu"))
    (timing,) = _timing.time_scorer(scorer, INPUTS, [4], [1], 5)
    assert timing.p50_ms == pytest.approx(2000 / 4)
    assert timing.p95_ms == pytest.approx(1000 * np.quantile([2, 2, 2, 4, 10], 0.95) / 4)
    assert timing.images_per_s == pytest.approx(4 * 5 / 20)


def test_warm_up_is_not_timed_and_slow_settings_end_early(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Tiny()
    monkeypatch.setattr(_timing, "MOST_S", 0.0)
    found = quick(network, batch_sizes=(2,), repeats=50)
    assert found.timings[0].repeats == _timing.FEWEST_REPEATS
    assert network.calls == [(2, 3, 8, 8)] * (_timing.WARM_UPS + _timing.FEWEST_REPEATS)


def test_a_second_look_does_not_measure() -> None:
    network = Tiny()
    first = quick(network)
    calls = len(network.calls)
    second = quick(network)
    assert len(network.calls) == calls
    assert second.timings == first.timings
    assert second.note == f"measured on {first.measured}, from the cache"
    assert quick(network, again=True).note == ""
    assert len(network.calls) == 2 * calls


@pytest.mark.parametrize("change", ["weights", "structure", "inputs", "repeats", "batch_sizes", "threads"])
def test_what_decides_a_cost_is_measured_again(change: str) -> None:
    torch.manual_seed(0)
    network = Tiny()
    quick(network)
    calls, inputs, settings = len(network.calls), INPUTS, {}
    if change == "weights":
        with torch.no_grad():
            network[0].weight += 1
    elif change == "structure":
        network[1] = nn.GELU()
    elif change == "inputs":
        inputs = InputSpec(size=8, fit="squash")
    else:
        settings = {change: {"repeats": 4, "batch_sizes": (1, 3), "threads": (1, 2)}[change]}
    quick(network, inputs, **settings)
    assert len(network.calls) > calls


@pytest.mark.parametrize("part", ["processor", "cores", "torch", "device"])
def test_another_machine_measures_again(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Tiny()
    here = quick(network).machine
    calls = len(network.calls)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(cost, "describe_machine", lambda device: {**here, part: "another"})
        assert quick(network).machine[part] == "another"
    assert len(network.calls) == 2 * calls
    assert quick(network).machine == here
    assert len(network.calls) == 2 * calls


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"memory": [], "timings": [], "speed": 1}'])
def test_a_damaged_cache_is_measured_again(content: str) -> None:
    network = Tiny()
    quick(network)
    calls = len(network.calls)
    (file,) = cache_folder("cost").iterdir()
    file.write_text(content)
    assert quick(network).note == ""
    assert len(network.calls) == 2 * calls
    assert "from the cache" in quick(network).note


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = quick(Tiny())
    assert found.note.startswith("this will be measured again the next time (cannot write ")
    assert len(found.timings) == 2


def test_a_cost_comes_back_from_json() -> None:
    found = quick(Tiny())
    assert Cost.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


def test_the_number_of_threads_and_the_network_are_left_as_they_were() -> None:
    before = torch.get_num_threads()
    network = Tiny().train()
    seen: list[int] = []
    network.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    quick(network, threads=(before + 1, before + 2))
    assert {before + 1, before + 2} <= set(seen)
    assert torch.get_num_threads() == before
    with pytest.raises(ArithmeticError):
        quick(Broken(), threads=(before + 3,))
    assert torch.get_num_threads() == before
    assert network.training
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


def test_settings_out_of_range_are_all_named() -> None:
    with pytest.raises(EighteenError) as caught:
        quick(Tiny(), batch_sizes=(), threads=(0,), repeats=0)
    for part in ("batch sizes are []", "threads are [0]", "repeats are [0]"):
        assert part in str(caught.value)


def test_progress_tells_each_setting() -> None:
    told: list[tuple[str, int, int]] = []
    quick(Tiny(), threads=(1, 2), progress=lambda stage, done, total, note: told.append((stage, done, total)))
    assert told == [("cost", k, 4) for k in (1, 2, 3, 4)]


def test_memory_is_that_of_the_tensors_alive_at_once() -> None:
    weights, images, maps = 4 * (12 + 8 + 2), 2 * 3 * 64 * 4, 2 * 4 * 64 * 4
    network = Tiny()
    assert count_live_bytes(network, INPUTS, 2) == weights + images + 2 * maps  # convolution and its ReLU
    network[1] = nn.ReLU(inplace=True)
    assert count_live_bytes(network, INPUTS, 2) == weights + images + maps + 2 * 4 * 4  # and its means
    assert not network.calls
    # The first layer's output is gone when the last is made, the widest pair decides.
    chain = nn.Sequential(*(nn.Conv2d(a, b, 1, bias=False) for a, b in ((3, 8), (8, 4), (4, 2))))
    assert count_live_bytes(chain, INPUTS, 1) == 4 * (24 + 32 + 8) + 4 * 64 * (3 + 8 + 4)
    mirrored = INPUTS.model_copy(update={"mirror_average": True})
    both = count_live_bytes(Tiny(), mirrored, 2)
    assert both == weights + 2 * images + 2 * maps + 2 * 2 * 4  # and the logits of the first pass


def test_the_machine_is_described() -> None:
    found = describe_machine(torch.device("cpu"))
    assert found["device"] == "cpu"
    assert int(found["cores"]) >= 1
    assert found["processor"]
    with pytest.raises(KeyError), thread_count(torch.get_num_threads() + 1):
        raise KeyError


@pytest.fixture
def run(tmp_path: Path) -> Run:
    recipe = Recipe.model_validate(
        {"model": {"name": "test_resnet", "weights": "none", "stem": "imagenet"}, "inputs": {"channels": 3}}
    )
    with Run.creating(tmp_path / "run", "classification") as made:
        made.save_recipe(recipe, {})
        made.save_dataset(Dataset(empty_table(), ("cat", "dog"), tmp_path))
        made.save_inputs(InputSpec(size=64))
        made.save_weights(native.build(recipe, 2).state_dict(), {})
    return Run.open(tmp_path / "run")


def test_a_fresh_process_tells_its_peak(run: Run) -> None:
    found = quick(native.open_network(run), run.inputs, batch_sizes=(1, 64), run=run.path)
    one, many = found.memory
    assert one.process_bytes is not None and many.process_bytes is not None
    assert one.process_bytes > 50e6  # Python and PyTorch alone
    assert many.process_bytes - one.process_bytes > (many.tensor_bytes - one.tensor_bytes) / 2


def test_a_fresh_process_that_fails_says_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(EighteenError, match=r"could not be measured: .* is no run folder of eighteen"):
        resident_peaks(tmp_path / "nothing", (1,), 1)
