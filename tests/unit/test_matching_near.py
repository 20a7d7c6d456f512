"""Facts about near copies: what counts as one picture, what does not, and what the search finds."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from eighteen.matching import SKETCH_BYTES, Sketches, near_groups, near_matches, near_pairs, sketch
from eighteen.matching.hashes import MIRROR, distance, view_hashes
from eighteen.matching.lookup import look_up


def scene(seed: int, size: tuple[int, int] = (240, 180)) -> Image.Image:
    """A smooth coloured picture with things in it, no two alike."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1))


def sketched(*pictures: Image.Image) -> Sketches:
    return Sketches.unpack([sketch(np.asarray(picture.convert("RGB"))) for picture in pictures])


def saved(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


VARIANTS = {
    "resized": lambda picture: picture.resize((90, 70), Image.Resampling.BICUBIC),
    "saved anew": lambda picture: saved(picture, 35),
    "cut": lambda picture: picture.crop((12, 9, 240, 180)),
    "cut all round": lambda picture: picture.crop((12, 9, 228, 171)),
    "mirrored": ImageOps.mirror,
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.7),
    "framed": lambda picture: ImageOps.expand(picture, 8, (255, 255, 255)),
    "turned": lambda picture: picture.rotate(2, Image.Resampling.BICUBIC),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_found_among_others(name: str) -> None:
    others = [scene(seed) for seed in range(40)]
    groups = near_groups(sketched(*others, VARIANTS[name](others[7])))
    assert [group.tolist() for group in groups] == [[7, 40]]


def test_other_pictures_are_no_copies() -> None:
    assert len(near_pairs(sketched(*(scene(seed) for seed in range(200))))) == 0


def test_the_same_shapes_in_other_colours_are_no_copies() -> None:
    picture = scene(3)
    red, green, blue = picture.split()
    assert len(near_pairs(sketched(picture, Image.merge("RGB", (blue, red, green))))) == 0


def test_blank_pictures_match_nothing_and_cost_nothing() -> None:
    blank = Image.new("RGB", (100, 100), (200, 200, 200))
    assert len(near_pairs(sketched(*[blank] * 5000, scene(1)))) == 0


def test_many_copies_of_one_picture_are_one_set() -> None:
    copies = [scene(1)] * 3000
    (group,) = near_groups(sketched(scene(0), *copies, scene(2)))
    assert group.tolist() == list(range(1, 3001))


def test_no_pictures_give_no_sets() -> None:
    assert near_groups(Sketches.unpack([])) == []


def test_matches_name_the_known_picture() -> None:
    known = sketched(*(scene(seed) for seed in range(30)))
    incoming = sketched(scene(50), VARIANTS["cut"](scene(11)), ImageOps.mirror(scene(4)), scene(51))
    matches = near_matches(incoming, known)
    assert matches.row.tolist() == [1, 2]
    assert matches.known.tolist() == [11, 4]
    assert (matches.likeness > 0.97).all()


def test_a_sketch_does_not_depend_on_the_size_much() -> None:
    large = Image.fromarray(np.kron(np.asarray(scene(5)), np.ones((3, 3, 1), np.uint8)))
    one, other = (sketched(picture).grey[0].astype(int) for picture in (scene(5), large))
    assert len(sketch(np.asarray(scene(5)))) == SKETCH_BYTES
    assert np.abs(one - other).max() <= 4


def test_mirroring_turns_the_odd_bits() -> None:
    hashes = view_hashes(sketched(scene(8)).grey)[0]
    mirrored = view_hashes(sketched(ImageOps.mirror(scene(8))).grey)[0]
    assert int(distance(hashes ^ MIRROR, mirrored)[0]) <= 3
    assert int(distance(hashes, mirrored)[0]) > 20


def all_pairs(hashes: npt.NDArray[np.uint64], radius: int) -> set[tuple[int, int]]:
    """Brute force: every two within the radius, as they are or mirrored."""
    far = np.minimum(distance(hashes[:, None], hashes), distance(hashes[:, None] ^ MIRROR, hashes))
    return {(int(i), int(j)) for i, j in zip(*np.nonzero(far <= radius), strict=True) if j < i}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 4), st.booleans())
def test_all_pairs_within_a_small_radius_are_found(seed: int, number: int, turned: int, mirror: bool) -> None:
    draw = np.random.default_rng(seed)
    hashes = draw.integers(0, 2**64, (number, 2), dtype=np.uint64)
    copies = hashes[draw.integers(0, number, 6)].copy()
    for row in copies:
        for bit in draw.choice(128, turned, replace=False):
            row[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    both = np.unique(np.concatenate([hashes, copies ^ MIRROR if mirror else copies]), axis=0)
    found = look_up(both[None], both, radius=4, same=True)
    pairs = zip(np.maximum(found.query, found.found), np.minimum(found.query, found.found), strict=True)
    assert {(int(i), int(j)) for i, j in pairs} == all_pairs(both, 4)


def test_most_pairs_further_apart_are_found() -> None:
    draw = np.random.default_rng(0)
    hashes = draw.integers(0, 2**64, (4000, 2), dtype=np.uint64)
    bits = draw.random((4000, 128)).argsort(axis=1)[:, :12]
    copies = hashes.copy()
    for column in range(12):
        word = bits[:, column] // 64
        copies[np.arange(4000), word] ^= np.uint64(1) << (bits[:, column] % 64).astype(np.uint64)
    found = look_up(copies[None], hashes)
    hit = found.query[found.found == found.query]
    assert len(np.unique(hit)) >= 0.98 * 4000
    assert (found.bits <= 20).all()
