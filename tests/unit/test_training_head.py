"""The linear head on frozen features, against scikit-learn and by what it must do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression

from eighteen import audit
from eighteen.core.dataset import Dataset
from eighteen.core.inputs import InputSpec
from eighteen.core.progress import silent
from eighteen.core.recipe import Recipe
from eighteen.models.family import build
from eighteen.training import features as features_module
from eighteen.training.doubting import without_doubtful
from eighteen.training.features import FeatureReader
from eighteen.training.head import DEFAULT_STRENGTH, STRENGTHS, _fold_nll, fit_head
from eighteen.training.probing import FOLDS, head_folds
from tabular import dataset_of


def blobs(classes: int, n: int = 120, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(classes)
    targets = np.arange(n) % classes
    centres = random.normal(size=(classes, 8)) * 3
    rows = centres[targets] + random.normal(size=(n, 8)) * spread
    return (rows * np.linspace(0.1, 5, 8) + 3).astype(np.float32), targets


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_head_equals_scikit_learn_on_standardised_features(classes: int) -> None:
    rows, targets = blobs(classes)
    head = fit_head([rows], targets, np.arange(len(rows)) % 4, classes)
    assert head.strength in STRENGTHS
    scaled = (rows - rows.mean(0, dtype=np.float64)) / (rows.std(0, dtype=np.float64) + 1e-6)
    model = LogisticRegression(C=head.strength, max_iter=300, tol=1e-4).fit(scaled, targets)
    logits = head.logits(rows).astype(np.float64)
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    probabilities = shifted / shifted.sum(1, keepdims=True)
    assert np.abs(probabilities - model.predict_proba(scaled)).max() < 2e-3


@pytest.mark.parametrize("spread", [0.3, 3.0, 6.0, 20.0])
def test_the_strength_is_that_of_the_lowest_loss_on_the_folds(spread: float) -> None:
    rows, targets = blobs(3, spread=spread)
    folds = np.arange(len(rows)) % 5
    head = fit_head([rows], targets, folds, 3)
    masks = [folds == fold for fold in range(5)]
    every = {strength: _fold_nll([rows], targets, masks, 3, strength) for strength in STRENGTHS}
    assert head.strength == min(every, key=lambda strength: every[strength])
    assert head.fold_nll == {strength: every[strength] for strength in head.fold_nll}
    assert len(head.fold_nll) < len(STRENGTHS)


def test_a_second_view_that_is_a_copy_changes_nothing() -> None:
    rows, targets = blobs(3)
    folds = np.arange(len(rows)) % 4
    once, twice = fit_head([rows], targets, folds, 3), fit_head([rows, rows], targets, folds, 3)
    assert once.strength == twice.strength
    assert np.abs(once.logits(rows) - twice.logits(rows)).max() < 0.05


def test_one_fold_takes_the_default_strength() -> None:
    rows, targets = blobs(2, n=6)
    head = fit_head([rows], targets, np.zeros(6, np.int64), 2)
    assert head.strength == DEFAULT_STRENGTH
    assert np.isnan(head.fold_nll[DEFAULT_STRENGTH])


def test_a_class_without_pictures_is_never_said() -> None:
    rows, targets = blobs(3)
    head = fit_head([rows], targets, np.arange(len(rows)) % 4, 5)
    assert set(head.logits(rows).argmax(1)) <= {0, 1, 2}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for k in range(4):
            pixels = random.integers(0, 256, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{k}.png")
    return audit(tmp_path / "pictures").dataset


def test_features_are_those_of_the_network_and_come_from_the_cache_again(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = build("test_resnet", num_classes=2).eval()
    inputs = InputSpec(size=32, fit="squash")
    plain, mirrored = FeatureReader(network, inputs, torch.device("cpu"), 10**6).read(dataset)
    first = inputs.read(dataset.file(dataset.table["path"][0]))
    images = torch.from_numpy(inputs.normalised(np.stack([first, first[:, :, ::-1]])))
    with torch.no_grad():
        expected = network.forward_head(network.forward_features(images), pre_logits=True)
    assert np.allclose(plain[0], expected[0], atol=1e-4)
    assert np.allclose(mirrored[0], expected[1], atol=1e-4)

    monkeypatch.setattr(features_module, "read_batches", lambda *_: pytest.fail("it was read again"))
    again, _ = FeatureReader(network, inputs, torch.device("cpu"), 10**6).read(dataset)
    assert (again == plain).all()


def read_refused(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """As where a folder of the cache may not be entered; who runs tests as root may enter any."""
    exists = Path.exists

    def refused(path: Path, *more: Any, **named: Any) -> bool:
        if folder in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return exists(path, *more, **named)

    monkeypatch.setattr(Path, "exists", refused)


@pytest.mark.parametrize("refused", [False, True])
def test_a_cache_that_cannot_be_written_is_said_once_and_done_without(
    refused: bool, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, inputs = build("test_resnet", num_classes=2), InputSpec(size=32, fit="squash")
    expected, _ = FeatureReader(network, inputs, torch.device("cpu"), 10**6).read(dataset)
    (tmp_path / "file").write_text("a file where the cache's folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    if refused:
        read_refused(monkeypatch, tmp_path / "file")
    told: list[str] = []

    def progress(stage: str, done: int, total: int, note: str) -> None:
        if stage == "warning":
            told.append(note)

    reader = FeatureReader(network, inputs, torch.device("cpu"), 10**6)
    for _ in range(2):
        plain, _ = reader.read(dataset, progress)
        assert (plain == expected).all()
    assert len(told) == 1
    assert "cannot be kept in" in told[0] and "XDG_CACHE_HOME" in told[0]


def key_of(name: str, **options: Any) -> str:
    """The key of the cache for a network whose weights are all alike."""
    network = build(name, **{"num_classes": 2, **options})
    for value in network.state_dict().values():
        value.zero_()
    return FeatureReader(network, InputSpec(size=32, fit="squash"), torch.device("cpu"), 10**6)._key


def test_networks_that_take_the_same_weights_share_no_features() -> None:
    """TensorFlow pads on other sides, and its norms have another epsilon: the tensors do not tell."""
    theirs, ours = "tf_efficientnet_lite0", "efficientnet_lite0"
    states = [build(name, num_classes=2).state_dict() for name in (theirs, ours)]
    assert [*states[0]] == [*states[1]]
    assert key_of(theirs) != key_of(ours)


@pytest.mark.parametrize("name", ["resnet18", "test_resnet"])
def test_features_are_shared_by_trainings_that_differ_above_them_or_in_training_alone(name: str) -> None:
    plain = key_of(name)
    assert key_of(name, num_classes=5) == plain
    assert key_of(name, dropout=0.3, drop_path=0.2) == plain


@pytest.mark.parametrize(("patients", "expected"), [(1, 1), (2, 2), (4, 4), (5, FOLDS), (9, FOLDS)])
def test_the_head_takes_as_many_folds_as_there_are_groups(patients: int, expected: int) -> None:
    """Four patients with ten pictures each are four units, not forty."""
    groups = [f"patient {row % patients}" for row in range(40)]
    training = dataset_of([("cat", "dog")[row // 20] for row in range(40)], groups=groups)
    fold = head_folds(training, training.class_index())
    assert len(np.unique(fold)) == expected
    assert all(len(set(fold[np.array(groups) == name])) == 1 for name in set(groups))


def test_labels_of_few_groups_are_not_doubted() -> None:
    groups = [f"patient {row % 4}" for row in range(40)]
    training = dataset_of([("cat", "dog")[row // 20] for row in range(40)], groups=groups)
    left, told = without_doubtful(training, Recipe(), silent)
    assert left is training
    assert told == "4 independent pictures or groups are too few to doubt any of them"
