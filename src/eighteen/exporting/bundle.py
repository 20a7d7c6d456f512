"""What lies beside an exported model so that it can be used without asking anybody: examples that run, their
requirements, a container file, and a page that says what this is and how well it was checked.

A format has a folder of its name in `templates/`; whatever lies there goes along, subfolders too. Two names
are special: `use.md` becomes the page's section on use, `interface.md` the one on what goes in and comes out.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template
from typing import Any

from eighteen.core import store
from eighteen.core.artifact import Artifact
from eighteen.exporting.proof_table import proof_table

_TEMPLATES = files("eighteen.exporting") / "templates"

_ASKED = (
    "It was opened in its own runtime, and asked for the same pictures as the trained model. Had it "
    "disagreed, this folder would\nnot be here. `parity.json` holds all figures."
)
_NOT_ASKED = (
    "**That was not compared.** Its runtime does not run on the machine that wrote it. Compare its answers "
    "with those of the\ntrained model on your own pictures before you rely on it. What reading the files "
    "proves is below."
)

_KEPT_AS_TEXT = ".in"
"""Ending of program templates, so that nothing takes them for modules of this package."""

_PARTS = ("use.md", "interface.md")
"""Of a format's folder: parts of the page, not files of their own."""

_DEPTH = "# in_8_bits\n"
"""A line of the Python examples; the function of that name in `in_8_bits.py.in` takes its place."""

_WHITE = "255, 255, 255 /* background */"
"""What an example writes that cannot read `inputs.json`; the model's own colour takes its place."""


def write_examples(artifact: Artifact) -> None:
    """Writes the files of the format's template folder, and the class names, one a line."""
    for name, text in examples(artifact.info["kind"], artifact.inputs.background).items():
        store.make_folder((artifact.path / name).parent)
        artifact.save_text(name, text)
    lines = (" ".join(name.split()) or name for name in artifact.class_names)
    artifact.save_text("classes.txt", "".join(f"{line}\n" for line in lines))


def examples(kind: str, background: tuple[int, int, int] = (255, 255, 255)) -> dict[str, str]:
    """The files that lie beside a model of a format: text by relative name.

    Args:
        kind: name of the format.
        background: RGB under transparent pixels, 0..255, for examples that cannot read `inputs.json`.
    """
    colour = ", ".join(map(str, background))
    depth = (_TEMPLATES / "in_8_bits.py.in").read_text(encoding="utf-8")
    return {
        name.removesuffix(_KEPT_AS_TEXT): item.read_text(encoding="utf-8")
        .replace(_DEPTH, depth)
        .replace(_WHITE, colour)
        for name, item in _templates(kind)
        if name not in _PARTS
    }


def write_page(artifact: Artifact, parity: dict[str, Any]) -> None:
    """Writes `README.md`.

    Args:
        artifact: with its examples.
        parity: what stands in `parity.json`.
    """
    page = Template((_TEMPLATES / "README.md").read_text(encoding="utf-8"))
    artifact.save_text("README.md", page.substitute(_facts(artifact, parity)))


def _templates(kind: str) -> Iterator[tuple[str, Traversable]]:
    """Files of a format's folder with their relative names; nothing where it has none."""
    waiting = [("", _TEMPLATES / kind)]
    while waiting:
        prefix, folder = waiting.pop()
        for item in sorted(folder.iterdir(), key=lambda one: one.name) if folder.is_dir() else ():
            if item.is_dir():
                waiting.append((f"{prefix}{item.name}/", item))
            elif not item.name.startswith("."):
                yield f"{prefix}{item.name}", item


def _facts(artifact: Artifact, parity: dict[str, Any]) -> dict[str, str]:
    info, inputs, notes = artifact.info, artifact.inputs, artifact.info["notes"]
    outside = str(info.get("outside", "")).rstrip(".")
    facts = {
        "classes_n": str(len(artifact.class_names)),
        "made_with": notes["made_with"],
        "created": str(notes.get("created", ""))[:10],
        "model": notes["model"],
        "license": notes.get("license", "not stated"),
        "weights_source": notes.get("weights_source", "not stated"),
        "kind": info["kind"],
        "precision": info["precision"],
        "file": artifact.model_path.name,
        "size_mb": f"{parity['size_bytes'] / 1e6:.1f}",
        "proof": proof_table(parity),
        "asked": _ASKED if parity.get("compared", True) else _NOT_ASKED,
        "suffix": artifact.model_path.suffix,
        "bare": artifact.bare_path.name,
        "fit": inputs.fit,
        "size": str(inputs.size),
        "kernel": inputs.kernel,
        "channels": str(inputs.channels),
        "mirror": " with the mean over the picture and its mirror image" if inputs.mirror_average else "",
        "mean": str(tuple(round(value, 4) for value in inputs.mean)),
        "std": str(tuple(round(value, 4) for value in inputs.std)),
        "background": f"RGB {inputs.background}",
        "class_list": ", ".join(f"`{name}`" for name in artifact.class_names),
        "outside": f"\n**Outside of the file:** {outside}.\n" if outside else "",
    }
    parts = {name.removesuffix(".md"): _part(info["kind"], name) for name in _PARTS}
    return facts | {name: Template(text).safe_substitute(facts).strip() for name, text in parts.items()}


def _part(kind: str, name: str) -> str:
    """Of the format's own folder, or the one for all."""
    own = _TEMPLATES / kind / name
    return (own if own.is_file() else _TEMPLATES / name).read_text(encoding="utf-8")
