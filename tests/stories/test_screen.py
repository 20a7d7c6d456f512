"""Screening a pile from the command line: each picture ends where it belongs, and nothing is touched."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eighteen import Run

COLOURS = ("red", "green", "blue")


@pytest.fixture
def pile(tmp_path: Path, paint: Callable[..., Path], pictures: Path) -> Path:
    """12 new pictures of each class, of which folder names say the class; and five kinds of rubbish."""
    folder = paint(tmp_path / "pile", dict.fromkeys(COLOURS, 12), seed=7)
    copies = folder / "copies"
    copies.mkdir()
    shutil.copy(folder / "red" / "000.png", copies / "again.png")
    with Image.open(pictures / "train" / "blue" / "001.png") as known:
        known.save(copies / "known.bmp")
    (folder / "cut.png").write_bytes((folder / "red" / "001.png").read_bytes()[:200])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("not a picture")
    Image.new("RGB", (16, 16), (90, 90, 90)).save(folder / "blank.png")
    return folder


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_picture_ends_where_it_belongs(
    trained: Run, pictures: Path, pile: Path, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    before = contents(pile)
    out, sorted_out, page = tmp_path / "chosen.csv", tmp_path / "to-label", tmp_path / "page.html"
    options = ["--out", out, "--copy-to", sorted_out, "--report", page, "--n", 9, "--json"]
    said = eighteen("screen", pile, "--against", pictures, "--run", trained.path, *options)
    assert said.code == 0, said.err
    rows = rows_of(out)
    assert list(rows[0])[:5] == ["path", "decision", "rank", "reason", "duplicate_of"]
    decided = {str(Path(row["path"]).relative_to(pile)): row for row in rows}
    assert set(decided) == set(before) - {"notes.txt"}
    assert {name for name, row in decided.items() if row["decision"] == "broken"} == {
        "cut.png",
        "empty.jpg",
        "blank.png",
    }
    assert "truncated" in decided["cut.png"]["reason"]
    # Of two copies in the pile the first in natural order stays.
    assert decided["red/000.png"]["duplicate_of"] == str(pile / "copies" / "again.png")
    assert decided["copies/known.bmp"]["duplicate_of"] == str(pictures / "train" / "blue" / "001.png")
    chosen = [row for row in rows if row["decision"] == "chosen"]
    assert [row["rank"] for row in chosen] == [str(rank) for rank in range(1, 10)]
    assert rows[:9] == chosen
    for row in chosen:
        assert row["reason"] and row["suggested"] in COLOURS and 0 <= float(row["uncertainty"]) <= 1
    assert said.json["counts"]["chosen"] == 9 == len(contents(sorted_out))
    assert {Path(row["path"]).read_bytes() for row in chosen} == {
        path.read_bytes() for path in sorted_out.rglob("*.*") if path.is_file()
    }
    assert {path.name for path in sorted_out.iterdir()} <= set(COLOURS)
    assert contents(pile) == before
    text = page.read_text(encoding="utf-8")
    assert "http" not in text.replace("http-equiv", "")


def test_answers_are_those_of_predict(
    trained: Run, pictures: Path, pile: Path, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    """What the run says of a picture is what `predict` says: one set of features serves both."""
    said = eighteen("screen", pile, "--run", trained.path, "--json", "--method", "uncertain", "--n", 5)
    assert said.code == 0, said.err
    rows = {row["path"]: row for row in said.json["images"] if row["suggested"]}
    assert len(rows) > 20
    told = eighteen("predict", trained.path, *rows, "--json").json["predictions"]
    for each in told:
        assert each["label"] == rows[each["path"]]["suggested"]
        assert each["score"] == pytest.approx(rows[each["path"]]["score"], abs=1e-5)
    chosen = [row["uncertainty"] for row in said.json["images"] if row["decision"] == "chosen"]
    spare = [row["uncertainty"] for row in said.json["images"] if row["decision"] == "spare"]
    assert chosen == sorted(chosen, reverse=True) and min(chosen) >= max(spare)


def test_without_a_model_the_weakness_is_said(
    pictures: Path, pile: Path, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    generator = np.random.default_rng(0)
    for number in range(4):
        noise = generator.integers(0, 256, (40, 400, 3), dtype=np.uint8)
        Image.fromarray(noise).save(pile / f"noise-{number}.png")
    said = eighteen("screen", pile, "--against", pictures, "--out", tmp_path / "chosen.csv", "--n", 6)
    assert said.code == 0, said.err
    assert "much weaker than a network" in said.err
    rows = rows_of(tmp_path / "chosen.csv")
    off = {Path(row["path"]).name for row in rows if row["decision"] == "off_topic"}
    assert {f"noise-{number}.png" for number in range(4)} <= off
    assert not any(row["suggested"] for row in rows)
    again = eighteen("screen", pile, "--against", pictures, "--out", tmp_path / "chosen.csv")
    assert again.code == 1 and "never overwritten" in again.err


def test_a_pile_may_be_a_table_and_stand_alone(pile: Path, eighteen: Callable[..., Any]) -> None:
    table = pile / "pile.csv"
    table.write_text(
        "file,kind\nred/002.png,x\ngone.png,x\nred/002.png,x\nblue/003.png,x\n", encoding="utf-8"
    )
    said = eighteen("screen", table, "--json", "--n", 1)
    assert said.code == 0, said.err
    counts = said.json["counts"]
    assert (counts["chosen"], counts["spare"], counts["broken"]) == (1, 1, 1)
    assert "nothing is called off topic" in " ".join(said.json["notes"])


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_pile_of_links_is_read_as_its_message_says(
    pile: Path, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    links = tmp_path / "links"
    links.mkdir()
    for number in range(3):
        (links / f"{number}.png").symlink_to(pile / "green" / f"00{number}.png")
    said = eighteen("screen", links, "--json")
    assert said.json["counts"]["broken"] == 3
    (advice,) = {row["reason"].partition("; ")[2] for row in said.json["images"]}
    option = advice.removesuffix(" reads it").split(" ")
    assert eighteen("screen", links, "--json", *option).json["counts"]["chosen"] == 3
    for wrong, words in (("training.epochs=3", "data.KEY=VALUE"), ("data.nothing=1", "no setting")):
        refused = eighteen("screen", links, "--json", "--set", wrong)
        assert refused.code in (1, 2) and words in refused.text


def test_what_cannot_work_is_said_before_any_work(
    trained: Run, pile: Path, pictures: Path, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    for options, code, words in (
        (["--n", "3"], 2, "name what to write"),
        (["--json", "--method", "uncertain"], 1, "how sure a model is"),
        (["--json", "--run", trained.path, "--model", "resnet18"], 1, "brings its own network"),
        (["--json", "--model", "resnet18"], 1, "--weights imagenet"),
        (["--json", "--copy-to", pictures], 1, "never overwritten; choose another --copy-to"),
        (["--report", tmp_path / "page.pdf"], 1, "a page is written as .html"),
        (["--out", tmp_path / "o.csv", "--copy-to", tmp_path / "o.csv"], 1, "one would overwrite another"),
        (["--out", tmp_path / "chosen.xlsx"], 1, "use one of"),
    ):
        said = eighteen("screen", pile, *options)
        assert said.code == code, said.text
        assert words in said.text
    inside = ["--copy-to", tmp_path / "new", "--out", tmp_path / "new" / "o.csv"]
    assert eighteen("screen", pile, *inside, "--report", tmp_path / "new" / "page.html").code == 0
    said = eighteen("screen", tmp_path / "nothing", "--json")
    assert said.code == 1 and "no such file or folder" in said.err


@pytest.mark.shared
@pytest.mark.parametrize(
    "case", ["C01", "C03", "C05", "C12", "C16", "C18", "C20", "C21", "C24", "C25", "C50"]
)
def test_public_failure_cases_as_a_pile(
    case: str, case_dir: Callable[[str], Path], eighteen: Callable[..., Any]
) -> None:
    """What cannot be read is broken, with a reason, and nothing else but pictures of one single colour is."""
    folder = case_dir(case)
    expected = json.loads((folder / "case.json").read_text(encoding="utf-8"))["expected"]
    said = eighteen("screen", folder / "data", "--json", "--n", "2")
    assert said.code == 0, said.err
    rows = {str(Path(row["path"]).relative_to(folder / "data")): row for row in said.json["images"]}
    assert set(expected.get("used", ())) <= set(rows)
    unread = {
        name
        for name, row in rows.items()
        if row["decision"] == "broken" and not row["reason"].startswith("one single colour")
    }
    assert unread == set(expected.get("skipped", ()))
    assert all(rows[name]["reason"] for name in unread)
