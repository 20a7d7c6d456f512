"""What lies beside an exported model: the page, the examples, and what a container with it weighs."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from eighteen.core.artifact import Artifact
from eighteen.core.inputs import InputSpec
from eighteen.exporting.bundle import write_examples, write_page
from eighteen.exporting.proof_table import proof_table

PARITY: dict[str, Any] = {
    "n": 1000,
    "top1_agreement": 0.999,
    "max_probability_difference": 3.2e-6,
    "bare_probability_difference": 0.0,
    "accuracy_difference": {"value": -0.001, "low": -0.004, "high": 0.002, "n": 412},
    "latency_ms": {"1": {"p50": 12.34, "p95": 14.0}, "32": {"p50": 300.0, "p95": 310.0}},
    "source_latency_ms": {"1": {"p50": 20.0, "p95": 21.0}},
    "memory": {"peak_bytes": 310e6, "before_bytes": 120e6},
    "size_bytes": 44_800_000,
}

SLIM_IMAGE_MB = 135
"""What `python:3.12-slim` holds, unpacked."""


def artifact(folder: Path, kind: str, model: str = "model.onnx", **inputs: Any) -> Artifact:
    made = Artifact(folder)
    made.save_inputs(InputSpec(**inputs))
    made.save_info(
        {
            "kind": kind,
            "precision": "fp32",
            "files": {"model": model, "bare": "bare.onnx"},
            "outside": "",
            "class_names": ["cat", "two\nlines"],
            "calibration": {},
            "notes": {"model": "resnet18", "made_with": "eighteen 1", "created": "2026-01-02T03:04:05Z"},
        }
    )
    return made


def test_the_page_holds_the_proof_as_a_table(tmp_path: Path) -> None:
    made = artifact(tmp_path, "onnx")
    write_page(made, PARITY)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| Same answer as the trained model | 99.90 % of 1,000 real pictures |" in page
    assert (
        "| Accuracy on validation, exported minus trained | -0.0010 (-0.0040 to +0.0020, n = 412) |" in page
    )
    time = "12.3 ms (95th percentile 14.0 ms); the trained model 20.0 ms"
    assert f"| Time for one picture | {time} |" in page
    assert "| Peak memory of a program that answers | 310 MB, 120 MB of it before" in page
    assert "| Time for 32 pictures | 300.0 ms (95th percentile 310.0 ms) |" in page
    assert 'docker run --rm --read-only -v "$PWD/photos' in page
    assert not re.search(r"\$[a-z{]", page), "a placeholder was left"


def test_what_a_page_said_in_a_browser_is_in_the_table() -> None:
    page = {"n": 24, "top1_agreement": 1.0, "max_probability_difference": 2.7e-6, "browser": "Chromium 150"}
    said = "same answer on 100.00 % of 24 real pictures, probabilities differ by at most 2.7e-06"
    assert f"| The page itself, in Chromium 150 | {said} |" in proof_table({**PARITY, "page": page})
    assert "page itself" not in proof_table({**PARITY, "page": {"n": 0}})


def test_examples_know_the_models_background_and_classes(tmp_path: Path) -> None:
    write_examples(artifact(tmp_path, "onnx", background=(10, 200, 30)))
    assert (tmp_path / "classes.txt").read_text(encoding="utf-8") == "cat\ntwo lines\n"
    for example in ("cpp/picture.h", "java/Predict.java", "csharp/Program.cs", "swift/Classifier.swift"):
        text = (tmp_path / example).read_text(encoding="utf-8")
        assert "10, 200, 30" in text, example
        assert "255, 255, 255" not in text, example
    assert not (tmp_path / "use.md").exists()


@pytest.mark.parametrize("kind", ["onnx", "openvino", "browser", "torch", "aotinductor", "coreml"])
def test_every_file_that_a_page_names_is_there(kind: str, tmp_path: Path) -> None:
    made = artifact(tmp_path, kind)
    write_examples(made)
    write_page(made, PARITY)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:[a-z]+/)?[a-zA-Z_]+\.(?:py|mjs|js|txt)|[a-z]+/)`", page):
        if name != "runtime/":  # the format writes it, not the bundle
            assert (tmp_path / name).exists(), name


def installed_bytes(package: str, seen: set[str]) -> int:
    """Of a package and all that it requires, as pip lists their files."""
    if package in seen:
        return 0
    seen.add(package)
    files = metadata.files(package) or []
    total = sum(file.size or 0 for file in files)
    for requirement in metadata.requires(package) or []:
        name = re.split(r"[\s<>=!~;\[(]", requirement)[0]
        if "extra ==" not in requirement:
            total += installed_bytes(name, seen)
    return total


@pytest.mark.parametrize(("kind", "model_mb", "not_kept_mb"), [("onnx", 45, 0), ("openvino", 45, 60)])
def test_a_container_with_a_resnet18_stays_below_400_mb(
    kind: str, model_mb: int, not_kept_mb: int, tmp_path: Path
) -> None:
    """By arithmetic: the base image, what the requirements install here, and the model."""
    write_examples(artifact(tmp_path, kind))
    container = (tmp_path / "Dockerfile").read_text(encoding="utf-8")
    assert "FROM python:3.12-slim" in container
    assert "USER 65534" in container
    assert "COPY --chmod=444" in container
    assert ("rm -f " in container) == bool(not_kept_mb)
    lines = (tmp_path / "requirements.txt").read_text(encoding="utf-8").split()
    names = [re.split(r"[<>=]", line)[0] for line in lines]
    assert "torch" not in names
    seen: set[str] = set()
    try:
        wheels_mb = sum(installed_bytes(name, seen) for name in names) / 1e6
    except metadata.PackageNotFoundError as absent:
        pytest.skip(f"{absent.name} is not installed, so its size is not known")
    total = SLIM_IMAGE_MB + wheels_mb + model_mb - not_kept_mb
    assert total < 400, f"{SLIM_IMAGE_MB} + {wheels_mb:.0f} + {model_mb} - {not_kept_mb} MB: {sorted(seen)}"
