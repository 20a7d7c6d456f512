"""Every option that a recipe declares does something: each is turned once, and what it is for must change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from eighteen import Dataset, Run, audit, evaluate, train
from eighteen.core import config, store
from eighteen.core.errors import EighteenError
from eighteen.core.progress import silent
from eighteen.formats import native
from eighteen.inference.scoring import Scorer
from eighteen.tasks import make
from eighteen.training import batches, fitting, planning
from eighteen.training.resolve import input_spec
from eighteen.training.schedule import rate_factor
from eighteen.training.selection import is_better


@dataclass
class Bench:
    """What the probes work on.

    Attributes:
        recipe: makes a recipe from changes.
        data: the data sets by name.
        out: an empty folder.
        patch: puts things in place of others until the test ends.
    """

    recipe: Callable[..., Any]
    data: Mapping[str, Path]
    out: Path
    patch: pytest.MonkeyPatch
    made: int = field(default=0)

    def next_folder(self) -> Path:
        self.made += 1
        return self.out / f"run-{self.made}"

    def dataset(self, name: str = "pictures") -> Dataset:
        return audit(self.data[name], self.recipe()).dataset

    def plan(self, changes: Mapping[str, Any]) -> planning.Plan:
        return planning.plan(self.recipe(**changes), self.dataset())

    def train(self, changes: Mapping[str, Any]) -> Run:
        return train(self.data["pictures"], self.next_folder(), self.recipe(**changes))


Probe = Callable[[Bench, Mapping[str, Any]], Any]


def rows_of(name: str) -> Probe:
    """What the audit makes of a data set: rows, what is left out, what blocks, or the refusal."""

    def probe(bench: Bench, changes: Mapping[str, Any]) -> Any:
        try:
            found = audit(bench.data[name], bench.recipe(**changes))
        except EighteenError as error:
            return type(error).__name__
        rows = sorted(found.dataset.table.select("path", "target", "split", "group").iter_rows())
        return rows, [row.path for row in found.dataset.skipped], [f.check for f in found.blocking]

    return probe


def inputs(bench: Bench, changes: Mapping[str, Any]) -> Any:
    """The InputSpec's hash, and what becomes of a wide picture with transparent parts; both must change."""
    spec = input_spec(bench.plan(changes).recipe)
    pixels = spec.normalised(spec.read(bench.data["wide"])[None])
    return Both(spec.sha256, pixels.tobytes())


