"""From a run to a model that runs elsewhere, with the proof that it gives the same answers.

The format writes into a folder that has no name yet; the exported model is opened in its own runtime and
compared with the run; only one that agrees gets its name. A refused one leaves nothing behind.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor, nn

from eighteen.core import store
from eighteen.core.artifact import Artifact, Exportable
from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError, EighteenError, GateError
from eighteen.core.progress import Progress, silent
from eighteen.core.run import Run, package_version, require_absent
from eighteen.exporting.aware_training import train_aware
from eighteen.exporting.bundle import write_examples, write_page
from eighteen.exporting.embedded import Embedded, describe_embedded
from eighteen.exporting.footprint import measure_memory
from eighteen.exporting.halves import halves_of
from eighteen.exporting.integers import Held, to_integers
from eighteen.exporting.limits import remedy
from eighteen.exporting.page_check import check_page
from eighteen.exporting.parity import PICTURES, Parity, Reference, measure_parity
from eighteen.exporting.uncompared import NotCompared
from eighteen.formats import native
from eighteen.inference.exported import load_format
from eighteen.inference.predictor import Predictor
from eighteen.inference.reading import items_of, read_batches
from eighteen.inference.scoring import Scorer
from eighteen.models.hub import origin

SAMPLES = 256
"""Training pictures that integer ranges are set by."""


@dataclass(frozen=True)
class Exported:
    """An exported model and its proof, or why there is none; `embedded` for 8-bit LiteRT files: which boards
    hold it."""

    artifact: Artifact
    parity: Parity | NotCompared
    embedded: Embedded | None = None

    def to_json(self) -> dict[str, Any]:
        proof = self.parity
        times = {} if isinstance(proof, NotCompared) else proof.latency_ms
        memory = None if isinstance(proof, NotCompared) else proof.memory
        return {
            "path": self.artifact.path.as_posix(),
            "format": self.artifact.info["kind"],
            "precision": self.artifact.info["precision"],
            "parity": proof.to_json(),
            "size_mb": round(proof.size_bytes / 1e6, 3),
            "latency_ms": {size: each["p50"] for size, each in times.items()},
            "peak_memory_mb": None if memory is None else round(memory.peak_bytes / 1e6, 1),
            "embedded": None if self.embedded is None else self.embedded.to_json(),
        }


def export(
    run: Run,
    kind: str,
    precision: str = "fp32",
    out: Path | None = None,
    pictures: int = PICTURES,
    progress: Progress = silent,
    reference: Reference | None = None,
) -> Exported:
    """Writes a trained model in another format.

    Args:
        run: trained.
        kind: name of the format.
        precision: one that the format offers.
        out: folder to make; None takes `exports/KIND` (with the precision, where it is not fp32) in the run.
        pictures: real files to compare on; integers are judged on all of validation at least.
        progress: told how far it is.
        reference: what the run says about the pictures, where that is known from another export.

    Raises:
        EighteenError: there is no such format or precision, or its packages are missing.
        GateError: the exported model disagrees, nothing can judge it, or its files do not hold what they
            should; nothing is left behind.
    """
    writer = load_format(kind, precision)
    if precision not in writer.PRECISIONS:
        raise EighteenError(
            f"the format '{kind}' has no precision '{precision}'; it has: {', '.join(writer.PRECISIONS)}"
        )
    name = kind if precision == "fp32" else f"{kind}-{precision}"
    path = run.path / "exports" / name if out is None else out
    require_absent(path)
    uncompared = writer.uncompared() if hasattr(writer, "uncompared") else ""
    if precision == "int8" and not uncompared:
        validation = _require_judges(run)
        pictures = max(pictures, validation)
        if reference is not None and len(reference.chosen.subset("val")) < validation:
            reference = None
    if hasattr(writer, "make_ready"):
        writer.make_ready(progress)
    model = exportable(run)
    if reference is None and not uncompared:
        reference = Reference.of(source_of(run, model), run.dataset, pictures, progress)
    with (
        TemporaryDirectory(prefix="eighteen-export-") as scratch,
        store.new_folder(path) as staging,
        _forgotten(writer, staging),
    ):
        artifact = Artifact(staging)
        progress("export", 0, 1, f"writing {name}")
        model, done, judges = _settled(run, writer, model, precision, reference, Path(scratch), progress)
        files = writer.write(model, staging, precision)
        artifact.save_inputs(model.inputs)
        artifact.save_info(
            {
                "kind": kind,
                "precision": precision,
                "files": {"model": files.model, "bare": files.bare},
                "outside": files.outside,
                "facts": {**done, **files.facts},
                "class_names": list(model.class_names),
                "calibration": model.calibration.to_json(),
                "input_spec_sha256": model.inputs.sha256,
                "max_pixels": run.recipe.data.max_pixels,
                "notes": dict(model.notes),
            }
        )
        write_examples(artifact)
        parity: Parity | NotCompared
        if uncompared or reference is None:
            checked, wrong = writer.check_files(model, staging, precision)
            parity = NotCompared(uncompared, tuple(checked), tuple(wrong), artifact.size_bytes)
        else:
            parity = _compared(run, writer, artifact, reference, judges, progress)
            parity = replace(parity, attempts=len(done.get("attempts", ())) or 1)
        artifact.save_parity(parity.to_json())
        if parity.problems:
            raise GateError(
                f"the {name} model {_fault(parity)} {run.path}: {'; '.join(parity.problems)}. It was "
                f"removed. {remedy(precision)}"
            )
        write_page(artifact, parity.to_json())
        embedded = _embedded(artifact)
    return Exported(replace(artifact, path=path), parity, embedded)


@contextmanager
def _forgotten(writer: ModuleType, staging: Path) -> Iterator[None]:
    """What a format remembers of its files outside of their folder goes with them where they are refused."""
    try:
        yield
    except BaseException:
        if hasattr(writer, "forget"):
            writer.forget(staging)
        raise


def _compared(
    run: Run,
    writer: ModuleType,
    artifact: Artifact,
    reference: Reference,
    judges: Set[str] | None,
    progress: Progress,
) -> Parity:
    """The exported model, asked in its own runtime for what the run was asked."""
    precision = artifact.info["precision"]
    opened = writer.open_files(artifact.model_path, artifact.bare_path)
    memory = measure_memory(artifact)
    parity = measure_parity(reference, opened, precision, artifact.size_bytes, memory, judges, progress)
    page = getattr(writer, "PAGE", "")
    if not page:
        return parity
    # The page shows the proof so far while it is asked.
    artifact.save_parity(parity.to_json())
    shown = check_page(artifact.path, page, Predictor.of(opened, reference.max_pixels), run.dataset)
    return replace(parity, page=shown.to_json(), problems=(*parity.problems, *shown.problems))


def _fault(parity: Parity | NotCompared) -> str:
    return (
        "does not hold what was exported from" if isinstance(parity, NotCompared) else "does not answer like"
    )


def _embedded(artifact: Artifact) -> Embedded | None:
    """The table of boards, also written into the folder, for files that microcontrollers run."""
    info = artifact.info
    if (info["kind"], info["precision"]) != ("litert", "int8"):
        return None
    found = describe_embedded(artifact.model_path, artifact.inputs, len(artifact.class_names))
    found.save(artifact.path)
    return found


def source_of(run: Run, model: Exportable) -> Predictor:
    """The run's own predictor, on the CPU, with the network that is exported."""
    scorer = Scorer(model.network, model.inputs, torch.device("cpu"))
    limit = run.recipe.data.max_pixels
    return Predictor(scorer, model.inputs, model.class_names, limit, calibration=model.calibration)


