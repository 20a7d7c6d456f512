"""What lies beside an exported model so that it can be used without asking anybody: a page, an example that
runs, its requirements, and a container file."""

from __future__ import annotations

import json
from importlib.resources import files
from string import Template

from eighteen.core.artifact import Artifact
from eighteen.exporting.parity import Parity

_TEMPLATES = files("eighteen.exporting") / "templates"

_KEPT_AS_TEXT = ".in"
"""Ending of program templates, so that nothing takes them for modules of this package."""


def write_bundle(artifact: Artifact, parity: Parity) -> None:
    """Writes the page, and the files of the format's template folder."""
    folder = _TEMPLATES / artifact.info["kind"]
    names = sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        artifact.save_text(name.removesuffix(_KEPT_AS_TEXT), (folder / name).read_text(encoding="utf-8"))
    page = Template((_TEMPLATES / "README.md").read_text(encoding="utf-8"))
    artifact.save_text("README.md", page.substitute(_facts(artifact, parity, names)))


def _facts(artifact: Artifact, parity: Parity, names: list[str]) -> dict[str, str]:
    info, inputs = artifact.info, artifact.inputs
    example = (
        "```bash\npip install -r requirements.txt\npython predict.py photo.jpg\n```"
        if "predict.py.in" in names
        else "```bash\neighteen predict . photo.jpg\n```"
    )
    return {
        "classes_n": str(len(artifact.class_names)),
        "made_with": info["notes"]["made_with"],
        "model": info["notes"]["model"],
        "kind": info["kind"],
        "precision": info["precision"],
        "size_mb": f"{parity.size_bytes / 1e6:.1f}",
        "sentence": f"Checked against its source: {parity.sentence}",
        "use": example,
        "suffix": artifact.model_path.suffix,
        "fit": inputs.fit,
        "size": str(inputs.size),
        "kernel": inputs.kernel,
        "channels": str(inputs.channels),
        "mirror": " with the mean over the picture and its mirror image" if inputs.mirror_average else "",
        "mean": str(tuple(round(value, 4) for value in inputs.mean)),
        "std": str(tuple(round(value, 4) for value in inputs.std)),
        "background": f"RGB {inputs.background}",
        "class_list": json.dumps(artifact.class_names, ensure_ascii=False),
    }