class Both:
    """Differs from another only if all its parts do."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Both)
        same = [mine == theirs for mine, theirs in zip(self.parts, other.parts, strict=True)]
        assert all(same) or not any(same), f"only some parts changed: {same}"
        return all(same)

    __hash__ = None  # type: ignore[assignment]


def batches_of(bench: Bench, changes: Mapping[str, Any]) -> Any:
    recipe = bench.plan(changes).recipe
    dataset = bench.dataset()
    task = make(dataset.task, dataset.class_names, recipe.loss, dataset.class_counts("train"))
    return fitting.training_batches(recipe, dataset.subset("train"), task, silent)


def batch(bench: Bench, changes: Mapping[str, Any]) -> bytes:
    """The first training batch."""
    images: torch.Tensor = next(iter(batches_of(bench, changes).epoch(0))).images
    return images.numpy().tobytes()


def second_epoch(bench: Bench, changes: Mapping[str, Any]) -> bytes:
    """The first batch of the second epoch."""
    images: torch.Tensor = next(iter(batches_of(bench, changes).epoch(1))).images
    return images.numpy().tobytes()


def shown(bench: Bench, changes: Mapping[str, Any]) -> int:
    """How many different pictures an epoch shows."""
    return len({row for batch in batches_of(bench, changes).epoch(0) for row in batch.rows})


def mixed_batch(bench: Bench, changes: Mapping[str, Any]) -> Any:
    """The first training batch, its pictures and its targets; both must change."""
    first = next(iter(batches_of(bench, changes).epoch(0)))
    return Both(first.images.numpy().tobytes(), first.targets.numpy().tobytes())


def shown_classes(bench: Bench, changes: Mapping[str, Any]) -> list[int]:
    """How often an epoch shows each of two classes, 30 and 10 pictures."""
    targets = torch.tensor([0] * 30 + [1] * 10)
    ids = [f"{number}.png" for number in range(40)]
    sampling = bench.recipe(**changes).training.sampling
    made = batches.TrainBatches(None, targets, ids, None, 8, 0, 0, sampling=sampling)  # type: ignore[arg-type]
    return torch.bincount(targets[torch.from_numpy(made.order(0))]).tolist()


def graph(bench: Bench, changes: Mapping[str, Any]) -> Any:
    """Names and shapes of the parameters, and the logits of a picture in training mode."""
    network = bench.plan(changes).network.train()
    torch.manual_seed(0)
    logits = network(torch.ones(4, 3, 16, 16))
    shapes = [(name, tuple(value.shape)) for name, value in network.state_dict().items()]
    return shapes, logits.detach().numpy().tobytes()


def loss_value(bench: Bench, changes: Mapping[str, Any]) -> float:
    """Of a fixed network and batch, with unbalanced training counts."""
    recipe = bench.recipe(**changes)
    counts = {"blue": 50, "green": 5, "red": 5}
    task = make("classification", tuple(counts), recipe.loss, counts)
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0]])
    return float(task.loss(lambda images: logits, torch.ones(2), torch.tensor([0, 1])))


def weights(bench: Bench, changes: Mapping[str, Any]) -> bytes:
    """The trained weights."""
    return bench.train(changes).weights_path.read_bytes()


def weights_of_wrong_labels(bench: Bench, changes: Mapping[str, Any]) -> bytes:
    """The weights after training on pictures of which one has the wrong label."""
    known = bench.dataset()
    wrong = known.table.filter(pl.col("split") == "train", pl.col("target") == "red")["id"].head(1)
    turned = pl.when(pl.col("id").is_in(wrong.implode())).then(pl.lit("green")).otherwise(pl.col("target"))
    dataset = known.with_table(known.table.with_columns(target=turned))
    plan = planning.plan(bench.recipe(**{"model.weights": str(bench.data["FILE"]), **changes}), dataset)
    run = fitting.start(plan, dataset, [], pl.DataFrame(), bench.next_folder())
    return fitting.fit(run, dataset).weights_path.read_bytes()


def answers(bench: Bench, changes: Mapping[str, Any]) -> Any:
    """The InputSpec's hash, and what a network answers to a picture that is no mirror image of itself."""
    plan = bench.plan(changes)
    spec = input_spec(plan.recipe)
    logits = Scorer(plan.network, spec, torch.device("cpu"))(spec.read(bench.data["wide"])[None])
    return Both(spec.sha256, logits.tobytes())


def rates(bench: Bench, changes: Mapping[str, Any]) -> Any:
    """The learning rate at each step, and the history's last one."""
    recipe = bench.plan(changes).recipe
    return [rate_factor(step, 20, recipe.schedule) for step in range(20)]


def epochs(bench: Bench, changes: Mapping[str, Any]) -> int:
    return len(bench.train(changes).history)


def steps(bench: Bench, changes: Mapping[str, Any]) -> int:
    return len(batches_of(bench, changes))


def layout(bench: Bench, changes: Mapping[str, Any]) -> bool:
    """Whether the network that is trained lies in memory with channels last."""
    plan = bench.plan(changes)
    network = fitting._moving(plan.network, plan.recipe, torch.device("cpu")).network
    return any(
        value.is_contiguous(memory_format=torch.channels_last) and not value.is_contiguous()
        for value in network.parameters()
        if value.ndim == 4
    )


