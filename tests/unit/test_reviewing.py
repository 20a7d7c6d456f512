"""The review without a browser: what is suspect, what is written, what the page is told."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from starlette.testclient import TestClient

from eighteen import Corrections, api
from eighteen.core import store
from eighteen.core.corrections import heading
from eighteen.core.dataset import SCHEMA, Dataset, Skipped
from eighteen.core.errors import DatasetError, EighteenError, UnreadableImage
from eighteen.core.findings import Finding
from eighteen.core.predictions import Predictions
from eighteen.evaluating import ledger
from eighteen.reviewing.app import make_app
from eighteen.reviewing.journal import Journal
from eighteen.reviewing.renditions import Renditions
from eighteen.reviewing.serving import reserve
from eighteen.reviewing.suspects import Suspects, find_suspects

PORT, TOKEN = 8018, "a-token"


def dataset_of(root: Path, rows: list[tuple[str, str, str]], skipped: tuple[Skipped, ...] = ()) -> Dataset:
    """Rows of path, label and split."""
    columns = {"id": [row[0] for row in rows], "path": [row[0] for row in rows], "index": [-1] * len(rows)}
    columns |= {"target": [row[1] for row in rows], "split": [row[2] for row in rows]}
    empty = {name: [""] * len(rows) for name in ("group", "sha256", "mode")}
    table = pl.DataFrame({**columns, **empty, "width": [0] * len(rows), "height": [0] * len(rows)})
    return Dataset(
        table.select([pl.col(k).cast(v) for k, v in SCHEMA.items()]), ("cat", "dog"), root, skipped=skipped
    )


def predictions_of(rows: list[tuple[str, str, float]]) -> Predictions:
    """Rows of id, label and the probability of "dog"."""
    dog = np.array([row[2] for row in rows])
    table = pl.DataFrame(
        {"id": [r[0] for r in rows], "path": [r[0] for r in rows], "target": [r[1] for r in rows]}
    )
    table = table.with_columns(
        predicted=pl.lit(""), score=0.0, split=pl.lit("val"), group=pl.lit(""), fold=-1, seed=0
    )
    logits = np.log(np.stack([1 - dog, dog], 1)).astype(np.float32)
    return Predictions(table, {"logits": logits}, ("cat", "dog"), len(rows))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six pictures of each class in train, val and test; one is there under two labels, one twice."""
    random = np.random.default_rng(0)
    for place in ("train/cat", "train/dog", "val/cat", "val/dog", "test/cat", "test/dog"):
        folder = tmp_path / "photos" / place
        folder.mkdir(parents=True)
        for number in range(6):
            Image.fromarray(random.integers(0, 255, (40, 30, 3), np.uint8)).save(folder / f"{number}.png")
    train = tmp_path / "photos" / "train"
    (train / "dog" / "torn.png").write_bytes((train / "cat" / "0.png").read_bytes())
    (train / "cat" / "twice.png").write_bytes((train / "cat" / "1.png").read_bytes())
    return tmp_path / "photos"


@pytest.fixture
def client(photos: Path, tmp_path: Path) -> TestClient:
    """A browser that has opened the page."""
    found = api.review(photos, corrections=tmp_path / "corrections.csv")
    return client_of(found.suspects, tmp_path / "corrections.csv")


def client_of(suspects: Suspects, corrections: Path) -> TestClient:
    app = make_app(
        suspects, Journal(corrections, "ann"), Renditions(suspects, 10**6, False), "x", TOKEN, PORT
    )
    made = TestClient(app, base_url=f"http://127.0.0.1:{PORT}")
    assert made.get(f"/?token={TOKEN}").status_code == 200
    return made


def number_of(client: TestClient, image: str) -> int:
    pictures = client.get("/api/review").json()["pictures"]
    return next(n for n, row in enumerate(pictures) if row[0] == image)


def decide(client: TestClient, image: str, action: str, label: str = "", reason: str = "") -> Any:
    body = {"picture": number_of(client, image), "action": action, "label": label, "reason": reason}
    return client.post("/api/decide", json=body)


# Suspects


