"""Facts about the checks, the repairs and the audit that puts them together."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eighteen.auditing import (
    audit,
    balance,
    checks,
    conflicts,
    contradictions,
    duplicates,
    leakage,
    repair,
    scan,
    sizes,
    training,
)
from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding
from eighteen.reading import ReadOptions, read
from eighteen.splitting import split


def draw(root: Path, path: str, seed: int, size: tuple[int, int] = (12, 10)) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(target)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Given splits: 8 + 8 for training, 3 + 3 for validation and for test, no two alike."""
    seed = 0
    for where, count in (("train", 8), ("val", 3), ("test", 3)):
        for name in ("cat", "dog"):
            for k in range(count):
                draw(tmp_path, f"photos/{where}/{name}/{k}.png", seed)
                seed += 1
    return tmp_path / "photos"


def named(findings: tuple[Finding, ...] | list[Finding], check: str) -> Finding:
    (found,) = (finding for finding in findings if finding.check == check)
    return found


def copy(root: Path, source: str, target: str) -> None:
    (root / target).parent.mkdir(parents=True, exist_ok=True)
    (root / target).write_bytes((root / source).read_bytes())


def test_clean_data_has_no_warning_but_its_size(photos: Path) -> None:
    found = audit(read(photos), split_with=split)
    assert {finding.check for finding in found.findings if finding.severity != "info"} == {"few_images"}
    assert found.blocking == ()
    assert found.review.is_empty()


def test_every_check_module_is_found_and_reads_at_a_known_time() -> None:
    found = {module.__name__.rpartition(".")[2] for module in checks()}
    assert {"balance", "conflicts", "duplicates", "leakage", "sizes", "training"} <= found
    assert {getattr(module, "WHEN", "repaired") for module in checks()} <= {"scanned", "split", "repaired"}


def test_checks_change_nothing(photos: Path) -> None:
    copy(photos, "test/cat/0.png", "train/cat/twin.png")
    dataset = scan(read(photos))
    before = dataset.table.clone()
    for module in checks():
        module.check(dataset)
    assert dataset.table.equals(before)


def test_leakage_names_the_pairs_and_spares_the_test_split(photos: Path) -> None:
    copy(photos, "test/cat/0.png", "train/cat/twin.png")
    copy(photos, "test/dog/1.png", "val/dog/twin.png")
    copy(photos, "val/dog/2.png", "train/dog/other.png")
    found = audit(read(photos), split_with=split)
    finding = named(found.findings, "leakage")
    assert finding.severity == "warning"
    assert "1 picture of test is also in train" in finding.message
    assert "1 picture of test is also in val" in finding.message
    assert "1 picture of val is also in train" in finding.message
    assert ("test/cat/0.png", "train/cat/twin.png") in finding.groups
    reasons = {left.path: left.reason for left in found.dataset.skipped}
    assert set(reasons) == {"train/cat/twin.png", "val/dog/twin.png", "train/dog/other.png"}
    assert reasons["train/cat/twin.png"].startswith("same picture as test/cat/0.png")
    assert found.dataset.split_counts == {"train": 16, "val": 6, "test": 6}


def test_a_copy_with_other_bytes_is_leakage_too(photos: Path) -> None:
    with Image.open(photos / "test/cat/0.png") as image:
        image.save(photos / "train/cat/twin.png", compress_level=0)
    found = audit(read(photos), split_with=split)
    assert named(found.findings, "leakage").groups == (("test/cat/0.png", "train/cat/twin.png"),)


def test_contradictory_labels_leave_every_split_and_go_to_review(photos: Path) -> None:
    copy(photos, "test/cat/0.png", "train/dog/twin.png")
    copy(photos, "test/cat/0.png", "train/cat/twin.png")
    found = audit(read(photos), split_with=split)
    finding = named(found.findings, "conflicting_labels")
    assert "test/cat/0.png is 'cat'" in finding.message
    assert "train/dog/twin.png is 'dog'" in finding.message
    assert set(found.dataset.ids).isdisjoint(finding.images)
    assert found.review.select("path", "label").rows() == [
        ("test/cat/0.png", "cat"),
        ("train/cat/twin.png", "cat"),
        ("train/dog/twin.png", "dog"),
    ]
    assert not [finding for finding in found.findings if finding.check == "leakage"]


def test_the_reason_names_every_label_however_many_copies_there_are(photos: Path) -> None:
    for number in range(6):
        copy(photos, "train/cat/0.png", f"train/cat/again-{number}.png")
    copy(photos, "train/cat/0.png", "train/dog/twin.png")
    left = {each.path: each.reason for each in repair(scan(read(photos))).skipped}
    assert len(left) == 8
    for reason in left.values():
        assert "is 'cat'" in reason and "train/dog/twin.png is 'dog'" in reason
        assert reason.count(" is '") == 5


