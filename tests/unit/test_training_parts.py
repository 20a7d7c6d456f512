"""The parts of training, each by its formula or its promise."""

from __future__ import annotations

import math
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from eighteen.augmenting.batch import BatchAugmenter
from eighteen.augmenting.draws import image_keys
from eighteen.augmenting.mixing import Mixing
from eighteen.augmenting.settings import AugmentSettings
from eighteen.core.recipe import OptimizerSection, Recipe, ScheduleSection
from eighteen.models.family import build
from eighteen.training import optimizer as optimizer_module
from eighteen.training.averaging import WeightAverage
from eighteen.training.batches import TrainBatches, batch_slices
from eighteen.training.budget import MIN_EPOCHS, fit_to_budget
from eighteen.training.cache import stored_side_px
from eighteen.training.optimizer import make_optimizer, set_rate
from eighteen.training.precision import Mode, fastest, measure_modes, mode_of
from eighteen.training.resume import Moving, Position
from eighteen.training.schedule import rate_factor
from eighteen.training.selection import is_better, last_is_as_good
from eighteen.training.stopping import listening

# Schedule


def factors(steps: int, **section: Any) -> list[float]:
    return [rate_factor(step, steps, ScheduleSection(**section)) for step in range(steps)]


@pytest.mark.parametrize("name", ["onecycle", "cosine", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.2, 0.9, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 997])
def test_rates_rise_then_fall_and_never_vanish(name: str, warmup: float, steps: int) -> None:
    values = factors(steps, name=name, warmup_fraction=warmup)
    peak = int(np.argmax(values))
    assert 0 < min(values) <= max(values) <= 1
    assert all(before < after for before, after in pairwise(values[: peak + 1]))
    assert all(before >= after for before, after in pairwise(values[peak:]))
    assert max(values) == 1.0


def test_rates_follow_their_formulas() -> None:
    linear = factors(10, name="onecycle", warmup_fraction=0.2)
    assert linear == pytest.approx([1 / 3, 2 / 3, *(1 - k / 8 for k in range(8))])
    cosine = factors(8, name="cosine", warmup_fraction=0.0, final_fraction=0.1)
    assert cosine == pytest.approx([0.1 + 0.45 * (1 + math.cos(math.pi * k / 8)) for k in range(8)])


def test_cosine_agrees_with_torch() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)
    expected = []
    for _ in range(12):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    assert factors(12, name="cosine", warmup_fraction=0.0) == pytest.approx(expected)


# Batches


class Pixels:
    """Stands in for the stored squares."""

    def __init__(self, count: int) -> None:
        self.aspects = np.ones(count, np.float32)
        self.taken: list[str] = []
        self.threads: set[int] = set()
        self.in_memory = True

    def take(self, rows: Any, pool: Any) -> Any:
        self.taken.append(threading.current_thread().name)
        self.threads.add(torch.get_num_threads())
        return np.repeat(rows.astype(np.uint8), 64).reshape(len(rows), 1, 8, 8)


def batches(ids: list[str], batch_size: int, workers: int = 0, seed: int = 0, **more: Any) -> TrainBatches:
    augmenter = BatchAugmenter(AugmentSettings(), 8, [0.0], [1 / 255.0])
    squares: Any = Pixels(len(ids))
    return TrainBatches(squares, torch.arange(len(ids)), ids, augmenter, batch_size, seed, workers, **more)


@pytest.mark.parametrize("n", range(2, 40))
@pytest.mark.parametrize("batch_size", [2, 3, 8, 16, 17, 100])
def test_every_picture_once_and_none_alone(n: int, batch_size: int) -> None:
    slices = batch_slices(n, batch_size)
    sizes = [part.stop - part.start for part in slices]
    assert sum(sizes) == n
    assert min(sizes) >= 2
    assert max(sizes) <= batch_size + 1
    assert [part.start for part in slices[1:]] == [part.stop for part in slices[:-1]]


