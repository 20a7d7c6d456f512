"""The report and the card of a run: what they say, and what they must never do."""

from __future__ import annotations

import base64
import html
import io
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from eighteen.core.config import load_recipe
from eighteen.core.dataset import SCHEMA, Dataset, Skipped
from eighteen.core.findings import Finding
from eighteen.core.inputs import InputSpec
from eighteen.core.predictions import Predictions, softmax
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.measuring.baseline import majority_class, majority_sentence
from eighteen.measuring.classes import confusion, per_class
from eighteen.measuring.measure import measure
from eighteen.measuring.resolution import resolution_sentence
from eighteen.reporting.content import PICTURES, collect
from eighteen.reporting.page import write_report
from eighteen.reporting.words import percent, percent_range, range_text, value_text

EVIL = "<script>alert(1)</script>\"&'|`*"
UNICODE = ("猫", "कुत्ता", "🐱")
REASONS = {"optimizer.lr": "chosen <i>for</i> these data", "inputs.size": "small pictures"}


@dataclass(frozen=True)
class Make:
    """What the run of a test is like."""

    classes: Sequence[str] = ("cat", "dog", "fish")
    each: tuple[int, int, int] = (6, 8, 5)
    predicted: Sequence[str] = ("val",)
    skill: float = 2.0
    state: str = "complete"
    findings: Sequence[Finding] = ()
    files: bool = True
    side_px: int = 40


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    """Makes a run folder from random answers and small pictures."""

    def made(name: str = "a-run", **wanted: object) -> Run:
        return _make(tmp_path / name, tmp_path / "data", Make(**wanted))  # type: ignore[arg-type]

    return made


def _make(path: Path, root: Path, want: Make) -> Run:
    dataset = _dataset(root, want)
    with Run.creating(path, "classification") as run:
        run.save_recipe(_recipe(), REASONS)
        run.save_dataset(dataset)
        run.save_inputs(InputSpec(size=32, mean=(0.5,), std=(0.2,), channels=1))
        run.save_environment({"device": "cpu", "threads": 1, "seed": 7})
        run.save_findings(want.findings)
        for epoch in (1, 2, 3):
            row = {"epoch": epoch, "train_loss": 2.0 / epoch, "lr": 0.1, "seconds": 1.5 * epoch}
            val = {"val_nll": 1.5 / epoch, "val_accuracy": 0.5, "val_balanced_accuracy": 0.25}
            run.add_history(row | (val if want.each[1] else {}))
        for split in want.predicted:
            _save_answers(run, dataset, split, want.skill)
        run.add_stage("train", 4.5)
        run.set_state(want.state)
    return Run.open(path)


def _recipe() -> Recipe:
    return load_recipe(
        None,
        ["model.weights=none", "model.dropout=0.25", "optimizer.lr=0.5", "inputs.size=32", "seed=7"],
    ).changed(training={"epochs": 5})


def _dataset(root: Path, want: Make) -> Dataset:
    rows = []
    for number, name in enumerate(want.classes):
        for split, count in zip(("train", "val", "test"), want.each, strict=True):
            for k in range(count):
                rows.append({"id": f"{split}/{number}-{k}.png", "target": name, "split": split})
    table = pl.DataFrame(rows).with_columns(
        pl.col("id").alias("path"),
        *(pl.lit("").alias(column) for column in ("group", "sha256")),
        pl.lit(-1, pl.Int64()).alias("index"),
        pl.lit(want.side_px, pl.Int64()).alias("width"),
        pl.lit(want.side_px, pl.Int64()).alias("height"),
        pl.lit("RGB").alias("mode"),
    )
    if want.files:
        _write_pictures(root, table["path"].to_list(), want.side_px)
    skipped = (
        Skipped("broken-1.jpg", "truncated JPEG at 12"),
        Skipped("broken-2.jpg", "truncated JPEG at 9"),
    )
    return Dataset(table.select(list(SCHEMA)), tuple(want.classes), root, skipped=skipped)


def _write_pictures(root: Path, paths: Sequence[str], side_px: int) -> None:
    noise = np.random.default_rng(0)
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        pixels = noise.integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / path)


