"""Does the table of small boards count right? The arena of one 8-bit network, by arithmetic and as it ran.

Exports an untrained ResNet-18 of a width and size in 8-bit integers, with norms set at random, and runs it
in LiteRT with the plain kernels, without a delegate, as a microcontroller would. Two measures in a process of
their own: how far apart the first and last byte of its activations lie, and by how much the process's private
memory grows from before the tensors are allocated to after the first answers.

    python benchmarks/embedded.py --width 0.5 --size 128
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from eighteen.core.artifact import Exportable
from eighteen.core.calibration import Calibration
from eighteen.core.inputs import InputSpec
from eighteen.exporting.arena import arena_bytes, fullest, lives
from eighteen.exporting.embedded import needs_of
from eighteen.exporting.flatgraph import read_graph
from eighteen.exporting.narrower import draw_resnet18
from eighteen.formats import litert
from eighteen.models.family import build

CLASSES = 10
INTERPRETER_ALIGNMENT = 64

MEASURE = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

def private_bytes():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024

model = Interpreter(sys.argv[1], experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1)
picture = np.random.default_rng(0).integers(-128, 128, model.get_input_details()[0]["shape"], dtype=np.int8)
before = private_bytes()
model.allocate_tensors()
for _ in range(2):
    model.set_tensor(model.get_input_details()[0]["index"], picture)
    model.invoke()
grown = private_bytes() - before
starts, stops = [], []
for index in map(int, sys.argv[2].split(",")):
    view = model.tensor(index)()
    address = view.__array_interface__["data"][0]
    starts.append(address)
    stops.append(address + view.nbytes)
print(json.dumps({"span_bytes": max(stops) - min(starts), "private_growth_bytes": grown}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=float, default=0.5, help="of the paper's channels")
    parser.add_argument("--size", type=int, default=128, help="side of the input, pixels")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = untrained(asked.width, asked.size)
        litert.write(model, Path(folder), "int8")
        found = compare(Path(folder) / litert.MODEL)
    drawn, file_bytes = draw_resnet18(round(64 * asked.width), asked.size, CLASSES)
    found["drawn"] = {"arena_bytes": arena_bytes(lives(drawn)), "file_bytes": file_bytes, "macs": drawn.macs}
    print(json.dumps({"width": asked.width, "size_px": asked.size, **found}, indent=1))


def untrained(width: float, size_px: int) -> Exportable:
    torch.manual_seed(0)
    network = build("resnet18", num_classes=CLASSES, width=width)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    samples = np.random.default_rng(1).uniform(0, 255, (8, 3, size_px, size_px)).astype(np.float32)
    names = tuple("abcdefghij"[:CLASSES])
    return Exportable(
        network.eval(), InputSpec(size=size_px), Calibration(), names, {"model": "resnet18"}, lambda: samples
    )


def compare(path: Path) -> dict[str, object]:
    graph = read_graph(path)
    number, there = fullest(graph, lives(graph, scratch=False))
    # The interpreter of phones keeps the input, has no scratch with plain kernels, and aligns to 64 bytes.
    counted = arena_bytes(lives(graph, keep_input=True, scratch=False), INTERPRETER_ALIGNMENT)
    command = [sys.executable, "-c", MEASURE, str(path), ",".join(graph.sizes)]
    ran = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {
        "microcontroller": vars(needs_of(graph, path.stat().st_size)),
        "fullest": [graph.steps[number].name, [life.size_bytes for life in there]],
        "counted_for_interpreter_bytes": counted,
        "ran": ran,
        "span_over_counted": round(ran["span_bytes"] / counted, 4),
        "private_growth_over_counted": round(ran["private_growth_bytes"] / counted, 4),
    }


if __name__ == "__main__":
    main()