@pytest.mark.parametrize("in_turns", [False, True])
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_epoch_shows_each_picture_with_its_target(workers: int, in_turns: bool) -> None:
    made = batches([f"{number}.png" for number in range(19)], 4, workers, in_turns=in_turns)
    seen = list(made.epoch(0))
    assert len(seen) == len(made)
    rows = np.concatenate([batch.rows for batch in seen])
    assert sorted(rows) == list(range(19))
    for batch in seen:
        assert batch.targets.tolist() == batch.rows.tolist()
        assert torch.allclose(batch.images[:, 0, 0, 0], batch.targets.float(), atol=1e-4)


def test_order_belongs_to_seed_epoch_and_id() -> None:
    ids = [f"{number}.png" for number in range(50)]
    made = batches(ids, 8)
    assert made.order(0).tolist() == batches(ids, 8).order(0).tolist()
    assert made.order(0).tolist() != made.order(1).tolist()
    assert made.order(0).tolist() != batches(ids, 8, seed=1).order(0).tolist()
    shuffled = np.random.default_rng(0).permutation(50)
    others = [ids[row] for row in shuffled]
    mine = [ids[row] for row in made.order(3)]
    assert [others[row] for row in batches(others, 8).order(3)] == mine


@pytest.mark.parametrize("in_turns", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_goes_on_where_it_was_left(workers: int, in_turns: bool) -> None:
    made = batches([str(number) for number in range(30)], 4, workers, in_turns=in_turns)
    whole = [batch.rows.tolist() for batch in made.epoch(2)]
    for start in (0, 1, 5, len(made)):
        assert [batch.rows.tolist() for batch in made.epoch(2, start)] == whole[start:]


def test_batches_in_turns_with_the_step_are_made_by_one_core_each() -> None:
    """And the step keeps all of them, as do threads that begin later."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        made = batches([str(number) for number in range(30)], 4, workers=2, in_turns=True)
        each = iter(made.epoch(0))
        first = next(each)
        squares: Any = made.squares
        assert len(squares.taken) == 2, "one for each core before the first step"
        assert torch.get_num_threads() == 2
        rest = list(each)
        assert squares.threads == {1}
        assert {name.rsplit("_", 1)[0] for name in squares.taken} == {"decode"}
        assert sorted(row for batch in (first, *rest) for row in batch.rows) == list(range(30))
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == 2
        for in_memory, workers in ((False, 2), (True, 1)):
            squares.in_memory, squares.taken, made.workers = in_memory, [], workers
            list(made.epoch(0))
            assert set(squares.taken) == {"batches"}, "ahead: what has to be read, or cores would stand idle"
    finally:
        torch.set_num_threads(before)


def test_pictures_come_out_alike_by_one_core_and_by_several() -> None:
    """A run that goes on may read its pictures in another way than it began: memory decides."""
    settings = AugmentSettings(
        crop="resized", crop_scale_min=0.3, horizontal_flip=0.5, rotation_degrees=20, brightness=0.4,
        contrast=0.4, saturation=0.4, hue=0.1, erasing=0.5, blur=0.5,
    )  # fmt: skip
    augmenter = BatchAugmenter(settings, 160, [120.0] * 3, [0.02] * 3)
    pixels = torch.randint(0, 256, (8, 3, 200, 200), dtype=torch.uint8, generator=torch.manual_seed(0))
    keys, before, made = image_keys(list("abcdefgh")), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            made.append(augmenter(pixels, torch.ones(8), keys, 0, 0))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(made[0], made[1]) and torch.equal(made[0], made[2])


def test_partners_follow_in_the_order_whatever_the_batch_size() -> None:
    """The value of a picture is its row, its target names it: a mixture must show what its target says."""

    def soft(targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(targets, 21).float()

    ids = [str(number) for number in range(21)]
    mixing = Mixing(mixup_alpha=1.0)
    small = list(batches(ids, 4, mixing=mixing, soft=soft).epoch(1))
    large = list(batches(ids, 10, workers=2, mixing=mixing, soft=soft).epoch(1))
    images = torch.cat([batch.images for batch in small])
    targets = torch.cat([batch.targets for batch in small])
    assert torch.equal(images, torch.cat([batch.images for batch in large]))
    assert torch.equal(targets, torch.cat([batch.targets for batch in large]))
    shown = (targets * torch.arange(21.0)).sum(1)
    assert torch.allclose(images[:, 0, 0, 0], shown, atol=1e-3)
    order = np.concatenate([batch.rows for batch in small])
    for row, (mine, partner) in enumerate(zip(order, np.roll(order, -1), strict=True)):
        assert set(targets[row].nonzero().ravel().tolist()) <= {mine, partner}
    rest = torch.cat([batch.images for batch in batches(ids, 4, mixing=mixing, soft=soft).epoch(1, start=3)])
    assert torch.equal(rest, images[12:]), "after a resume"


def test_repeats_show_each_picture_in_turn_and_several_times() -> None:
    ids = [str(number) for number in range(20)]
    made = batches(ids, 6, repeats=3)
    epochs = [np.concatenate([batch.rows for batch in made.epoch(epoch)]) for epoch in range(6)]
    assert [len(rows) for rows in epochs] == [20] * 6
    for cycle in (epochs[:3], epochs[3:]):
        together = np.concatenate(cycle)
        assert (np.bincount(together) == 3).all()
        assert (together.reshape(-1, 3) == together[::3, None]).all(), "views follow one another"
    assert epochs[0].tolist() != epochs[3].tolist()
    assert [batch.rows.tolist() for batch in made.epoch(4, 2)] == [
        batch.rows.tolist() for batch in list(made.epoch(4))[2:]
    ]


def test_repeated_views_differ_and_are_not_mixed_with_each_other() -> None:
    ids = [str(number) for number in range(12)]
    squares: Any = Pixels(12)
    shaken = BatchAugmenter(AugmentSettings(brightness=0.5), 8, [0.0], [1 / 255.0])
    made = TrainBatches(squares, torch.arange(12), ids, shaken, 4, 0, 0, repeats=2)
    for batch in made.epoch(0):
        bright = batch.images[:, 0, 0, 0][torch.from_numpy(batch.rows) > 0]
        assert len(bright.unique()) == len(bright)

    def soft(targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(targets, 12).float()

    mixing = Mixing(mixup_alpha=1.0)
    for batch in batches(ids, 4, repeats=2, mixing=mixing, soft=soft).epoch(0):
        assert ((batch.targets > 0).sum(1) == 2).all()


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_flips_alternate_from_turn_to_turn_of_a_picture(repeats: int) -> None:
    """With repeats a picture's turn comes once in so many epochs, and in which of them is drawn."""
    ids = [str(number) for number in range(40)]
    augmenter = BatchAugmenter(
        AugmentSettings(horizontal_flip=0.5, flip_alternates=True), 8, [0.0], [1 / 255.0]
    )
    squares: Any = Pixels(40)
    squares.take = lambda rows, pool: np.tile(np.arange(8, dtype=np.uint8), (len(rows), 1, 8, 1))
    made = TrainBatches(squares, torch.arange(40), ids, augmenter, 7, 0, 0, repeats=repeats)
    turns: list[dict[int, list[bool]]] = []
    for turn in range(4):
        turns.append({row: [] for row in range(40)})
        for batch in (each for part in range(repeats) for each in made.epoch(turn * repeats + part)):
            for row, image in zip(batch.rows.tolist(), batch.images, strict=True):
                turns[-1][row].append(bool(image[0, 0, 0] > 0))
    assert {len(views) for turn in turns for views in turn.values()} == {repeats}
    mirrored = np.array([[turn[row] for row in range(40)] for turn in turns])  # [4, 40, repeats]
    assert (mirrored[1:] != mirrored[:-1]).all()
    assert 0.3 < mirrored[0].mean() < 0.7, "beginning at random"


def test_threads_that_do_not_all_come_leave_the_number_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    before, running = torch.get_num_threads(), set(threading.enumerate())
    torch.set_num_threads(2)

    def broken(barrier: threading.Barrier, timeout: float | None = None) -> int:
        raise threading.BrokenBarrierError

    monkeypatch.setattr(threading.Barrier, "wait", broken)
    try:
        with pytest.raises(threading.BrokenBarrierError):
            next(batches([str(number) for number in range(30)], 4, workers=2, in_turns=True).epoch(0))
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == 2
        assert set(threading.enumerate()) == running
    finally:
        torch.set_num_threads(before)


def test_an_abandoned_epoch_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    epoch = batches([str(number) for number in range(40)], 2, workers=3).epoch(0)
    next(epoch)
    assert set(threading.enumerate()) - before
    epoch.close()  # type: ignore[attr-defined]
    assert set(threading.enumerate()) == before


def test_an_error_while_reading_arrives_at_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    made = batches([str(number) for number in range(40)], 4, workers=2)

    def broken(rows: Any, pool: Any) -> Any:
        raise OSError("gone")

    monkeypatch.setattr(made.squares, "take", broken)
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="gone"):
        list(made.epoch(0))
    assert set(threading.enumerate()) == before