def _save_answers(run: Run, dataset: Dataset, split: str, skill: float) -> None:
    rows, targets = dataset.subset(split).table, dataset.subset(split).class_index()
    logits = np.random.default_rng(1).normal(size=(len(rows), len(dataset.class_names))).astype(np.float32)
    logits[np.arange(len(rows)), targets] += skill
    values = softmax(logits)
    said = [dataset.class_names[k] for k in values.argmax(axis=1)]
    answers = rows.select("id", "path", "target", "split", "group").with_columns(
        pl.Series("predicted", said),
        pl.Series("score", values.max(axis=1)),
        pl.lit(-1, pl.Int64()).alias("fold"),
        pl.lit(0, pl.Int64()).alias("seed"),
    )
    unreadable = (("gone.jpg", "empty file"),)
    predictions = Predictions(answers, {"logits": logits}, dataset.class_names, len(rows) + 1, unreadable)
    measures = measure(predictions, split, resamples=200)
    details = {
        "confusion": confusion(predictions).tolist(),
        "counts": predictions.counts,
        "per_class": [
            {
                "name": row.name,
                "support": row.support,
                "precision": row.precision.to_json(),
                "recall": row.recall.to_json(),
                "f1": row.f1.to_json(),
            }
            for row in per_class(predictions)
        ],
        "majority": majority_class(predictions),
        "resolution": resolution_sentence(len(predictions)),
        "not_better_than_majority": majority_sentence(
            measures, majority_class(predictions), len(dataset.class_names)
        ),
    }
    run.save_predictions(split, predictions)
    run.save_measures(split, measures, details)