def test_an_audit_becomes_topics(photos: Path) -> None:
    suspects = api.review(photos).suspects
    sets = {
        topic.key: [[suspects.pictures[n].image for n in members] for members in topic.sets]
        for topic in suspects.topics
    }
    assert sets["conflicting_labels"] == [["train/cat/0.png", "train/dog/torn.png"]]
    assert sets["exact_duplicates"] == [["train/cat/1.png", "train/cat/twice.png"]]
    torn = next(shown for shown in suspects.pictures if shown.image == "train/dog/torn.png")
    assert (torn.label, torn.split) == ("dog", "train")
    assert "contradictory labels" in torn.left_out
    assert suspects.hidden == 12


def test_test_pictures_are_hidden_wherever_they_stand(tmp_path: Path) -> None:
    rows = [("a.png", "cat", "train"), ("b.png", "cat", "test"), ("c.png", "dog", "val")]
    skipped = (
        Skipped("d.png", "same picture", "dog", "test"),
        Skipped("e.png", "same picture", "dog", "train"),
    )
    finding = Finding(
        "leakage", "warning", "", ("a.png", "b.png", "d.png", "e.png"), "", (("a.png", "b.png", "d.png"),)
    )
    suspects = find_suspects(dataset_of(tmp_path, rows, skipped), [finding])
    assert {shown.image for shown in suspects.pictures} == {"a.png", "c.png", "e.png"}
    assert suspects.hidden == 2
    (topic,) = suspects.topics
    assert [[suspects.pictures[n].image for n in members] for members in topic.sets] == [["a.png"]]
    only = find_suspects(dataset_of(tmp_path, rows, skipped), [finding], None, "test")
    assert {shown.image for shown in only.pictures} == {"b.png", "d.png"}


def test_looking_at_test_is_written_into_the_ledger(photos: Path) -> None:
    dataset = api.audit(photos).dataset
    api.review(photos)
    assert ledger.openings(dataset) == []
    found = api.review(photos, split="test")
    (opening,) = ledger.openings(dataset)
    assert (opening["purpose"], opening["images"]) == ("review", 12)
    assert {shown.split for shown in found.suspects.pictures} == {"test"}


def test_mistakes_come_surest_first_and_repeats_are_averaged(tmp_path: Path) -> None:
    rows = [(f"{n}.png", "cat", "val") for n in range(5)]
    said = [("0.png", "cat", 0.6), ("1.png", "cat", 0.9), ("2.png", "cat", 0.1), ("3.png", "cat", 0.9)]
    said += [("3.png", "cat", 0.2), ("gone.png", "cat", 0.99), ("4.png", "cat", 0.5)]
    (topic,) = find_suspects(dataset_of(tmp_path, rows), [], predictions_of(said)).topics
    assert topic.key == "surprising"
    assert topic.sets == ((1,), (0,), (3,))
    assert topic.hints[1].suggested == "dog"
    assert topic.hints[3].score == pytest.approx(0.55)


def test_suggested_labels_are_taken_from_the_finding(tmp_path: Path) -> None:
    rows: Any = ({"path": "a.png", "label": "cat", "suggested": "dog", "score": 0.97},)
    dataset = dataset_of(tmp_path, [("a.png", "cat", "train"), ("b.png", "dog", "train")])
    suspects = find_suspects(dataset, [Finding("label_errors", "warning", "", rows)])
    assert list(suspects.rows()) == [
        {
            "finding": "label_errors",
            "set": 1,
            "path": "a.png",
            "label": "cat",
            "split": "train",
            "suggested": "dog",
            "score": 0.97,
        }
    ]


def test_findings_about_which_nothing_can_be_decided_are_left_out(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, [("a.png", "cat", "train")])
    findings = [
        Finding("misnamed_files", "info", "", ("a.png",)),
        Finding("unreadable", "warning", "", ("a.png",)),
        Finding("leakage", "warning", "", ("elsewhere.png",)),
    ]
    assert find_suspects(dataset, findings).topics == ()


def test_moved_pictures_and_unknown_splits_are_told(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="'tset' is no split"):
        api.review(photos, split="tset")
    with pytest.raises(DatasetError, match="which is gone; name their new place"):
        api.review(photos, data=tmp_path / "elsewhere")