# Optimizer and average


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.norm(self.conv(images)).mean((2, 3))
        return logits


KINDS = {
    "sgd": {"nesterov": False, "momentum": 0.0},
    "momentum": {"nesterov": False, "momentum": 0.8},
    "nesterov": {"nesterov": True, "momentum": 0.8},
    "rmsprop": {"momentum": 0.8},
    "adamw": {"betas": (0.8, 0.999)},
    "muon": {"nesterov": True, "momentum": 0.8},
}


@pytest.mark.parametrize("name", KINDS)
def test_optimizers_are_what_they_are_called(name: Any) -> None:
    settings = OptimizerSection(name=name, lr=0.1, momentum=0.8, weight_decay=0.3, layer_decay=1.0)
    optimizer = make_optimizer(Net(), settings)
    kind = name if name in ("adamw", "muon", "rmsprop") else "sgd"
    assert type(optimizer).__name__.lower().startswith(kind)
    for group in optimizer.param_groups:
        assert {key: group[key] for key in KINDS[name]} == KINDS[name]
        assert all((value.ndim > 1) == (group["weight_decay"] == 0.3) for value in group["params"])
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4
    set_rate(optimizer, 0.02)
    assert {group["lr"] for group in optimizer.param_groups} == {0.02}


def test_nesterov_steps_as_torch_does() -> None:
    torch.manual_seed(0)
    mine, theirs = Net(), Net()
    theirs.load_state_dict(mine.state_dict())
    ours = make_optimizer(
        mine, OptimizerSection(name="nesterov", lr=0.1, momentum=0.9, weight_decay=0.0, layer_decay=1.0)
    )
    reference = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    for network, optimizer in ((mine, ours), (theirs, reference)):
        for step in range(3):
            optimizer.zero_grad()
            network(torch.linspace(0, 1, 98).reshape(2, 1, 7, 7) * (step + 1)).pow(2).sum().backward()
            optimizer.step()
    for value, expected in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(value, expected)