def test_repair_does_what_the_audit_does(photos: Path) -> None:
    copy(photos, "test/cat/0.png", "train/dog/twin.png")
    copy(photos, "test/cat/1.png", "train/cat/twin.png")
    dataset = scan(read(photos))
    gone = {left.path for left in repair(dataset).skipped}
    assert gone == {"test/cat/0.png", "train/dog/twin.png", "train/cat/twin.png"}
    assert contradictions(dataset)["path"].to_list() == ["test/cat/0.png", "train/dog/twin.png"]
    assert conflicts.check(repair(dataset)) == leakage.check(repair(dataset)) == []


def test_many_contradictions_block(photos: Path) -> None:
    for k in range(8):
        copy(photos, f"train/cat/{k}.png", f"train/dog/{k}.png")
    dataset = read(photos)
    assert (
        named(audit(dataset, max_skipped_fraction=0.5).findings, "conflicting_labels").severity == "blocking"
    )
    accepted = audit(dataset, accept=["conflicting_labels"])
    assert named(accepted.findings, "conflicting_labels").severity == "warning"


def test_copies_in_one_class_are_kept_and_counted(photos: Path) -> None:
    copy(photos, "train/cat/0.png", "train/cat/a.png")
    copy(photos, "train/cat/0.png", "train/cat/b.png")
    (finding,) = duplicates.check(scan(read(photos)))
    assert finding.severity == "info"
    assert finding.groups == (("train/cat/0.png", "train/cat/a.png", "train/cat/b.png"),)
    assert "2 copies in all" in finding.message
    copy(photos, "test/dog/0.png", "test/dog/a.png")
    (finding,) = duplicates.check(scan(read(photos)))
    assert finding.severity == "warning"
    assert "1 of them in validation or test" in finding.message
    assert len(audit(read(photos)).dataset) == 31


def test_copies_stay_together_when_the_split_is_made(tmp_path: Path) -> None:
    for k in range(60):
        draw(tmp_path, f"{('cat', 'dog')[k % 2]}/{k}.png", k)
        copy(tmp_path, f"{('cat', 'dog')[k % 2]}/{k}.png", f"{('cat', 'dog')[k % 2]}/twin{k}.png")
    found = audit(read(tmp_path), split_with=split)
    assert found.dataset.skipped == ()
    assert "leakage" not in {finding.check for finding in found.findings}


@pytest.mark.parametrize(("large", "small", "reported"), [(60, 3, True), (60, 40, False), (60, 11, True)])
def test_imbalance_names_the_small_class_and_the_baseline(
    tmp_path: Path, large: int, small: int, reported: bool
) -> None:
    for k in range(large):
        draw(tmp_path, f"ok/{k}.png", k)
    for k in range(small):
        draw(tmp_path, f"defect/{k}.png", 1000 + k)
    findings = [finding for finding in balance.check(read(tmp_path)) if finding.check == "imbalance"]
    assert bool(findings) == reported
    if reported:
        assert f"defect ({small} of {large + small}" in findings[0].message
        assert f"right {large / (large + small):.1%} of the time" in findings[0].message
        assert "loss.class_weights=balanced" in findings[0].advice


def test_odd_sizes_are_named(photos: Path) -> None:
    draw(photos, "train/cat/thin.png", 900, (300, 10))
    draw(photos, "train/dog/tiny.png", 901, (2, 3))
    findings = sizes.check(scan(read(photos)))
    odd = named(findings, "odd_sizes")
    assert set(odd.images) == {"train/cat/thin.png", "train/dog/tiny.png"}
    assert "train/cat/thin.png (300x10)" in odd.message
    assert "train/dog/tiny.png (2x3)" in odd.message
    assert "3 different sizes" in named(findings, "sizes").message


def test_a_class_without_training_blocks_until_it_is_accepted(photos: Path) -> None:
    draw(photos, "test/owl/0.png", 500)
    dataset = read(photos)
    found = audit(dataset, split_with=split)
    assert [finding.check for finding in found.blocking] == ["class_without_training"]
    accepted = audit(dataset, split_with=split, accept=["class_without_training"])
    assert accepted.blocking == ()
    assert accepted.dataset.class_names == ("cat", "dog")
    assert [left.path for left in accepted.dataset.skipped] == ["test/owl/0.png"]


def test_a_class_emptied_by_a_repair_is_noticed(photos: Path) -> None:
    for k in range(2):
        draw(photos, f"test/owl/{k}.png", 500 + k)
        copy(photos, f"test/owl/{k}.png", f"train/owl/{k}.png")
    found = audit(read(photos), split_with=split)
    assert [finding.check for finding in found.blocking] == ["class_without_training"]
    assert "owl" in found.blocking[0].message


def test_what_reading_says_of_old_splits_is_forgotten_after_resplitting(photos: Path) -> None:
    for k in range(4):
        draw(photos, f"test/owl/{k}.png", 500 + k)
    found = audit(read(photos), split_with=lambda scanned: split(scanned, resplit=True))
    assert found.blocking == ()
    assert training.check(found.dataset) == []