def autocast(bench: Bench, changes: Mapping[str, Any]) -> str:
    """The number format in which the training's convolutions compute."""
    seen: list[torch.dtype] = []
    hook = torch.nn.modules.module.register_module_forward_hook(
        lambda module, given, made: (
            seen.append(made.dtype) if isinstance(module, torch.nn.Conv2d) and module.training else None
        )
    )
    try:
        bench.train(changes)
    finally:
        hook.remove()
    return str(seen[-1])


def chosen_epoch(bench: Bench, changes: Mapping[str, Any]) -> int:
    """Which of three epochs is kept, when each is best in another measure."""
    names = ("balanced_accuracy", "accuracy", "macro_f1")
    looks = [{**dict.fromkeys(names, 0.5), "nll": 2.0} for _ in range(6)]
    for number, name in enumerate(names):
        looks[number][name] = 0.9
    looks[3]["nll"] = 1.0
    best: dict[str, float] | None = None
    for number, measures in enumerate(looks):
        if is_better(measures, best, bench.recipe(**changes).training.select_by):
            best = {**measures, "epoch": number}
    assert best is not None
    return int(best["epoch"])


def budgeted_epochs(bench: Bench, changes: Mapping[str, Any]) -> Any:
    """The number of epochs, and whether time is the reason."""
    plan = bench.plan(changes)
    return plan.recipe.training.epochs, "minutes in all" in plan.reasons.get("training.epochs", "")


def threads(bench: Bench, changes: Mapping[str, Any]) -> Any:
    """How many threads decode at most while an epoch is made, and in which the batch is put together."""
    import threading

    from eighteen.training import cache

    names: set[str] = set()
    read, barrier = cache.SquareReader.read, threading.Event()

    def reading(reader: Any, row: int) -> Any:
        names.add(threading.current_thread().name)
        barrier.wait(0.02)
        return read(reader, row)

    made = batches_of(bench, {**changes, "training.cache_fraction": 0.0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache.SquareReader, "read", reading)
        list(made.epoch(0))
    return sorted(name.rsplit("_", 1)[0] for name in names), len(names)


def cached(bench: Bench, changes: Mapping[str, Any]) -> bool:
    return bool(batches_of(bench, changes).squares.in_memory)


def saves(bench: Bench, changes: Mapping[str, Any]) -> int:
    """How many states a training saves."""
    count: list[str] = []
    plain = store.write_tensors
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            store,
            "write_tensors",
            lambda path, *rest: (count.append(path.name), plain(path, *rest))[1],
        )
        bench.train(changes)
    return sum("state-" in name for name in count)


def device(bench: Bench, changes: Mapping[str, Any]) -> Any:
    plan = bench.plan(changes)
    return plan.recipe.training.device, plan.reasons["training.device"]


def intervals(bench: Bench, changes: Mapping[str, Any]) -> Any:
    """Ends and methods of a trained model's measures."""
    measures = bench.train(changes).measures["val"]
    return [(name, m.low, m.high, m.method) for name, m in measures.items()]


def forward_batches(bench: Bench, changes: Mapping[str, Any]) -> list[int]:
    """How many pictures each forward pass of an evaluation takes."""
    run = bench.train(changes)
    sizes: list[int] = []
    plain = Scorer.__call__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Scorer, "__call__", lambda self, pixels: (sizes.append(len(pixels)), plain(self, pixels))[1]
        )
        evaluate(run)
    return sizes


def opened(bench: Bench, changes: Mapping[str, Any]) -> Any:
    """Which splits are measured, and how often the test split was opened."""
    run = bench.train(changes)
    return sorted(run.measures), len(run.test_openings)


def initial(bench: Bench, changes: Mapping[str, Any]) -> Any:
    """The untrained network, the order and the augmentation."""
    network = bench.plan(changes).network
    made = batches_of(bench, changes)
    values = np.concatenate([value.detach().numpy().ravel() for value in network.parameters()])
    return Both(values.tobytes(), made.order(0).tobytes(), batch(bench, changes))