def test_the_average_follows_its_formula_and_keeps_off_the_network() -> None:
    network = Net()
    average = WeightAverage(network, 0.9)
    expected = network.conv.weight.detach().clone()
    for step in range(100):
        with torch.no_grad():
            network.conv.weight += 0.1
            network.norm.num_batches_tracked += 1
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network.conv.weight.detach()
    averaged = average.network.state_dict()
    assert torch.allclose(averaged["conv.weight"], expected, atol=1e-5)
    assert averaged["norm.num_batches_tracked"] == network.norm.num_batches_tracked == 100
    assert not average.network.training
    assert network.training
    assert not any(value.requires_grad for value in average.network.parameters())


def test_what_is_evaluated_is_the_average_where_there_is_one() -> None:
    network = Net()
    optimizer = make_optimizer(
        network, OptimizerSection(name="sgd", lr=0.1, weight_decay=0.0, layer_decay=1.0)
    )
    average = WeightAverage(network, 0.5)
    assert Moving(network, optimizer, average).evaluated is average.network
    assert Moving(network, optimizer, None).evaluated is network


def test_lower_layers_learn_at_their_share_of_the_rate() -> None:
    settings = OptimizerSection(name="sgd", lr=0.1, weight_decay=0.0, layer_decay=0.5)
    optimizer = make_optimizer(build("test_resnet", num_classes=2), settings)
    set_rate(optimizer, 0.08)
    rates = {id(value): group["lr"] for group in optimizer.param_groups for value in group["params"]}
    found = sorted(set(rates.values()), reverse=True)
    assert found[0] == 0.08
    assert all(high == pytest.approx(2 * low) for high, low in pairwise(found))
    assert len(found) > 2


