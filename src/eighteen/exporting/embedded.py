"""Would it run on a small board? Flash, RAM and work of an 8-bit model, and which named boards hold it.

In goes a .tflite file, out comes a table with its arithmetic. Flash is the file and the runtime's code. RAM
is the arena (activations alive together, see `arena`), what the runtime keeps for each operator and channel,
and room for stack and program. Boards are in `boards.json`, each with its source. Where a board does not hold
the network, the ResNet-18 with the most work that it does hold is offered, by its width and input size.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from eighteen.core import store
from eighteen.core.inputs import InputSpec
from eighteen.exporting.arena import Graph, arena_bytes, fullest, lives
from eighteen.exporting.flatgraph import read_graph
from eighteen.exporting.narrower import draw_resnet18
from eighteen.training.choices import SMALL_PX

FILE = "embedded.json"

RUNTIME_FLASH = 160 * 1024
"""TensorFlow Lite for Microcontrollers with the kernels of a ResNet, and a small program: allowed for."""
RUNTIME_RAM = 32 * 1024
"""Stack, camera lines and the program's own: allowed for."""
STEP_RAM, TENSOR_RAM, CHANNEL_RAM = 128, 16, 8
"""What the runtime keeps: of an operator, of a tensor, and multiplier and shift of a channel."""

WIDTHS = (64, 48, 32, 24, 16, 8)
SIZES_PX = (224, 192, 160, 128, 96, 80, 64, 48, 32)


@dataclass(frozen=True)
class Needs:
    """What a network needs of a device, bytes.

    Attributes:
        file_bytes: of the model.
        arena_bytes: activations and scratch, planned.
        kept_bytes: what the runtime keeps beside them.
        macs: multiply-accumulates of a picture.
    """

    file_bytes: int
    arena_bytes: int
    kept_bytes: int
    macs: int

    @property
    def flash_bytes(self) -> int:
        return self.file_bytes + RUNTIME_FLASH

    @property
    def ram_bytes(self) -> int:
        return self.arena_bytes + self.kept_bytes + RUNTIME_RAM


@dataclass(frozen=True)
class Board:
    """A device: `ram_bytes` is the largest piece, `outer_ram_bytes` slower memory beside the chip."""

    name: str
    chip: str
    flash_bytes: int
    ram_bytes: int
    outer_ram_bytes: int
    source: str

    def verdict(self, needs: Needs) -> str:
        """ "fits", or what is too small."""
        if needs.flash_bytes > self.flash_bytes:
            return f"no: flash {_size(needs.flash_bytes)} of {_size(self.flash_bytes)}"
        if needs.ram_bytes <= self.ram_bytes:
            return "fits"
        if needs.ram_bytes <= self.outer_ram_bytes:
            return "fits, in outer RAM (slower)"
        most = max(self.ram_bytes, self.outer_ram_bytes)
        return f"no: RAM {_size(needs.ram_bytes)} of {_size(most)}"

    def holds(self, needs: Needs) -> bool:
        return self.verdict(needs).startswith("fits")


@dataclass(frozen=True)
class Offer:
    """A narrower ResNet-18 that fits: `model.width`, `inputs.size`, and what it needs."""

    width: float
    size_px: int
    needs: Needs

    @property
    def settings(self) -> str:
        """In a line."""
        work = f"{self.needs.macs / 1e6:,.0f} M MACs"
        return f"model.width={self.width:g} inputs.size={self.size_px}: {work}"


@dataclass(frozen=True)
class Embedded:
    """The table.

    Attributes:
        needs: of the model at hand.
        fullest: the operator at which most is alive, and the bytes of each activation there.
        boards: name, verdict, and an offer where it does not fit.
    """

    needs: Needs
    fullest: tuple[str, tuple[int, ...]]
    boards: tuple[tuple[Board, str, Offer | None], ...]

    @property
    def arithmetic(self) -> str:
        """RAM, term by term."""
        step, sizes = self.fullest
        needs = self.needs
        terms = " + ".join(f"{size:,}" for size in sizes)
        return (
            f"arena {needs.arena_bytes:,} bytes (at its fullest, {step}: {terms} = {sum(sizes):,}) + runtime "
            f"{needs.kept_bytes:,} + stack and program {RUNTIME_RAM:,} = {needs.ram_bytes:,} bytes of RAM; "
            f"model {needs.file_bytes:,} + code {RUNTIME_FLASH:,} = {needs.flash_bytes:,} bytes of flash; "
            f"{needs.macs:,} multiply-accumulates"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "needs": {
                **asdict(self.needs),
                "flash_bytes": self.needs.flash_bytes,
                "ram_bytes": self.needs.ram_bytes,
            },
            "arithmetic": self.arithmetic,
            "boards": [
                {**asdict(board), "verdict": verdict, "offer": None if offer is None else asdict(offer)}
                for board, verdict, offer in self.boards
            ],
        }

    def save(self, folder: Path) -> None:
        store.write_json(folder / FILE, self.to_json())


def describe_embedded(path: Path, inputs: InputSpec, classes: int) -> Embedded:
    """The table of a .tflite file.

    Args:
        path: in 8-bit integers; other files are counted as they are.
        inputs: of the model, for offers.
        classes: of the model, for offers.
    """
    graph = read_graph(path)
    needs = needs_of(graph, path.stat().st_size)
    number, alive = fullest(graph, lives(graph))
    offers = _offers(inputs, classes)
    boards = tuple(
        (board, board.verdict(needs), None if board.holds(needs) else _best(board, offers))
        for board in load_boards()
    )
    sizes = tuple(life.size_bytes for life in alive)
    return Embedded(needs, (f"{graph.steps[number].name}, operator {number}", sizes), boards)


def load_boards() -> tuple[Board, ...]:
    text = (files("eighteen.exporting") / "boards.json").read_text(encoding="utf-8")
    return tuple(Board(**row) for row in json.loads(text))


def needs_of(graph: Graph, file_bytes: int) -> Needs:
    """What a graph needs."""
    kept = (
        STEP_RAM * len(graph.steps)
        + TENSOR_RAM * len(graph.sizes)
        + CHANNEL_RAM * sum(step.channels for step in graph.steps)
    )
    return Needs(file_bytes, arena_bytes(lives(graph)), kept, graph.macs)


def _offers(inputs: InputSpec, classes: int) -> list[Offer]:
    """ResNet-18 of all widths and sizes up to the present one."""
    found = []
    for width in WIDTHS:
        for size_px in (size for size in SIZES_PX if size <= max(32, inputs.size)):
            graph, file_bytes = draw_resnet18(width, size_px, classes, inputs.channels, size_px <= SMALL_PX)
            found.append(Offer(width / 64, size_px, needs_of(graph, file_bytes)))
    return found


def _best(board: Board, offers: Sequence[Offer]) -> Offer | None:
    """The one with the most work that fits."""
    fitting = [offer for offer in offers if board.holds(offer.needs)]
    return max(fitting, key=lambda offer: offer.needs.macs, default=None)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.2f} MiB" if size_bytes >= 2**20 else f"{size_bytes / 2**10:.0f} KiB"
