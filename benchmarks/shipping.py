"""Every format against its source, its speed, and a folder of photos from end to end.

`python benchmarks/shipping.py parity RUN [RUN…] [--only FORMAT-PRECISION …] [--pictures 1000]
[--besides FOLDER] [--out FOLDER]` exports a trained run in every format and precision, and prints the table
of their proofs; it goes on where it was stopped. `… throughput [--threads 2]` times ResNet-18 at 224 px with
random weights in every format, by batches of 1 and 32, against PyTorch in float32. `… folder RUN PICTURES
[--most 500]` compares predicting a folder with what decoding and the network allow.

Figures of speed are ratios within one run, on a machine where nothing else runs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import nn

from eighteen import Run, audit
from eighteen.core.artifact import Artifact, Exportable
from eighteen.core.calibration import Calibration
from eighteen.core.errors import EighteenError
from eighteen.core.inputs import InputSpec
from eighteen.exporting.export import export, exportable, source_of
from eighteen.exporting.parity import Reference
from eighteen.inference.exported import formats, load_format

SIZE_PX = 224
BATCHES = (1, 32)
SECONDS = 6.0
"""Time of each measurement, after a warm-up."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("parity")
    one.add_argument("runs", nargs="+", type=Path)
    one.add_argument("--only", nargs="*", default=[])
    one.add_argument("--pictures", type=int, default=1000)
    one.add_argument("--besides", type=Path, help="Pictures that fill up those of a run with fewer.")
    one.add_argument("--out", type=Path, default=Path("shipping-parity"))
    one.set_defaults(work=parity)
    two = commands.add_parser("throughput")
    two.add_argument("--threads", type=int, default=2)
    two.add_argument("--only", nargs="*", default=[])
    two.add_argument("--size", type=int, default=SIZE_PX)
    two.add_argument("--seconds", type=float, default=SECONDS)
    two.set_defaults(work=throughput)
    three = commands.add_parser("folder")
    three.add_argument("run", type=Path)
    three.add_argument("pictures", type=Path)
    three.add_argument("--most", type=int, default=500)
    three.set_defaults(work=folder)
    arguments = parser.parse_args()
    arguments.work(arguments)


def kinds(only: list[str]) -> Iterator[tuple[str, str]]:
    """Every format with each of its precisions; those that were asked for, where some were."""
    for name in formats():
        for precision in importlib.import_module(f"eighteen.formats.{name}").PRECISIONS:
            if not only or name in only or f"{name}-{precision}" in only:
                yield name, precision


# Parity


def parity(arguments: argparse.Namespace) -> None:
    heads = [
        "run", "model", "same answer", "n", "probability differs by", "through the tensor entry",
        "accuracy on validation, points", "MB", "layers in float", "training steps",
    ]  # fmt: skip
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for path in arguments.runs:
        run = Run.open(path)
        reference = cache(partial(_reference, run, arguments.pictures, arguments.besides))
        for name, precision in kinds(arguments.only):
            print(_parity_row(run, name, precision, arguments.out, reference), flush=True)


def _reference(run: Run, pictures: int, besides: Path | None) -> Reference:
    """What the run says, asked once for all formats."""
    dataset = run.dataset
    if besides is not None:
        # After the run's own; accuracy is told by its validation alone, so their labels do not matter.
        theirs = audit(besides).dataset
        files = pl.Series([str(theirs.file(path).resolve()) for path in theirs.table["path"]])
        others = theirs.table.select("index", "group", "sha256", "width", "height").with_columns(
            id=files, path=files, target=pl.lit(0), split=pl.lit("")
        )
        dataset = dataset.with_table(pl.concat([dataset.table, others], how="diagonal_relaxed"))
    return Reference.of(source_of(run, exportable(run)), dataset, pictures)


def _parity_row(run: Run, name: str, precision: str, folder: Path, ask: Callable[[], Reference]) -> str:
    model, label = f"{name} {precision}", run.path.resolve().name
    out = folder / f"{label}-{name}-{precision}"
    refused = out.with_name(f"{out.name}.json")
    if refused.exists():
        return f"| {label} | {model} | {json.loads(refused.read_text())} |"
    if not (out / "parity.json").exists():
        try:
            load_format(name, precision)
            export(run, name, precision, out, reference=ask())
        except EighteenError as error:
            if error.exit_code == 3:  # what is refused is a result, what is not installed is none
                refused.write_text(json.dumps(str(error)), encoding="utf-8")
            return f"| {label} | {model} | {error} |"
    artifact = Artifact.open(out)
    return f"| {label} | {model} | {_figures(artifact)} |"


def _figures(artifact: Artifact) -> str:
    found, facts = artifact.parity, artifact.info["facts"]
    if not found.get("compared", True):
        return f"not compared: {found['reason']}"
    each = found["accuracy_difference"]
    accuracy = (
        "–"
        if each is None
        else f"{100 * each['value']:+.2f} ({100 * each['low']:+.2f} … {100 * each['high']:+.2f})"
    )
    return " | ".join(
        [
            f"{found['top1_agreement']:.2%}",
            f"{found['n']:,}",
            f"{found['max_probability_difference']:.1e}",
            f"{found['bare_probability_difference']:.1e}",
            accuracy,
            f"{found['size_bytes'] / 1e6:.1f}",
            str(len(facts.get("kept_layers", []))),
            str(facts.get("training_steps", 0)),
        ]
    )


# Throughput