def test_on_the_page_rates_rise_from_the_stem_block_by_block_to_the_head() -> None:
    settings = OptimizerSection(name="adamw", lr=0.1, weight_decay=0.05, layer_decay=0.5)
    network = build("resnet18", num_classes=2, width=0.05)
    optimizer = make_optimizer(network, settings)
    set_rate(optimizer, 0.1)
    rates = {id(value): group["lr"] for group in optimizer.param_groups for value in group["params"]}
    blocks = [f"layer{stage}.{block}." for stage in (1, 2, 3, 4) for block in (0, 1)]
    layers = ["conv1.", "bn1.", *blocks, "fc."]
    depth = {name: max(0, layers.index(name) - 1) for name in layers}  # conv1 and its norm are one layer
    for name, value in network.named_parameters():
        layer = next(each for each in layers if name.startswith(each))
        assert rates[id(value)] == pytest.approx(0.1 * 0.5 ** (9 - depth[layer])), name


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_muon_multiplies_in_what_the_hardware_multiplies_fast(
    native: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere bf16 is imitated: a step of ResNet-18 would take minutes."""
    monkeypatch.setattr(optimizer_module, "has_fast_bf16", lambda device: native)
    network = nn.Linear(8, 4)
    settings = OptimizerSection(name="muon", lr=0.1, weight_decay=0.0, layer_decay=1.0)
    optimizer = make_optimizer(nn.Sequential(network, nn.Linear(4, 2)), settings)
    seen: list[torch.dtype] = []

    class Watching(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if "baddbmm" in str(func) or "addmm" in str(func) or "matmul" in str(func):
                seen.append(result.dtype)
            return result

    network(torch.randn(16, 8)).square().sum().backward()
    before = network.weight.clone()
    with Watching():
        optimizer.step()
    assert set(seen) == {expected}
    assert not torch.equal(before, network.weight)


# Budget


@pytest.mark.parametrize("epoch_s", [0.01, 1.0, 30.0, 1000.0])
@pytest.mark.parametrize("minutes", [0.01, 1.0, 10.0])
def test_a_budget_holds_or_one_epoch_is_made(epoch_s: float, minutes: float) -> None:
    fitted = fit_to_budget(minutes, epoch_s, 128, 30, smallest_px=16)
    needed_s = fitted.epochs * epoch_s * (fitted.size_px / 128) ** 2
    assert needed_s <= minutes * 60 or (fitted.epochs == 1 and fitted.size_px == 16)
    assert 1 <= fitted.epochs <= 60
    assert fitted.size_px <= 128
    assert "measured" in fitted.reason


def test_a_budget_lowers_the_size_only_where_it_may_and_must() -> None:
    assert fit_to_budget(10, 1.0, 128, 30, smallest_px=16).size_px == 128
    tight = fit_to_budget(1, 20.0, 128, 30, smallest_px=16)
    assert tight.size_px < 128
    assert tight.epochs >= MIN_EPOCHS
    fixed = fit_to_budget(1, 20.0, 128, 30, smallest_px=128)
    assert (fixed.size_px, fixed.epochs) == (128, 2)
    assert fit_to_budget(0.1, 20.0, 128, 30, smallest_px=41).size_px == 48
    # Steps of the optimizer take their time at any side.
    assert fit_to_budget(10, 20.0, 128, 30, smallest_px=128, fixed_seconds=20.0).epochs == 12


# Selection


def test_an_epoch_replaces_the_best_only_if_it_is_better() -> None:
    best = {"accuracy": 0.8, "balanced_accuracy": 0.7, "macro_f1": 0.6, "nll": 0.5}
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        assert is_better({**best, name: best[name] + 0.01, "nll": 9.0}, best, name)
        assert not is_better({**best, name: best[name] - 0.01, "nll": 0.0}, best, name)
        assert is_better({**best, "nll": 0.4}, best, name), "a tie goes to the lower nll"
        assert not is_better({**best, "nll": 0.6}, best, name)
    assert is_better({**best, "nll": 0.4}, best, "nll")
    assert is_better({}, best, "accuracy")
    assert is_better(best, None, "accuracy")


def test_the_last_epoch_stays_within_two_standard_errors() -> None:
    """Of 100 pictures at 90 %: 2 * sqrt(0.9 * 0.1 / 100) = 6 points."""
    best = {"accuracy": 0.9, "nll": 0.3}
    assert last_is_as_good({"accuracy": 0.85, "nll": 0.4}, best, "accuracy", 100)
    assert not last_is_as_good({"accuracy": 0.82, "nll": 0.4}, best, "accuracy", 100)
    assert not last_is_as_good({"accuracy": 0.85, "nll": 0.4}, best, "accuracy", 10_000)
    assert not last_is_as_good({"accuracy": 0.9, "nll": 0.3}, best, "nll", 100)


# Precision


def test_noise_does_not_change_the_mode() -> None:
    plain, last = Mode(False, False), Mode(False, True)
    assert fastest({plain: 1.0, last: 0.95}, plain) == plain
    assert fastest({plain: 1.0, last: 0.5}, plain) == last
    assert str(Mode(True, True)) == "bf16 channels_last"


def test_measuring_leaves_network_and_random_state_alone() -> None:
    network = Net()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    seconds = measure_modes(network, torch.randn(4, 1, 7, 7), 4, [Mode(False, False), Mode(False, True)])
    assert len(seconds) == 2
    assert all(value > 0 for value in seconds.values())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(value.grad is None for value in network.parameters())
    torch.set_rng_state(state)


def test_the_mode_of_a_recipe() -> None:
    recipe = Recipe().changed(training={"precision": "bf16", "channels_last": True})
    assert mode_of(recipe) == Mode(True, True)


# Sizes and signals


@pytest.mark.parametrize(
    ("size", "sides", "stored"),
    [(32, [32], 32), (32, [8], 32), (64, [70], 70), (64, [1000], 80), (224, [230, 4000], 280)],
)
def test_stored_squares(size: int, sides: list[int], stored: int) -> None:
    assert stored_side_px(size, sides) == stored


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_asks_and_the_second_stops(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), listening() as stop:
        assert not stop.requested
        signal.raise_signal(number)
        assert stop.requested
        assert stop.exit_code == code
        signal.raise_signal(number)
    assert signal.getsignal(number) == before


def test_in_another_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    found: list[Any] = []

    def work() -> None:
        with listening() as stop:
            found.extend([stop.requested, signal.getsignal(signal.SIGINT)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False, before]


def test_a_position_is_a_value() -> None:
    start = Position()
    moved = start.moved(step=3, loss_sum=0.1)
    assert (start.step, moved.step, moved.epoch) == (0, 3, 0)