def _settled(
    run: Run,
    writer: ModuleType,
    model: Exportable,
    precision: str,
    reference: Reference | None,
    scratch: Path,
    progress: Progress,
) -> tuple[Exportable, dict[str, Any], Set[str] | None]:
    """The model as it is to be written, what was done for its precision, and the ids of the validation
    pictures that have chosen nothing, where others have."""
    if precision != "int8" or reference is None:
        return model, {}, None
    known = reference.said
    rows = known.rows["split"].to_numpy() == "val"
    if not rows.any():
        raise GateError(f"{_unjudged(run)} none can be read below {run.dataset.root}; put them back")
    validation, known = reference.chosen.subset("val"), known.where(rows)
    halves = halves_of(validation, known)
    choosing = None if halves is None else halves.choosing
    held = Held(validation, known, reference.max_pixels, run.recipe.balances, choosing)

    def train(network: nn.Module, samples: Tensor, kept: tuple[str, ...], progress: Progress) -> nn.Module:
        return train_aware(run, network, samples, kept, progress)

    model, done = to_integers(writer, model, held, train, scratch, progress)
    if halves is None or len(done["attempts"]) == 1:
        return model, done, None
    return model, {**done, "judged_apart": True}, halves.judging


def _require_judges(run: Run) -> int:
    """How many validation pictures judge integers.

    Raises:
        GateError: there are none.
    """
    number = len(run.dataset.subset("val"))
    if not number:
        raise GateError(
            f"{_unjudged(run)} there are none; train with some (data.val_fraction above 0, or a folder val), "
            f"or take a precision that is compared picture by picture: --precision fp16 or fp32"
        )
    return number


def _unjudged(run: Run) -> str:
    return f"{run.path}: integers are judged by accuracy on validation pictures, and"


def exportable(run: Run) -> Exportable:
    """A trained run as formats take it.

    Raises:
        RunError: the run holds no weights.
    """
    network = native.open_network(run)
    return Exportable(
        network,
        run.inputs,
        run.calibration,
        run.class_names,
        {
            "model": run.recipe.model.name,
            native.NETWORK: json.dumps(native.settings(run.recipe, len(run.class_names))),
            "made_with": f"eighteen {package_version()}",
            "weights_sha256": store.file_sha256(run.weights_path),
            **origin(run.recipe.model.name, run.recipe.model.weights),
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        },
        cache(lambda: _samples(run)),
    )


def _samples(run: Run) -> npt.NDArray[np.float32]:
    """Fitted training pictures, the classes in turn, `[N, C, size, size]`, 0..255.

    Raises:
        DatasetError: none of them can be read where they lay.
    """
    known = run.dataset.subset("train")
    rank = pl.col("sha256").rank("ordinal").over("target")
    chosen: Dataset = known.with_table(known.table.sort(rank, "target", "id").head(SAMPLES))
    batches = list(read_batches(items_of(chosen), run.inputs, 64, run.recipe.data.max_pixels))
    found = np.concatenate([batch.pixels for batch in batches])
    if not len(found):
        raise DatasetError(
            f"integer ranges are set by training pictures, and none can be read below {known.root}; put them "
            f"back, or export another precision"
        )
    return found