# Decisions


def test_decisions_are_on_the_disk_at_once(client: TestClient, tmp_path: Path) -> None:
    answer = decide(client, "train/dog/torn.png", "relabel", "cat", "conflicting_labels; was 'dog'")
    assert answer.json()["decision"] == ["relabel", "cat"]
    assert decide(client, "train/cat/twice.png", "drop").status_code == 200
    text = (tmp_path / "corrections.csv").read_text("utf-8")
    assert text.startswith(heading() + "train/dog/torn.png,relabel,cat,conflicting_labels; was 'dog',ann,20")
    found = Corrections.read(tmp_path / "corrections.csv")
    assert [(row.path, row.action, row.by) for row in found.rows] == [
        ("train/dog/torn.png", "relabel", "ann"),
        ("train/cat/twice.png", "drop", "ann"),
    ]


def test_what_no_file_can_keep_is_refused(client: TestClient, tmp_path: Path) -> None:
    number = number_of(client, "train/cat/2.png")
    body = f'{{"picture": {number}, "action": "keep", "reason": "half \\ud83d"}}'
    answer = client.post("/api/decide", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["detail"].startswith("reason: ")) == (422, True)
    assert not (tmp_path / "corrections.csv").exists()


def test_undo_goes_back_one_decision_at_a_time(client: TestClient, tmp_path: Path) -> None:
    decide(client, "train/cat/2.png", "keep")
    decide(client, "train/cat/2.png", "relabel", "dog")
    number = number_of(client, "train/cat/2.png")
    assert client.post("/api/undo", json={}).json() == {"picture": number, "decision": ["keep", ""]}
    assert client.post("/api/undo", json={}).json() == {"picture": number, "decision": None}
    assert client.post("/api/undo", json={}).json() == {"picture": None, "decision": None}
    assert (tmp_path / "corrections.csv").read_text("utf-8") == heading()


def test_a_restart_goes_on_with_the_file(client: TestClient, photos: Path, tmp_path: Path) -> None:
    decide(client, "train/cat/2.png", "relabel", "dog")
    again = client_of(api.review(photos).suspects, tmp_path / "corrections.csv")
    number = str(number_of(again, "train/cat/2.png"))
    assert again.get("/api/review").json()["decisions"] == {number: ["relabel", "dog"]}


def test_what_others_write_into_the_file_is_seen(client: TestClient, tmp_path: Path) -> None:
    decide(client, "train/cat/2.png", "keep")
    path = tmp_path / "corrections.csv"
    path.write_text(path.read_text("utf-8") + "train/cat/3.png,drop,,,bob,\nelsewhere.png,drop,,,bob,\n")
    three = str(number_of(client, "train/cat/3.png"))
    assert client.get("/api/review").json()["decisions"][three] == ["drop", ""]
    # Undoing passes over decisions about pictures that are not here, and leaves them.
    assert client.post("/api/undo", json={}).json()["picture"] == int(three)
    assert "elsewhere.png,drop" in path.read_text("utf-8")


def test_two_reviews_of_one_file_lose_nothing(tmp_path: Path) -> None:
    """One undoes, which writes the file anew, while the other goes on deciding."""
    path = tmp_path / "corrections.csv"
    first, second = Journal(path, "ann"), Journal(path, "bob")
    first.decide("start", "keep", "", "")

    def back_and_forth() -> None:
        for number in range(60):
            first.decide(f"a{number}", "drop", "", "")
            first.undo({f"a{number}"})

    undoing = threading.Thread(target=back_and_forth)
    undoing.start()
    for number in range(60):
        second.decide(f"b{number}", "drop", "", "")
    undoing.join()
    assert sorted(first.decisions) == sorted(["start", *(f"b{number}" for number in range(60))])
    assert list(second.decisions) == list(Corrections.read(path).decisions) == list(first.decisions)


def test_what_a_program_that_does_not_wait_writes_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, append = tmp_path / "corrections.csv", store.append_text
    journal = Journal(path, "ann")

    def interrupted(place: Path, text: str) -> None:
        append(place, text)
        append(place, "other.png,keep,,,bob,\n")

    monkeypatch.setattr(store, "append_text", interrupted)
    journal.decide("a.png", "drop", "", "")
    journal.undo({"a.png"})
    assert list(Corrections.read(path).decisions) == ["other.png"]


