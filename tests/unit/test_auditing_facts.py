"""Facts of pictures whose facts are known, and that they cost no second decoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eighteen.auditing import _facts, _looking, audit
from eighteen.auditing._facts import NAMES, area_outside, blur_of, facts_in, facts_of
from eighteen.auditing.scan import scan, without_looks
from eighteen.matching import Sketches, sketch
from eighteen.reading import ReadOptions, read


def facts(*pictures: np.ndarray) -> dict[str, np.ndarray]:
    width, height = (np.array([each.shape[axis] for each in pictures]) for axis in (1, 0))
    blur = np.array([blur_of(each) for each in pictures])
    table = facts_of(Sketches.unpack([sketch(each) for each in pictures]), blur, width, height)
    return dict(zip(NAMES, table.T, strict=True))


def plain(red: int, green: int, blue: int, height: int = 96, width: int = 96) -> np.ndarray:
    return np.full((height, width, 3), (red, green, blue), np.uint8)


def test_colour_brightness_and_saturation_of_one_colour() -> None:
    found = facts(plain(200, 100, 30), plain(90, 90, 90))
    assert found["red"] == pytest.approx([200, 90])
    assert found["green"] == pytest.approx([100, 90])
    assert found["blue"] == pytest.approx([30, 90])
    assert found["brightness"] == pytest.approx([110, 90], abs=1)
    assert found["saturation"] == pytest.approx([170, 0])
    assert found["contrast"] == pytest.approx([0, 0])
    assert found["blur"] == pytest.approx([1, 1])
    assert (found["border_detail"] == 0).all()


def test_border_is_told_from_the_middle() -> None:
    framed = plain(250, 250, 250, 160, 160)
    framed[20:-20, 20:-20] = np.random.default_rng(0).integers(0, 60, (120, 120, 3))
    found = facts(framed)
    assert found["border_red"][0] == pytest.approx(250, abs=1)
    assert found["brightness"][0] < 140
    middle_only = plain(0, 0, 0, 160, 160)
    middle_only[60:100, 60:100] = 255
    assert facts(middle_only)["border_detail"][0] == 0


def test_detail_outside_a_centre_crop() -> None:
    noise = np.random.default_rng(0)
    everywhere = noise.integers(0, 256, (192, 384, 3)).astype(np.uint8)
    middle = plain(0, 0, 0, 192, 384)
    middle[40:150, 140:240] = noise.integers(0, 256, (110, 100, 3))
    found = facts(everywhere, middle)["outside_detail"]
    assert found[0] == pytest.approx(float(area_outside(np.array([384]), np.array([192]))[0]), abs=0.05)
    assert found[1] < 0.05


def test_blur_rises_as_a_picture_is_blurred_and_no_picture_is_too_small() -> None:
    sharp = np.random.default_rng(0).integers(0, 256, (120, 100, 3)).astype(np.uint8)
    soft = np.asarray(Image.fromarray(sharp).resize((25, 30)).resize((100, 120)))
    assert blur_of(soft) > 2 * blur_of(sharp)
    assert blur_of(sharp[:2]) == 1.0
    assert 0 < blur_of(sharp[:3, :3]) <= 1


def test_facts_do_not_depend_on_how_many_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [
        np.random.default_rng(seed).integers(0, 256, (50, 70, 3)).astype(np.uint8) for seed in range(5)
    ]
    whole = facts(*pictures)
    monkeypatch.setattr(_facts, "_CHUNK", 2)
    assert all(np.array_equal(whole[name], each) for name, each in facts(*pictures).items())


def folder(tmp_path: Path) -> Path:
    for number in range(6):
        place = tmp_path / "data" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(plain(40 * number, 10, 10)).save(place)
    (tmp_path / "data" / "a" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more of it")
    return tmp_path / "data"


def test_facts_come_from_the_scan_and_from_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = read(folder(tmp_path), ReadOptions())
    first = scan(dataset, looks=True)
    red = facts_in(first, ["red"])
    assert red is not None and sorted(red[:, 0].round()) == [0, 40, 80, 120, 160, 200]

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    (tmp_path / "data" / "a" / "broken.png").unlink()
    monkeypatch.setattr(_looking, "decode", refuse)
    again = facts_in(scan(read(tmp_path / "data", ReadOptions()), looks=True))
    assert again is not None and np.array_equal(again, facts_in(first))


def test_facts_are_for_checks_only(tmp_path: Path) -> None:
    dataset = read(folder(tmp_path), ReadOptions())
    assert facts_in(scan(dataset)) is None
    assert without_looks(scan(dataset, looks=True)).table.columns == scan(dataset).table.columns
    assert not [name for name in audit(dataset).dataset.table.columns if name.startswith("scan.")]