STILL: dict[str, Any] = {
    "augment.crop": "none",
    "augment.horizontal_flip": 0.0,
    "augment.rotation_degrees": 0.0,
    "augment.zoom_fraction": 0.0,
    "augment.fill": "reflect",
    "augment.brightness": 0.0,
    "augment.contrast": 0.0,
    "augment.saturation": 0.0,
    "augment.erasing": 0.0,
}
"""Nothing is changed in a training picture."""
RESIZED = {**STILL, "augment.crop": "resized", "augment.crop_scale_min": 0.8}
PADDED = {**STILL, "augment.crop": "pad"}
CROPPED = {"inputs.size": 16, "inputs.fit": "crop", "inputs.crop_fraction": 0.9, "inputs.kernel": "bilinear"}
CROPPED |= {"inputs.mean": [0.5, 0.5, 0.5], "inputs.std": [0.3, 0.3, 0.3], "augment.fill": "background"}
PAGE = {"model.name": "resnet18", "model.stem": "imagenet", "model.blocks": [1, 1, 1, 1]}
RUINED = {"training.head_first": True, "optimizer.name": "sgd", "optimizer.lr": 10.0}
RUINED |= {"schedule.name": "constant", "model.weights": "FILE"}
"""A fine-tuning that loses what the head knew."""
PLAIN_SGD = {"optimizer.name": "momentum", "optimizer.lr": 0.05, "optimizer.weight_decay": 0.0}
TUNED = {**PLAIN_SGD, "model.weights": "FILE", "training.keep_head": False}