class Page(HTMLParser):
    """What a browser would make of a page: elements, the text outside styles, and what it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.references: list[str] = []
        self.handlers: list[str] = []
        self._text: list[str] = []
        self._style = False
        self.feed(text)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._text).replace("\u00a0", " ").replace("\u202f", " ").split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self._style = tag == "style"
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "poster", "data", "xlink:href"):
                self.references.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_endtag(self, tag: str) -> None:
        self._style = self._style and tag != "style"

    def handle_data(self, data: str) -> None:
        if not self._style:
            self._text.append(data)


def page_of(run: Run) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def test_numbers_on_the_page_are_those_of_the_run(make_run: Callable[..., Run]) -> None:
    run = make_run(predicted=("val", "test"))
    text = page_of(run).text
    for split, kind in (("val", "validation"), ("test", "test")):
        for name, found in run.measures[split].items():
            assert plain(value_text(name, found)) in text
            assert plain(range_text(name, found)) in text
            assert found.method in text
        matrix = np.array(run.details[split]["confusion"])
        right, n = int(np.trace(matrix)), int(matrix.sum())
        assert f"On {n} {kind} pictures it named {right} right." in text
        assert f"{n + 1} pictures expected, {n} scored, 1 unreadable." in text


def test_headline_sentence_has_share_and_interval(make_run: Callable[..., Run]) -> None:
    run = make_run()
    result = collect(run).results[0]
    found = run.measures["val"]["accuracy"]
    assert found.value is not None and found.low is not None and found.high is not None
    assert found.value == result.right / found.n
    assert result.sentence == (
        f"On {found.n} validation pictures it named {result.right} right: "
        f"{percent(found.value)} {percent_range(found.low, found.high)}."
    )


def test_the_baseline_is_named(make_run: Callable[..., Run]) -> None:
    run = make_run()
    baseline = run.measures["val"]["majority_baseline"].value
    assert baseline is not None
    majority = run.details["val"]["majority"]
    assert f"Always saying “{majority}” would be right in {plain(percent(baseline))}." in page_of(run).text


def test_classes_are_worst_first_and_weak_ones_are_marked(make_run: Callable[..., Run]) -> None:
    run = make_run(each=(2, 60, 0), skill=2.0)
    details = run.details
    stored = {row["name"]: row for row in details["val"]["per_class"]}
    stored["fish"]["recall"] |= {"value": 0.1, "low": 0.05, "high": 0.2}
    stored["fish"]["f1"] |= {"value": 0.15, "low": 0.05, "high": 0.3}
    run.save_measures("val", run.measures["val"], details["val"])
    rows = collect(run).results[0].classes
    assert rows[0].name == "fish"
    assert [row.name for row in rows if row.weak] == ["fish"]
    values = [row.f1.value for row in rows]
    assert values == sorted(values, key=lambda value: -1.0 if value is None else value)
    assert 'class="weak"' in write_report(run).read_text(encoding="utf-8")


def test_confusions_are_counted_from_the_matrix(make_run: Callable[..., Run]) -> None:
    run = make_run(skill=0.0)
    result = collect(run).results[0]
    matrix = np.array(run.details["val"]["confusion"])
    wrong = int(matrix.sum() - np.trace(matrix))
    assert wrong > 0
    assert sum(row.count for row in result.confusions) == wrong
    counts = [row.count for row in result.confusions]
    assert counts == sorted(counts, reverse=True)
    first = result.confusions[0]
    given, said = run.class_names.index(first.given), run.class_names.index(first.said)
    assert first.count == matrix[given, said]
    assert first.share == pytest.approx(matrix[given, said] / matrix[given].sum())


def test_a_model_no_better_than_a_constant_is_said_in_red(make_run: Callable[..., Run]) -> None:
    run = make_run(classes=("ok", "bad"), skill=-4.0)
    sentence = run.details["val"]["not_better_than_majority"]
    assert sentence
    page = page_of(run)
    assert f"On validation pictures this model is {sentence}." in page.text
    good = make_run("good", classes=("ok", "bad"), skill=6.0)
    assert "not better than" not in page_of(good).text


@pytest.mark.parametrize(
    ("state", "sentence"),
    [("interrupted", "was interrupted"), ("failed", "This run failed."), ("running", "is not finished")],
)
def test_a_run_that_is_not_whole_says_so_on_top(
    make_run: Callable[..., Run], state: str, sentence: str
) -> None:
    text = page_of(make_run(state=state, predicted=())).text
    assert sentence in text
    assert "eighteen train --resume" in text
    assert text.index(sentence) < text.index("The data")
    assert "Nothing is measured yet" in text


@pytest.mark.parametrize("state", ["trained", "complete"])
def test_a_whole_run_has_no_warning(make_run: Callable[..., Run], state: str) -> None:
    assert collect(make_run(state=state)).problem == ""


def test_the_reason_of_a_failure_is_told(make_run: Callable[..., Run]) -> None:
    run = make_run(state="failed", predicted=())
    run.add_event("the loss is not finite")
    assert "This run failed. the loss is not finite." in page_of(run).text


def test_strange_names_are_text_and_nothing_else(make_run: Callable[..., Run]) -> None:
    finding = Finding("duplicates", "warning", f"seen {EVIL}", (f"{EVIL}.png",), f"do {EVIL}")
    run = make_run(classes=(EVIL, "b", "c"), findings=(finding,), skill=0.0, predicted=("val", "test"))
    run.add_event(EVIL)
    source = write_report(run).read_text(encoding="utf-8")
    page = Page(source)
    assert "script" not in page.elements
    assert page.handlers == []
    assert "<script" not in source
    assert EVIL in page.text
    assert "chosen &lt;i&gt;for&lt;/i&gt; these data" in source
    card = (run.path / "README.md").read_text(encoding="utf-8")
    assert "<script" not in card
    assert "&lt;script&gt;" in card
    assert all(line.count("|") - line.count("\\|") in (0, 5, 6) for line in card.splitlines())


def test_nothing_is_fetched_and_nothing_runs(make_run: Callable[..., Run]) -> None:
    source = write_report(make_run(predicted=("val", "test"))).read_text(encoding="utf-8")
    page = Page(source)
    assert page.references
    assert all(found.startswith(("#", "data:image/jpeg;base64,")) for found in page.references)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(page.elements)
    assert "://" not in source
    assert "url(" not in source and "@import" not in source
    assert "default-src 'none'" in source


def test_names_in_any_script_are_shown(make_run: Callable[..., Run]) -> None:
    run = make_run(classes=UNICODE, skill=0.0)
    text = page_of(run).text
    card = (run.path / "README.md").read_text(encoding="utf-8")
    for name in UNICODE:
        assert name in text
        assert name in card


def test_missing_pictures_are_said_to_be_missing(make_run: Callable[..., Run]) -> None:
    page = page_of(make_run(files=False, skill=0.0))
    assert "img" not in page.elements
    assert "no picture: the file is no longer where it was" in page.text


def test_a_damaged_picture_gives_its_reason(make_run: Callable[..., Run]) -> None:
    run = make_run(findings=(Finding("unreadable", "warning", "one", ("val/0-0.png",), "repair it"),))
    run.dataset.file("val/0-0.png").write_bytes(b"")
    thumbnail = collect(run).findings[0].thumbnails[0]
    assert thumbnail.uri == ""
    assert "empty file" in thumbnail.missing


def test_thumbnails_are_the_pictures(make_run: Callable[..., Run]) -> None:
    run = make_run(side_px=300, each=(2, 2, 0))
    sample = collect(run).data.samples[0].thumbnails[0]
    shown = Image.open(io.BytesIO(base64.b64decode(sample.uri.partition(",")[2])))
    assert shown.format == "JPEG" and shown.size == (144, 144)
    with Image.open(run.dataset.file(sample.image)) as original:
        expected = np.asarray(original.resize((144, 144), Image.Resampling.LANCZOS), dtype=np.float64)
    assert np.abs(np.asarray(shown.convert("RGB"), np.float64).mean() - expected.mean()) < 3


def test_without_test_split(make_run: Callable[..., Run]) -> None:
    assert "has no test split" in page_of(make_run(each=(6, 8, 0))).text


def test_the_ledger_is_told(make_run: Callable[..., Run]) -> None:
    run = make_run(predicted=("val", "test"))
    opening = {"time": "2026-01-01T00:00:00Z", "run": "x", "purpose": "evaluate", "images": 15}
    run.save_ledger([opening])
    assert "opened once: the number is unseen" in page_of(run).text
    run.save_ledger([opening, opening])
    assert "opened 2 times; the second number is no longer unseen" in page_of(run).text
    closed = make_run("closed")
    assert "This test split was never opened. It has 15 pictures." in page_of(closed).text
    closed.save_ledger([opening])
    assert "opened 1 time, but not by this run" in page_of(closed).text


def test_without_validation(make_run: Callable[..., Run]) -> None:
    run = make_run(each=(6, 0, 5), predicted=())
    page = page_of(run)
    assert "Nothing is measured yet" in page.text
    assert collect(run).training.select_by == "last"
    assert [panel.title for panel in collect(run).training.panels] == ["Loss", "Learning rate"]


def test_before_the_first_epoch(make_run: Callable[..., Run]) -> None:
    run = make_run(predicted=(), state="running")
    (run.path / "history.jsonl").unlink()
    assert "No epoch has ended yet." in page_of(run).text


def test_mistakes_are_the_surest_ones(make_run: Callable[..., Run]) -> None:
    run = make_run(skill=0.0, predicted=("val", "test"))
    found = collect(run).mistakes
    rows = run.predictions("val").rows
    wrong = rows.filter(pl.col("target") != pl.col("predicted")).sort("score", descending=True)
    assert found.split == "val"
    assert found.count == len(wrong)
    assert [answer.image for answer in found.wrong] == wrong["id"].to_list()[:12]
    first = found.wrong[0]
    assert (first.given, first.said) == (wrong["target"][0], wrong["predicted"][0])
    assert 0 <= first.given_score <= first.score <= 1


def test_mistakes_on_test_are_never_shown(make_run: Callable[..., Run]) -> None:
    run = make_run(each=(6, 0, 20), predicted=("test",), skill=0.0)
    assert collect(run).mistakes.wrong == ()
    page = page_of(run)
    assert "no split other than test was scored" in page.text
    assert not [path for path in page.text.split() if path.startswith("test/")]


def test_without_mistakes_the_least_sure_are_shown(make_run: Callable[..., Run]) -> None:
    run = make_run(skill=30.0)
    found = collect(run).mistakes
    scores = run.predictions("val").rows["score"].sort().to_list()
    assert found.count == 0 and found.wrong == ()
    assert [answer.score for answer in found.unsure] == scores[:6]


def test_two_hundred_classes_stay_small(make_run: Callable[..., Run]) -> None:
    run = make_run(classes=[f"class {k}" for k in range(200)], each=(1, 1, 0), skill=0.0)
    path = write_report(run)
    report = collect(run)
    assert report.results[0].matrix == ()
    assert len(report.results[0].confusions) == 15
    assert len(report.data.samples) <= 16
    assert path.stat().st_size < 1_000_000
    assert "176 more classes" in Page(path.read_text(encoding="utf-8")).text


def test_the_number_of_pictures_is_limited(make_run: Callable[..., Run]) -> None:
    findings = [
        Finding(f"check{k}", "info", "seen", tuple(f"train/{k}-{i}.png" for i in range(6)), "look")
        for k in range(3)
    ]
    run = make_run(skill=0.0, side_px=400, each=(12, 30, 2), findings=findings)
    report = collect(run)
    assert len(report.mistakes.wrong) == 12
    assert len(report.thumbnails) <= PICTURES
    page = page_of(run)
    assert page.elements.count("img") == len(report.thumbnails)
    # Noise is the worst that JPEG can meet.
    assert (run.path / "report.html").stat().st_size < 2_000_000


def test_the_same_run_gives_the_same_page(make_run: Callable[..., Run]) -> None:
    run = make_run(predicted=("val", "test"))
    first = write_report(run).read_bytes(), (run.path / "README.md").read_bytes()
    assert (write_report(run).read_bytes(), (run.path / "README.md").read_bytes()) == first


def test_data_are_counted(make_run: Callable[..., Run]) -> None:
    data = collect(make_run()).data
    assert (data.found, data.used, data.skipped_count) == (59, 57, 2)
    assert data.by_split == (18, 24, 15)
    assert (data.classes[0].name, data.classes[0].total, data.classes[0].by_split) == ("cat", 19, (6, 8, 5))
    assert [(kind.reason, kind.count) for kind in data.skipped] == [("truncated JPEG at 12", 2)]
    assert data.sizes == "every picture has 40 × 40 pixels"


def test_findings_come_worst_first_with_whole_sets(make_run: Callable[..., Run]) -> None:
    copies = ("train/0-1.png", "val/0-2.png")
    findings = (
        Finding("sizes", "info", "several sizes"),
        Finding("leak", "blocking", "copies", ("val/0-0.png", *copies), "remove them", (copies,)),
    )
    report = collect(make_run(findings=findings))
    assert [row.finding.check for row in report.findings] == ["leak", "sizes"]
    assert [thumbnail.image for thumbnail in report.findings[0].thumbnails] == [*copies, "val/0-0.png"]


def test_the_chosen_epoch_is_that_of_the_weights(make_run: Callable[..., Run]) -> None:
    run = make_run()
    assert collect(run).training.chosen == 0
    from safetensors.numpy import save_file

    save_file({"w": np.zeros(2, np.float32)}, run.weights_path, {"epoch": "2"})
    assert collect(run).training.chosen == 2
    assert "Epoch 2 was kept: chosen on validation by balanced accuracy;" in page_of(run).text


def test_the_recipe_says_who_chose(make_run: Callable[..., Run]) -> None:
    report = collect(make_run())
    origins = {setting.name: setting.origin for setting in report.settings}
    assert origins["optimizer.lr"] == "chosen"
    assert origins["model.dropout"] == "given"
    assert origins["loss.label_smoothing"] == "default"
    assert "--set model.dropout=0.25" in report.command
    assert "--weights none" in report.command
    assert "--seed 7" in report.command
    assert "optimizer.lr" not in report.command


def test_the_card_tells_what_it_must(make_run: Callable[..., Run], tmp_path: Path) -> None:
    warning = Finding("balance", "warning", "one class has half of the pictures", (), "add others")
    run = make_run(findings=(warning,))
    write_report(run)
    card = plain((run.path / "README.md").read_text(encoding="utf-8"))
    found = run.measures["val"]["accuracy"]
    assert plain(html.unescape(value_text("accuracy", found))) in card
    assert "one class has half of the pictures" in card
    assert "trained from scratch" in card
    assert "Fewer than 30 training pictures" in card
    assert "eighteen predict RUN pictures/" in card
    assert tmp_path.as_posix() not in card
    assert card.startswith("---\nlibrary_name: eighteen\n")


def test_files_stand_in_reports_by_their_names(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run, home = make_run(), (tmp_path / "home" / "ann").as_posix()
    placed = run.recipe.changed(
        data={"splits_from": f"{home}/runs/first", "corrections": f"{home}/corrections.csv"},
        model={"weights": f"{home}/backbone.pt"},
        training={"teacher": (f"{home}/runs/large", "itself")},
    )
    run.save_recipe(placed, REASONS)
    write_report(run)
    page, card = ((run.path / name).read_text(encoding="utf-8") for name in ("report.html", "README.md"))
    assert home not in page and home not in card
    assert "started from the weights backbone.pt" in page
    assert "--weights backbone.pt" in card and "that of backbone.pt, which only" in card
    assert "recipe.json of the run says in which folders" in page
    assert Run.open(run.path).recipe == placed, "the run itself can open them again"
    assert not collect(make_run("plain")).names_only


def test_the_card_of_an_unmeasured_run_warns(make_run: Callable[..., Run]) -> None:
    run = make_run(predicted=())
    write_report(run)
    assert "never measured: do not use it" in (run.path / "README.md").read_text(encoding="utf-8")


def test_a_moved_run_is_still_reported(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run()
    shutil.move(run.path, tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "data")
    page = page_of(Run.open(tmp_path / "elsewhere"))
    assert re.search(r"\belsewhere\b", page.text)
    assert "img" not in page.elements