def test_strict_makes_warnings_block_unless_accepted(photos: Path) -> None:
    (photos / "train/cat/bad.png").write_bytes(b"")
    dataset = read(photos)
    assert {f.check for f in audit(dataset, strict=True).blocking} == {"unreadable", "few_images"}
    assert audit(dataset, strict=True, accept=["unreadable", "few_images"]).blocking == ()


def test_a_minimum_of_pictures_refuses(photos: Path) -> None:
    draw(photos, "train/owl/0.png", 500)
    (finding,) = audit(read(photos), min_images_per_class=2).blocking
    assert finding.check == "min_images_per_class"
    assert "owl (1)" in finding.message
    assert audit(read(photos), min_images_per_class=1).blocking == ()


def test_one_class_left_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    draw(tmp_path, "cat/0.png", 0)
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog/0.png").write_bytes(b"")
    with pytest.raises(
        DatasetError, match=r"only the class cat keeps .* without: dog.*dog/0\.png \(empty file"
    ):
        audit(read(tmp_path))


def test_a_lost_class_can_be_accepted(photos: Path) -> None:
    (photos / "train/owl").mkdir()
    (photos / "train/owl/0.png").write_bytes(b"")
    assert [finding.check for finding in audit(read(photos)).blocking] == ["class_without_images"]
    accepted = audit(read(photos), accept=["class_without_images"])
    assert accepted.blocking == ()
    assert accepted.dataset.class_names == ("cat", "dog")


def test_json_has_the_promised_keys(photos: Path) -> None:
    copy(photos, "test/cat/0.png", "train/cat/twin.png")
    answer = json.loads(json.dumps(audit(read(photos), split_with=split).to_json(), allow_nan=False))
    assert set(answer) == {"task", "classes", "counts", "images", "skipped", "findings"}
    assert set(answer["counts"]) == {"found", "used", "skipped", "splits"}
    assert answer["counts"]["found"] == 29
    assert answer["counts"]["used"] == len(answer["images"]) == 28
    assert all(set(row) == {"id", "path", "label", "split", "group"} for row in answer["images"])
    assert answer["skipped"][0].keys() == {"path", "reason"}
    assert all({"check", "severity", "message", "images", "advice"} <= set(row) for row in answer["findings"])
    order = [row["severity"] for row in answer["findings"]]
    assert order == sorted(order, key=["blocking", "warning", "info"].index)


def test_torch_is_not_imported() -> None:
    code = (
        "import sys, eighteen.auditing as a, eighteen.splitting; a.checks(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.shared
def test_duplicate_case(case_dir: Callable[[str], Path]) -> None:
    found = audit(read(case_dir("C44") / "data"), split_with=split)
    finding = named(found.findings, "leakage")
    assert finding.message.startswith("4 pictures of test are also in train")
    assert len(finding.groups) == 4
    assert found.dataset.split_counts["test"] == 6


@pytest.mark.shared
def test_imbalance_case(case_dir: Callable[[str], Path]) -> None:
    finding = named(audit(read(case_dir("C52") / "data"), split_with=split).findings, "imbalance")
    assert "defect" in finding.message
    assert "95.2%" in finding.message


@pytest.mark.shared
def test_tiny_class_case(case_dir: Callable[[str], Path]) -> None:
    found = audit(read(case_dir("C43") / "data"), split_with=split)
    assert len(found.dataset) == 23
    message = named(found.findings, "tiny_class").message
    assert "class two has 2" in message
    assert "class one has 1" in message


@pytest.mark.shared
@pytest.mark.parametrize("case", ["C20", "C21"])
def test_odd_size_cases(case_dir: Callable[[str], Path], case: str) -> None:
    found = audit(read(case_dir(case) / "data"), split_with=split)
    odd = named(found.findings, "odd_sizes")
    assert odd.images
    assert all(image in odd.message for image in odd.images)


@pytest.mark.shared
def test_patient_case(case_dir: Callable[[str], Path]) -> None:
    dataset = read(case_dir("C46") / "data/labels.csv", ReadOptions(group_column="patient_id"))
    found = audit(dataset, split_with=split)
    sides: dict[str, set[str]] = {}
    for group, name in found.dataset.table.select("group", "split").iter_rows():
        sides.setdefault(group, set()).add(name)
    assert len(sides) == 8
    assert all(len(names) == 1 for names in sides.values())
    assert "no group lies in two splits" in named(found.findings, "groups_disjoint").message


@pytest.mark.shared
def test_table_conflict_case_goes_to_review(case_dir: Callable[[str], Path]) -> None:
    found = audit(read(case_dir("C39") / "data/labels.csv"), split_with=split)
    assert len(found.dataset) == 10
    assert found.review["path"].to_list() == ["img/002.png", "img/003.png"]


@pytest.mark.shared
def test_clothing_senders_straddle_the_given_splits(shared_data: Callable[[str], Path]) -> None:
    dataset: Dataset = read(shared_data("clothing"), ReadOptions(group_column="sender_id"))
    done = split(dataset)
    assert done.table["split"].equals(dataset.table["split"])
    assert named(done.notes, "group_straddles_splits").severity == "warning"
