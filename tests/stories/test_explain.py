"""Explaining: a page in the run, with checks that say whether its maps deserve trust."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from eighteen import Recipe, Run, train


@pytest.fixture(scope="module")
def run(small: Callable[..., Recipe], pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("explained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        return train(pictures, home / "run", small(**{"training.epochs": 6}))


def test_the_command_writes_a_page_that_loads_nothing(
    run: Run, pictures: Path, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    folder = pictures / "val" / "red"
    said = eighteen("explain", run.path, folder, broken, "--json")
    assert said.code == 0, said.err
    files = sorted(folder.iterdir())
    rows = said.json["pictures"]
    assert [row["path"] for row in rows] == [*map(str, files), str(broken)]
    assert rows[-1]["error"]
    known = set(run.dataset.subset("train").table["id"])
    for row in rows[:-1]:
        assert row["label"] in run.class_names
        near = row["neighbours"]
        assert {each["id"] for each in near} <= known
        assert [each["similarity"] for each in near] == sorted((e["similarity"] for e in near), reverse=True)
    page = Path(said.json["page"])
    text = page.read_text(encoding="utf-8")
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("data:image/png;base64,") == len(files)
    with Image.open(page.parent / rows[0]["overlay"]) as overlay:
        assert overlay.width > overlay.height


def test_checks_and_shortcuts_are_measured_on_validation(
    run: Run, pictures: Path, eighteen: Callable[..., Any]
) -> None:
    said = eighteen("explain", run.path, pictures / "val" / "blue" / "000.png", "--json")
    assert {check["name"] for check in said.json["checks"]} == {"deletion", "randomisation"}
    assert all(check["n"] == run.dataset.split_counts["val"] for check in said.json["checks"])
    # The classes differ in colour alone, which a coarse look shows as well.
    views = {view["name"]: view for view in said.json["shortcuts"]["views"]}
    whole = said.json["shortcuts"]["whole"]["value"]
    assert set(views) == {"border", "blur", "colour"}
    assert views["colour"]["accuracy"]["value"] == pytest.approx(whole, abs=0.2)


def test_each_page_has_a_folder_of_its_own(run: Run, pictures: Path, eighteen: Callable[..., Any]) -> None:
    picture = pictures / "val" / "green" / "000.png"
    pages = [eighteen("explain", run.path, picture, "--json").json["page"] for _ in range(2)]
    assert len(set(pages)) == 2
    assert all(json.loads((Path(page).parent / "explanations.json").read_text()) for page in pages)


def test_nothing_to_explain_is_said_in_one_line(
    run: Run, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    (tmp_path / "empty").mkdir()
    said = eighteen("explain", run.path, tmp_path / "empty")
    assert said.code == 1
    assert "there are no pictures in" in said.err


def test_occlusion_is_drawn_and_checked_where_asked_for(
    run: Run, pictures: Path, eighteen: Callable[..., Any]
) -> None:
    picture = pictures / "val" / "red" / "000.png"
    said = eighteen("explain", run.path, picture, "--occlusion", "--json")
    assert said.code == 0, said.err
    (row,) = said.json["pictures"]
    page = Path(said.json["page"])
    with Image.open(page.parent / row["occlusion"]) as drawn, Image.open(page.parent / row["overlay"]) as cam:
        assert drawn.size == cam.size
    (check,) = [check for check in said.json["checks"] if check["name"] == "occlusion_deletion"]
    assert check["low"] <= check["value"] <= check["high"]
    assert page.read_text("utf-8").count("data:image/png;base64,") == 2
    plain = eighteen("explain", run.path, picture, "--json").json
    assert plain["pictures"][0]["occlusion"] == ""