TABLE: dict[str, tuple[Probe, dict[str, Any], Any]] = {
    # name: probe, what stands beside it, the value that it is turned to
    "data.image_column": (rows_of("table"), {}, "second"),
    "data.label_column": (rows_of("table"), {}, "other_label"),
    "data.split_column": (rows_of("table"), {}, "part"),
    "data.group_column": (rows_of("table"), {}, "sender"),
    "data.val_fraction": (rows_of("unsplit"), {}, 0.4),
    "data.test_fraction": (rows_of("unsplit"), {}, 0.4),
    "data.split_seed": (rows_of("unsplit"), {}, 1),
    "data.splits_from": (rows_of("unsplit"), {}, "RUN"),
    "data.resplit": (rows_of("pictures"), {}, True),
    "data.max_pixels": (rows_of("faults"), {}, 1000),
    "data.max_skipped_fraction": (rows_of("faults"), {}, 0.0),
    "data.min_images_per_class": (rows_of("faults"), {}, 100),
    "data.allow_outside": (rows_of("outside"), {}, True),
    "data.keep_negative_labels": (rows_of("outside"), {}, True),
    "data.accept": (rows_of("only in val"), {}, ["class_without_training"]),
    "data.strict": (rows_of("faults"), {}, True),
    "data.corrections": (rows_of("unsplit"), {}, "CORRECTIONS"),
    "data.corrections_sha256": (rows_of("unsplit"), {"data.corrections": "CORRECTIONS"}, "0" * 64),
    "inputs.size": (inputs, CROPPED, 24),
    "inputs.channels": (
        inputs,
        {**CROPPED, "inputs.mean": "auto", "inputs.std": "auto", "inputs.channels": 1},
        3,
    ),
    "inputs.fit": (inputs, CROPPED, "letterbox"),
    "inputs.crop_fraction": (inputs, CROPPED, 0.5),
    "inputs.kernel": (inputs, CROPPED, "bicubic"),
    "inputs.background": (inputs, CROPPED, [0, 0, 0]),
    "inputs.mean": (inputs, CROPPED, [0.1, 0.5, 0.5]),
    "inputs.std": (inputs, CROPPED, [0.1, 0.3, 0.3]),
    "inputs.mirror_average": (answers, {**CROPPED, "inputs.mirror_average": False}, True),
    "augment.crop": (batch, STILL, "pad"),
    "augment.crop_scale_min": (batch, RESIZED, 0.2),
    "augment.crop_aspect_max": (batch, RESIZED, 2.0),
    "augment.pad_fraction": (batch, PADDED, 0.4),
    "augment.horizontal_flip": (batch, STILL, 1.0),
    "augment.flip_alternates": (second_epoch, {**STILL, "augment.horizontal_flip": 0.5}, True),
    "augment.vertical_flip": (batch, STILL, 1.0),
    "augment.rotation_degrees": (batch, STILL, 30.0),
    "augment.zoom_fraction": (batch, STILL, 0.3),
    "augment.translate_fraction": (batch, STILL, 0.3),
    "augment.shear_degrees": (batch, STILL, 30.0),
    "augment.perspective": (batch, STILL, 0.5),
    "augment.fill": (batch, PADDED, "background"),
    "augment.brightness": (batch, STILL, 0.5),
    "augment.contrast": (batch, STILL, 0.5),
    "augment.saturation": (batch, STILL, 0.5),
    "augment.hue": (batch, STILL, 0.3),
    "augment.grey": (batch, STILL, 1.0),
    "augment.blur": (batch, STILL, 1.0),
    "augment.blur_sigma_px": (batch, {**STILL, "augment.blur": 1.0}, 5.0),
    "augment.erasing": (batch, STILL, 1.0),
    "augment.erasing_area_max": (batch, {**STILL, "augment.erasing": 1.0}, 0.6),
    "augment.cutout": (batch, STILL, 0.5),
    "augment.policy": (batch, STILL, "trivial"),
    "augment.policy_operations": (batch, {**STILL, "augment.policy": "rand"}, 4),
    "augment.policy_magnitude": (batch, {**STILL, "augment.policy": "augmix"}, 30),
    "augment.mixup_alpha": (mixed_batch, STILL, 1.0),
    "augment.cutmix_alpha": (mixed_batch, STILL, 1.0),
    "augment.mixing_probability": (mixed_batch, {**STILL, "augment.mixup_alpha": 1.0}, 0.5),
    "augment.repeats": (shown, STILL, 3),
    "model.name": (graph, {}, "resnet18"),
    "model.weights": (graph, {}, "FILE"),
    "model.stem": (graph, PAGE, "small"),
    "model.blocks": (graph, PAGE, [1, 2, 1, 1]),
    "model.shortcut": (graph, PAGE, False),
    "model.dropout": (graph, {}, 0.5),
    "model.drop_path": (graph, PAGE, 0.5),
    "model.width": (graph, PAGE, 0.5),
    "loss.name": (loss_value, {}, "focal"),
    "loss.focal_gamma": (loss_value, {"loss.name": "focal"}, 1.0),
    "loss.robust_q": (loss_value, {"loss.name": "generalised"}, 0.3),
    "loss.label_smoothing": (loss_value, {}, 0.3),
    "loss.class_weights": (loss_value, {}, "balanced"),
    "optimizer.name": (weights, PLAIN_SGD, "adamw"),
    "optimizer.lr": (weights, PLAIN_SGD, 0.02),
    "optimizer.momentum": (weights, PLAIN_SGD, 0.5),
    "optimizer.layer_decay": (weights, PLAIN_SGD, 0.5),
    "optimizer.weight_decay": (weights, PLAIN_SGD, 0.5),
    "optimizer.sam_rho": (weights, PLAIN_SGD, 0.5),
    "schedule.name": (rates, {}, "cosine"),
    "schedule.warmup_fraction": (rates, {}, 0.6),
    "schedule.final_fraction": (rates, {}, 0.5),
    "training.epochs": (epochs, {}, 3),
    "training.batch_size": (steps, {}, 12),
    "training.sampling": (shown_classes, {}, "balanced"),
    "training.head_first": (weights, {**TUNED, "training.head_first": False}, True),
    "training.keep_head": (weights, {**RUINED, "training.keep_head": False}, True),
    "training.progressive_from": (batch, {"training.progressive_from": 1.0, "training.epochs": 4}, 0.5),
    "training.side_fraction": (batch, {"training.progressive_from": 1.0}, 0.5),
    "training.freeze_norms": (weights, PLAIN_SGD, True),
    "training.freeze_until": (weights, PLAIN_SGD, {"layer1": 1}),
    "training.swa_from": (weights, PLAIN_SGD, 0.5),
    "training.drop_doubtful": (weights_of_wrong_labels, {}, True),
    "training.teacher": (weights, PLAIN_SGD, "RUN"),
    "training.teacher_temperature": (weights, {"training.teacher": "RUN"}, 5.0),
    "training.teacher_weight": (weights, {"training.teacher": "RUN"}, 0.1),
    "training.ema_decay": (weights, {"training.ema_decay": 0.0}, 0.9),
    "training.precision": (autocast, {}, "bf16"),
    "training.channels_last": (layout, {}, True),
    "training.clip_norm": (weights, {}, 0.001),
    "training.select_by": (chosen_epoch, {}, "nll"),
    "training.budget_minutes": (budgeted_epochs, {}, 0.0001),
    "training.workers": (threads, {"training.workers": 0}, 3),
    "training.cache_fraction": (cached, {}, 0.0),
    "training.checkpoint_minutes": (saves, {}, 0.0),
    "training.device": (device, {"training.device": "cpu"}, "cuda:99"),
    "evaluation.confidence": (intervals, {}, 0.6),
    "evaluation.resamples": (intervals, {}, 300),
    "evaluation.batch_size": (forward_batches, {}, 5),
    "evaluation.open_test": (opened, {}, True),
    "seed": (initial, {}, 1),
}