def throughput(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    print(f"{_machine()}; {arguments.threads} threads, {arguments.size} px, pictures a second (ratio)\n")
    print("| model | " + " | ".join(f"batch {size}" for size in BATCHES) + " |")
    print("|---|" + "---|" * len(BATCHES))
    model = untrained(arguments.size)
    plain = _rates(_eager(model.network), arguments)
    _print_row("PyTorch eager fp32", plain, plain)
    with torch.autocast("cpu", torch.bfloat16):
        _print_row("PyTorch eager bf16", _rates(_eager(model.network), arguments), plain)
    for name, precision in kinds(arguments.only):
        try:
            rates = _exported_rates(model, name, precision, arguments)
        except EighteenError as error:
            print(f"| {name} {precision} | {error} |", flush=True)
            continue
        _print_row(f"{name} {precision}", rates, plain)


def untrained(size_px: int) -> Exportable:
    """ResNet-18 with random weights and BatchNorm that is not trivial."""
    from eighteen.models.family import build

    torch.manual_seed(0)
    settings = {"name": "resnet18", "num_classes": 10, "in_channels": 3, "stem": "imagenet"}
    network = build(**settings).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            module.running_mean = torch.empty_like(module.bias).uniform_(-0.3, 0.3)
            module.running_var = torch.empty_like(module.bias).uniform_(0.5, 2.0)
    pixels = np.random.default_rng(0).uniform(0, 255, (32, 3, size_px, size_px)).astype(np.float32)
    classes = tuple(map(str, range(10)))
    notes = {"model": "resnet18", "network": json.dumps(settings)}
    return Exportable(network, InputSpec(size=size_px), Calibration(), classes, notes, lambda: pixels)


def _exported_rates(
    model: Exportable, name: str, precision: str, arguments: argparse.Namespace
) -> dict[int, float]:
    """Of the tensor entry, so that what is timed is the network."""
    import inspect

    writer = load_format(name, precision)
    with tempfile.TemporaryDirectory() as made:
        files = writer.write(model, Path(made), precision)
        takes_threads = "threads" in inspect.signature(writer.open_files).parameters
        more = {"threads": arguments.threads} if takes_threads else {}
        opened = writer.open_files(Path(made) / files.model, Path(made) / files.bare, **more)
        return _rates(opened.bare, arguments)


def _eager(network: nn.Module) -> Callable[[npt.NDArray[np.float32]], Any]:
    def answer(tensor: npt.NDArray[np.float32]) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(tensor))

    return answer


def _rates(
    answer: Callable[[npt.NDArray[np.float32]], Any], arguments: argparse.Namespace
) -> dict[int, float]:
    """Pictures a second by batch size: the fastest call, because other programs can only slow one down."""
    found = {}
    for size in BATCHES:
        tensor = np.random.default_rng(1).normal(size=(size, 3, arguments.size, arguments.size))
        tensor = tensor.astype(np.float32)
        seconds, end = [], time.perf_counter() + arguments.seconds
        answer(tensor)
        while len(seconds) < 3 or time.perf_counter() < end:
            start = time.perf_counter()
            answer(tensor)
            seconds.append(time.perf_counter() - start)
        found[size] = size / min(seconds)
    return found


def _print_row(name: str, rates: dict[int, float], plain: dict[int, float]) -> None:
    cells = [f"{rates[size]:.1f} ({rates[size] / plain[size]:.2f}x)" for size in BATCHES]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _machine() -> str:
    """The processor, its cores, and which of the instructions that decide about integers and bf16 it has."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    values = {name.strip(): value.strip() for name, value in lines.items()}
    flags = set(values.get("flags", "").split())
    wanted = ("avx2", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    there = [name for name in wanted if name in flags]
    return f"{values.get('model name', 'unknown processor')}, {os.cpu_count()} cores, {', '.join(there)}"


# A folder of photos


def folder(arguments: argparse.Namespace) -> None:
    from eighteen.inference.files import expand, predict_files
    from eighteen.inference.predictor import Predictor
    from eighteen.inference.reading import read_batches

    predictor = Predictor.open(arguments.run)
    paths, _ = expand([arguments.pictures])
    paths = [path for path in paths if path.suffix.lower() in (".jpg", ".jpeg")][: arguments.most]
    items = [(path, -1) for path in paths]
    batch = next(read_batches(items, predictor.inputs, 64)).pixels

    def decode() -> int:
        return sum(len(found.positions) for found in read_batches(items, predictor.inputs, 64))

    def network() -> int:
        for start in range(0, len(paths), 64):
            predictor.forward(batch[: len(paths) - start])
        return len(paths)

    def whole() -> int:
        return len(predict_files(predictor, paths).to_table())

    ways = {"decoding and fitting": decode, "the network": network, "the folder": whole}
    rates = dict.fromkeys(ways, 0.0)
    for _ in range(3):  # in turn, the best of each
        for name, way in ways.items():
            start = time.perf_counter()
            rates[name] = max(rates[name], way() / (time.perf_counter() - start))
    decoding, answering, end_to_end = rates.values()
    allowed = 1 / (1 / decoding + 1 / answering)
    print(f"{_machine()}; {len(paths)} JPEGs, {torch.get_num_threads()} threads\n")
    print("| | pictures a second |\n|---|---|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:.1f} |")
    print(
        f"| 1/(1/decoding + 1/network) | {allowed:.1f} |\n| the folder by this | {end_to_end / allowed:.2f} |"
    )


if __name__ == "__main__":
    main()
