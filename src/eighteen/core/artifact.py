"""What leaves the house: an exported model in a folder of its own, the handle on it, and what every format
takes and gives.

An artifact folder holds the model files, `artifact.json` (what it is), `inputs.json` (how pictures become its
input) and `parity.json` (the proof that it answers like the model it was made from).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from eighteen.core import store
from eighteen.core.calibration import Calibration
from eighteen.core.errors import RunError
from eighteen.core.inputs import InputSpec
from eighteen.core.scored import Scored

if TYPE_CHECKING:
    from torch import nn

FORMAT = "eighteen-artifact"
VERSION = 1

Pictures = Sequence[npt.NDArray[np.uint8]]
"""RGB pictures `[H, W, 3]`, uint8, each of its own size."""


@dataclass(frozen=True)
class Exportable:
    """A trained model as a format takes it.

    Attributes:
        network: in evaluation mode, on the CPU; takes normalised `[N, C, size, size]`, gives logits `[N, K]`.
        inputs: how a picture becomes the network's input.
        calibration: what is done to the network's logits.
        class_names: the K classes.
        notes: strings for the file's own metadata.
        samples: gives fitted training pictures `[N, C, size, size]`, float32 0..255, for integer ranges.
        kept: names of the network's layers that stay in float where the others become integers.
        scratch: folder that outlives one writing, for what is the same again while only `kept` or the
            calibration changes, such as ranges; None where a model is written once.
    """

    network: nn.Module
    inputs: InputSpec
    calibration: Calibration
    class_names: tuple[str, ...]
    notes: Mapping[str, str]
    samples: Callable[[], npt.NDArray[np.float32]]
    kept: tuple[str, ...] = ()
    scratch: Path | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """What every file carries about itself: classes, inputs and their hash, calibration, notes."""
        return {
            "classes": json.dumps(self.class_names, ensure_ascii=False),
            "input_spec": json.dumps(self.inputs.to_json(), sort_keys=True),
            "input_spec_sha256": self.inputs.sha256,
            "calibration": json.dumps(self.calibration.to_json(), sort_keys=True),
            **self.notes,
        }


@dataclass(frozen=True)
class Opened:
    """An exported model, ready to be asked in its own runtime.

    Attributes:
        answer: RGB pictures of any size to calibrated logits `[N, K]`, all preparation done by the model file
            (or, for a format that cannot, by its stated companion code).
        bare: normalised `[N, C, size, size]` float32 to calibrated logits `[N, K]`: the tensor entry.
        inputs: how pictures become the tensor.
        class_names: the K classes.
        plain: whether the file says that it does not calibrate: its logits are the network's own then.
        weights_sha256: of the weights that it was made from, as the file says; "" where it says nothing.
    """

    answer: Callable[[Pictures], npt.NDArray[np.float32]]
    bare: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
    inputs: InputSpec
    class_names: tuple[str, ...]
    plain: bool = False
    weights_sha256: str = ""


@dataclass(frozen=True)
class Files:
    """What writing a format left in the folder.

    Attributes:
        model: file that takes pictures.
        bare: file that takes tensors; the same one where it offers both.
        outside: what the model file cannot hold and its user must do; "" where it holds everything.
        facts: further things worth knowing, such as layers kept in higher precision.
    """

    model: str
    bare: str
    outside: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Artifact(Scored):
    """A handle on an artifact folder; it holds no state of its own."""

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Opens an artifact folder.

        Raises:
            RunError: there is none, it is damaged, or a newer version wrote it.
        """
        artifact = cls(Path(path))
        if not (artifact.path / "artifact.json").exists():
            raise RunError(f"{path} is no exported model: it holds no artifact.json")
        info = artifact.info
        if info["format"] != FORMAT or info["version"] > VERSION:
            raise RunError(
                f"{path} was written by a newer eighteen ({info['format']} {info['version']}, this one reads "
                f"{VERSION}); update eighteen"
            )
        return artifact

    @property
    def info(self) -> dict[str, Any]:
        """`artifact.json`: kind (the format's name), precision, files, classes, source, packages."""
        needed = ("format", "version", "kind", "precision", "files", "class_names", "calibration")
        return store.read_object(self.path / "artifact.json", *needed)

    @property
    def inputs(self) -> InputSpec:
        path = self.path / "inputs.json"
        return InputSpec.from_json(store.read_object(path), str(path))

    @property
    def calibration(self) -> Calibration:
        return Calibration.from_json(self.info["calibration"])

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.info["class_names"])

    @property
    def model_path(self) -> Path:
        return self.path / self._file("model")

    @property
    def bare_path(self) -> Path:
        return self.path / self._file("bare")

    @property
    def parity(self) -> dict[str, Any]:
        return store.read_object(self.path / "parity.json")

    @property
    def size_bytes(self) -> int:
        """Of the file or folder that takes pictures, and of files of its name (OpenVINO's weights)."""
        model = self.model_path
        parts = [*model.parent.glob(f"{model.stem}.*"), *model.rglob("*")]
        return sum(path.stat().st_size for path in parts if path.is_file())

    def _file(self, entry: str) -> str:
        """A file of this folder, never one outside it."""
        name = str(self.info["files"][entry])
        if Path(name).name != name:
            raise RunError(
                f"{self.path}/artifact.json names '{name}', which is no file of its folder; export again"
            )
        return name

    def save_info(self, info: Mapping[str, Any]) -> None:
        store.write_json(self.path / "artifact.json", {"format": FORMAT, "version": VERSION, **info})

    def save_inputs(self, inputs: InputSpec) -> None:
        store.write_json(self.path / "inputs.json", inputs.to_json())

    def save_parity(self, parity: Mapping[str, Any]) -> None:
        store.write_json(self.path / "parity.json", parity)

    def save_text(self, name: str, content: str) -> None:
        store.write_text(self.path / name, content)
