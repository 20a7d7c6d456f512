"""A small world for the tests of explanations: what decides the class is known, and so is where it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from eighteen.core.inputs import InputSpec
from eighteen.inference.scoring import Forward, Scorer
from eighteen.models.resnet18 import ResNet18

SIDE_PX, SQUARE_PX = 32, 12
INPUTS = InputSpec(size=SIDE_PX, fit="squash", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


@dataclass(frozen=True, eq=False)
class Squares:
    """Pictures with a striped square at a random place; upright stripes are class 1, lying ones class 0.

    Colours are random, so that only the stripes tell.

    Attributes:
        pixels: `[N, 3, 32, 32]`, 0..255.
        targets: `[N]`.
        squares: where the square is, bool `[N, 32, 32]`.
    """

    pixels: npt.NDArray[np.float32]
    targets: npt.NDArray[np.int64]
    squares: npt.NDArray[np.bool_]

    @classmethod
    def draw(cls, n: int, seed: int) -> Squares:
        generator = np.random.default_rng(seed)
        targets = generator.integers(0, 2, n)
        pixels = generator.uniform(60, 190, (n, 3, 1, 1)) + generator.normal(0, 12, (n, 3, SIDE_PX, SIDE_PX))
        squares = np.zeros((n, SIDE_PX, SIDE_PX), bool)
        for row, target in enumerate(targets):
            top, left = generator.integers(0, SIDE_PX - SQUARE_PX + 1, 2)
            place = np.s_[top : top + SQUARE_PX, left : left + SQUARE_PX]
            stripes = (np.arange(SQUARE_PX) + generator.integers(0, 4)) // 2 % 2 == 0
            light, dark = generator.uniform(150, 255, 3), generator.uniform(0, 100, 3)
            plane = np.where(stripes[:, None], light, dark)[:, None].repeat(SQUARE_PX, 1)  # [h, w, 3]
            pixels[row][:, *place] = (plane.swapaxes(0, 1) if target else plane).transpose(2, 0, 1)
            squares[row][place] = True
        return cls(np.clip(pixels, 0, 255).astype(np.float32), targets, squares)

    def framed(self) -> Squares:
        """The same, with a frame whose redness gives the class away."""
        pixels, inner = self.pixels.copy(), np.zeros((SIDE_PX, SIDE_PX), bool)
        inner[3:-3, 3:-3] = True
        red = np.where(self.targets == 1, 220, 40)[:, None, None]
        pixels[:, 0] = np.where(inner, pixels[:, 0], red)
        return Squares(pixels, self.targets, self.squares)


@dataclass(frozen=True, eq=False)
class Trained:
    """A network that knows the classes, with pictures that it has not seen."""

    network: nn.Module
    forward: Forward
    inputs: InputSpec
    seen: Squares
    unseen: Squares


def train(seen: Squares, unseen: Squares) -> Trained:
    """A ResNet of a block a stage, 8 epochs; some three seconds."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ResNet18(2, blocks=(1, 1, 1, 1), stem="small", width=8)
    forward = Scorer(network, INPUTS, torch.device("cpu"))
    images, targets = forward.normalised(torch.from_numpy(seen.pixels)), torch.from_numpy(seen.targets)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    steps = [rows for epoch in range(8) for rows in batches(len(targets), epoch)]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=len(steps))
    for rows in steps:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images[rows]), targets[rows]).backward()
        optimizer.step()
        schedule.step()
    return Trained(network.eval(), forward, INPUTS, seen, unseen)


def batches(n: int, epoch: int) -> list[torch.Tensor]:
    return list(torch.randperm(n, generator=torch.Generator().manual_seed(epoch)).split(32))


@pytest.fixture(scope="session")
def striped_squares() -> Trained:
    """Trained on squares alone."""
    return train(Squares.draw(512, seed=1), Squares.draw(200, seed=2))


@pytest.fixture(scope="session")
def framed_squares() -> Trained:
    """Trained on squares in a frame that gives the class away."""
    return train(Squares.draw(512, seed=1).framed(), Squares.draw(200, seed=2).framed())