def test_the_folder_of_the_file_is_made(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "deep" / "c.csv", "ann")
    assert journal.undo({"a.png"}) is None and not (tmp_path / "new").exists()
    journal.decide("a.png", "drop", "", "")
    assert list(Corrections.read(journal.path).decisions) == ["a.png"]


def test_a_line_that_a_crash_cut_does_not_swallow_the_next(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text(heading() + "train/cat/3.png,drop,,,,\ntrain/cat/4.png,dr", encoding="utf-8")
    decide(client, "train/cat/5.png", "keep")
    rows = Corrections.read(path).decisions
    assert {image: row.action for image, row in rows.items()} == {
        "train/cat/3.png": "drop",
        "train/cat/5.png": "keep",
    }


def test_a_file_that_a_spreadsheet_saved_is_gone_on_with(client: TestClient, tmp_path: Path) -> None:
    """With a byte-order mark, other line ends, and no end of the last line."""
    path = tmp_path / "corrections.csv"
    row = "train/cat/3.png,drop,,,,"
    path.write_text(f"\ufeff{heading().strip()}\r\n{row}", encoding="utf-8", newline="")
    assert decide(client, "train/cat/5.png", "keep").status_code == 200
    assert list(Corrections.read(path).decisions) == ["train/cat/3.png", "train/cat/5.png"]


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("action,path,label\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="decisions cannot be added to it; name another file"):
        Journal(tmp_path / "c.csv", "ann")


def test_a_full_disk_is_told_and_the_decision_does_not_count(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise store._storage_error(path, len(text), OSError(28, "No space left on device"))

    monkeypatch.setattr(store, "append_text", full)
    answer = decide(client, "train/cat/2.png", "drop")
    assert answer.status_code == 500
    assert "No space left" in answer.json()["detail"]
    assert client.get("/api/review").json()["decisions"] == {}


# Pictures


def test_pictures_are_written_anew_as_jpeg(client: TestClient) -> None:
    number = number_of(client, "train/cat/2.png")
    for kind in ("thumbnail", "picture"):
        answer = client.get(f"/api/{kind}/{number}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.content)).size == (30, 40)


def test_thumbnails_are_kept_and_stay_within_their_limit(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eighteen.reviewing import renditions

    suspects = api.review(photos).suspects
    made = Renditions(suspects, 10**6, False)
    first = made.thumbnail(0)
    monkeypatch.setattr(renditions, "jpeg", lambda *_: pytest.fail("it was there already"))
    assert made.thumbnail(0) is first
    monkeypatch.undo()
    monkeypatch.setattr(renditions, "CACHE_BYTES", 3 * len(first))
    for number in range(10):
        made.thumbnail(number)
    assert 1 <= len(made._kept) <= 4


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 1000), "red").save(tmp_path / "a.png")
    suspects = find_suspects(dataset_of(tmp_path, [("a.png", "cat", "train")]), [])
    content = Renditions(suspects, 10**8, False).large(0)
    assert Image.open(io.BytesIO(content)).size == (1600, 533)
    with pytest.raises(UnreadableImage, match="pixels"):
        Renditions(suspects, 1000, False).large(0)


# The command


def test_a_port_in_use_is_a_clear_error() -> None:
    taken = reserve(0)
    try:
        with pytest.raises(EighteenError, match=rf"port {taken.port} .* cannot be used .* --port 0"):
            reserve(taken.port)
        assert taken.socket.getsockname()[0] == "127.0.0.1"
        assert f"token={taken.token}" in taken.url
        assert len(taken.token) >= 40
    finally:
        taken.socket.close()


def test_the_page_is_told_what_it_needs(client: TestClient) -> None:
    told = client.get("/api/review").json()
    assert set(told) == {"classes", "hidden", "pictures", "topics", "name", "corrections", "decisions"}
    assert told["classes"] == ["cat", "dog"]
    assert len(told["pictures"]) == 26
    assert json.dumps(told["topics"][0]["sets"])