@pytest.fixture(scope="module")
def data(
    paint: Any, trained: Run, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("data")
    unsplit = paint(root / "unsplit", {"x": 20, "y": 20})
    faults = paint(root / "faults", {"x": 20, "y": 20})
    (faults / "x" / "broken.png").write_bytes(b"no picture")
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(faults / "y" / "large.png")
    only = {"train/a": 6, "train/b": 6, "val/a": 3, "val/b": 3, "val/c": 3}
    files = [f"x/{number:03d}.png" for number in range(20)] + [f"y/{number:03d}.png" for number in range(20)]
    table = pl.DataFrame(
        {
            "image": files,
            "second": files[::-1],
            "label": ["one"] * 20 + ["two"] * 20,
            "other_label": ["one", "two"] * 20,
            "part": ["train"] * 30 + ["val"] * 10,
            "sender": [f"s{number // 4}" for number in range(40)],
        }
    )
    table.write_csv(unsplit / "table.csv")
    outside = paint(root / "outside" / "inner", {"x": 12})
    paint(root / "outside", {"y": 3}, seed=1)
    names = [f"x/{number:03d}.png" for number in range(12)] + [
        f"../y/{number:03d}.png" for number in range(3)
    ]
    labels = ["1"] * 5 + ["2"] * 5 + ["-1"] * 2 + ["2"] * 3
    pl.DataFrame({"image": names, "label": labels}).write_csv(outside / "table.csv")
    wide = np.random.default_rng(0).integers(0, 255, (30, 45, 4)).astype(np.uint8)
    Image.fromarray(wide).save(root / "wide.png")
    corrections = root / "corrections.csv"
    corrections.write_text("path,action,label\nx/000.png,relabel,y\ny/001.png,drop,\n", encoding="utf-8")
    return {
        "pictures": pictures,
        "unsplit": _without_table(unsplit, root / "folders"),
        "table": unsplit / "table.csv",
        "faults": faults,
        "only in val": paint(root / "only", only),
        "outside": outside / "table.csv",
        "wide": root / "wide.png",
        "CORRECTIONS": corrections,
        "RUN": trained.path,
        "FILE": trained.weights_path,
    }


def _without_table(folder: Path, target: Path) -> Path:
    for file in folder.rglob("*.png"):
        copy = target / file.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return target


@pytest.fixture
def bench(small: Any, data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(small, data, tmp_path, monkeypatch)


def test_the_table_has_every_declared_field() -> None:
    assert set(TABLE) == set(config.fields())


@pytest.mark.parametrize("name", TABLE)
def test_it_acts(name: str, bench: Bench, pictures: Path, trained: Run) -> None:
    probe, beside, value = TABLE[name]
    places = ("RUN", "FILE")
    beside = {key: str(bench.data[given]) if given in places else given for key, given in beside.items()}
    if value in ("RUN", "FILE", "CORRECTIONS"):
        value = str(bench.data[value])
    beside = {
        key: str(bench.data["CORRECTIONS"]) if key == "data.corrections" else given
        for key, given in beside.items()
    }
    if name == "data.splits_from":
        other = train(bench.data["unsplit"], bench.next_folder(), bench.recipe(**{"data.split_seed": 7}))
        value = str(other.path)
    before, after = probe(bench, beside), probe(bench, {**beside, name: value})
    assert before != after
    if probe not in (budgeted_epochs, opened):
        assert probe(bench, beside) == before, "and nothing else does"


def test_more_workers_are_more_threads(bench: Bench) -> None:
    assert threads(bench, {"training.workers": 3}) == (["decode", "decode", "decode"], 3)
    assert threads(bench, {"training.workers": 0}) == (["MainThread"], 1)


def test_a_higher_confidence_gives_wider_intervals(bench: Bench) -> None:
    narrow, wide = (intervals(bench, {"evaluation.confidence": level}) for level in (0.6, 0.95))
    for (name, low, high, _), (_, lower, higher, _) in zip(narrow, wide, strict=True):
        assert lower <= low, name
        assert high <= higher, name


def test_each_way_to_select_takes_its_own_epoch(bench: Bench) -> None:
    ways = ("balanced_accuracy", "accuracy", "macro_f1", "nll", "last")
    assert [chosen_epoch(bench, {"training.select_by": way}) for way in ways] == [0, 1, 2, 3, 5]


def test_stored_recipes_hold_no_auto(trained: Run) -> None:
    assert trained.recipe.autos() == ()
    assert native.build(trained.recipe, 3) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs.mean": [0.5], "inputs.std": [0.2]},
        {"model.name": "resnet81"},
        {"training.device": "gpu"},
        {"model.blocks": [1, 1, 1, 1]},
        {"data.splits_from": "nowhere"},
        {"augment.saturation": 0.5, "inputs.channels": 1},
        {"augment.zoom_fraction": 0.2, "augment.crop": "resized"},
        {"augment.fill": "reflect", "inputs.fit": "letterbox", "augment.crop": "none"},
    ],
    ids=str,
)
def test_contradictions_are_refused_before_a_run_is_made(changes: dict[str, Any], bench: Bench) -> None:
    with pytest.raises(EighteenError) as refused:
        bench.train(changes)
    assert len(str(refused.value)) > 20
    assert not list(bench.out.iterdir())


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("inputs.std=[0.0, 0.2, 0.2]", "greater than 0"),
        ("inputs.mean=[1.5, 0.2, 0.2]", "less than or equal to 1"),
        ("inputs.mean=[0.5] and inputs.std=[0.2, 0.2]", "give one a channel"),
        ("inputs.background=[300, 0, 0]", "less than or equal to 255"),
        ("inputs.background=[-1, 0, 0]", "greater than or equal to 0"),
    ],
)
def test_values_outside_their_limits_are_refused(setting: str, words: str) -> None:
    with pytest.raises(EighteenError, match=words):
        config.load_recipe(None, setting.split(" and "))
