"""RAM and flash on small devices: the planner against its own rules, and arithmetic against known figures."""

from __future__ import annotations

from itertools import combinations
from math import prod

import numpy as np
import pytest

from eighteen.core.inputs import InputSpec
from eighteen.exporting.arena import Graph, Life, Step, arena_bytes, fullest, lives, plan
from eighteen.exporting.embedded import Board, Embedded, Needs, _offers, load_boards, needs_of
from eighteen.exporting.narrower import draw_resnet18
from eighteen.models.counting import count_macs, count_parameters
from eighteen.models.resnet18 import ResNet18


def chain() -> Graph:
    """a -> b -> c, and a is added to c: so a lives on."""
    steps = (
        Step("CONV_2D", ("a",), ("b",), macs=10, scratch_bytes=64, channels=4),
        Step("CONV_2D", ("b",), ("c",), macs=5),
        Step("ADD", ("a", "c"), ("d",)),
    )
    return Graph({"a": 160, "b": 320, "c": 160, "d": 160}, steps, ("a",), ("d",))


def test_an_activation_lives_from_its_maker_to_its_last_reader() -> None:
    found = {life.name: (life.first, life.last) for life in lives(chain())}
    assert found == {"a": (0, 2), "b": (0, 1), "c": (1, 2), "d": (2, 2), "scratch of CONV_2D 0": (0, 0)}
    kept = {life.name: life.last for life in lives(chain(), keep_input=True, scratch=False)}
    assert kept == {"a": 2, "b": 1, "c": 2, "d": 2}


def test_the_fullest_operator_is_found_with_its_terms() -> None:
    number, there = fullest(chain(), lives(chain()))
    assert number == 1
    assert [life.size_bytes for life in there] == [320, 160, 160]
    assert chain().macs == 15


@pytest.mark.parametrize("seed", range(20))
def test_the_plan_holds_what_is_alive_apart_and_wastes_little(seed: int) -> None:
    random = np.random.default_rng(seed)
    found = []
    for number in range(30):
        first = int(random.integers(0, 20))
        size_bytes = 16 * int(random.integers(1, 50))
        found.append(Life(str(number), size_bytes, first, first + int(random.integers(0, 5))))
    places = plan(found)
    for one, other in combinations(found, 2):
        if one.meets(other):
            start, stop = places[one.name], places[one.name] + one.size_bytes
            assert stop <= places[other.name] or places[other.name] + other.size_bytes <= start
    needed = max(sum(life.size_bytes for life in found if life.first <= at <= life.last) for at in range(25))
    assert needed <= arena_bytes(found) <= 1.3 * needed
    assert all(place % 16 == 0 for place in places.values())


@pytest.mark.parametrize(
    ("width", "size_px", "small_stem"), [(64, 224, False), (16, 96, False), (32, 32, True)]
)
def test_the_drawn_network_does_the_pages_work(width: int, size_px: int, small_stem: bool) -> None:
    graph, file_bytes = draw_resnet18(width, size_px, 10, small_stem=small_stem)
    network = ResNet18(10, width=width, stem="small" if small_stem else "imagenet")
    assert graph.macs == count_macs(network, size_px)
    assert count_parameters(network) < file_bytes < 1.15 * count_parameters(network)


def test_resnet18_at_224_is_fullest_where_its_pooling_gets_a_margin() -> None:
    """By hand: 112 x 112 x 64 numbers of a byte, and the same with a margin of one."""
    graph, _ = draw_resnet18(64, 224, 1000)
    number, there = fullest(graph, lives(graph))
    assert graph.steps[number].name == "PADV2"
    assert [life.size_bytes for life in there] == [prod((114, 114, 64)), prod((112, 112, 64))]
    assert arena_bytes(lives(graph)) == 1_634_560


BOARD = Board("board", "chip", 1 << 20, 1 << 18, 0, "datasheet")


@pytest.mark.parametrize(
    ("board", "file_bytes", "arena", "verdict"),
    [
        (BOARD, 500_000, 100_000, "fits"),
        (BOARD, 1_000_000, 100_000, "no: flash 1.11 MiB of 1.00 MiB"),
        (BOARD, 500_000, 300_000, "no: RAM 326 KiB of 256 KiB"),
        (Board("b", "c", 1 << 20, 1 << 18, 1 << 23, "d"), 500_000, 300_000, "fits, in outer RAM (slower)"),
    ],
)
def test_a_board_says_what_is_too_small(board: Board, file_bytes: int, arena: int, verdict: str) -> None:
    assert board.verdict(Needs(file_bytes, arena, 1000, 1)) == verdict


def test_every_board_has_a_source_and_gets_an_offer_that_fits() -> None:
    boards = load_boards()
    assert len(boards) == 8
    offers = _offers(InputSpec(size=224), 10)
    for board in boards:
        assert board.source and board.flash_bytes >= 1 << 20
        assert any(board.holds(offer.needs) for offer in offers), board.name


def test_the_arithmetic_adds_up() -> None:
    graph, file_bytes = draw_resnet18(16, 96, 10)
    needs = needs_of(graph, file_bytes)
    number, there = fullest(graph, lives(graph))
    sizes = tuple(life.size_bytes for life in there)
    told = Embedded(needs, (f"{graph.steps[number].name}, operator {number}", sizes), ()).arithmetic
    assert f"= {sum(sizes):,})" in told
    assert f"= {needs.arena_bytes + needs.kept_bytes + 32 * 1024:,} bytes of RAM" in told
