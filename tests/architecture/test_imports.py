"""The house rules of docs/architecture.md, read off the source: imports go one way, nothing is pickled."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "eighteen"
MODULES = sorted(SOURCE.rglob("*.py"))

LEVELS: list[set[str]] = [
    {"core"},
    {"matching"},
    {"reading", "auditing", "splitting", "measuring"},
    {"augmenting", "models"},
    {"tasks"},
    {"formats"},
    {"inference"},
    {"training"},
    {"evaluating", "explaining"},
    {"screening"},
    {"exporting"},
    {"tuning", "diagnosing", "reporting"},
    {"serving", "reviewing"},
    {"sample"},
    {"api"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
WITHOUT_TORCH = {
    "core",
    "matching",
    "reading",
    "auditing",
    "splitting",
    "measuring",
    "formats",
    "serving",
    "cli",
}


def part_of(path: Path) -> str:
    """The folder (or the module straight below the package) that a file belongs to."""
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_go_one_way(path: Path) -> None:
    here = part_of(path)
    if here in ("__init__", "__main__"):
        return
    assert here in LEVEL, f"{here} has no level: add it to LEVELS and to docs/architecture.md"
    for name, _ in imports(parsed(path)):
        parts = name.split(".")
        if parts[0] != "eighteen" or len(parts) < 2 or parts[1] not in LEVEL:
            continue
        there = parts[1]
        assert there == here or LEVEL[there] < LEVEL[here], f"{here} must not import {there} ({name})"


def top_level_imports(tree: ast.Module) -> set[str]:
    """Modules imported when the file is imported (not inside functions, not for type checking only)."""
    found: set[str] = set()
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
        for field in ("body", "orelse", "finalbody", "handlers"):
            waiting.extend(getattr(node, field, []))
    return found


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if part_of(path) in WITHOUT_TORCH],
    ids=lambda path: path.relative_to(SOURCE).as_posix(),
)
def test_torch_is_not_imported_at_module_level(path: Path) -> None:
    assert not top_level_imports(parsed(path)) & {"torch", "torchvision", "timm"}


def test_nothing_is_pickled() -> None:
    for path in MODULES:
        tree = parsed(path)
        names = {name for name, _ in imports(tree)}
        assert not names & {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}, path
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            call = ast.unparse(node.func)
            assert call != "torch.save", path
            if call == "torch.load":
                assert path.relative_to(SOURCE).as_posix() == "models/weights.py"
                assert "weights_only=True" in ast.unparse(node)


WRITES = re.compile(
    r"\.(write_text|write_bytes|write_parquet|write_csv|write_json|mkdir|unlink|touch|rmdir)$"
)


def test_only_the_store_writes_files() -> None:
    """`sample.py` writes picture files into a folder that the store makes; nobody else writes."""
    allowed = {"core/store.py", "sample.py"}
    for path in MODULES:
        name = path.relative_to(SOURCE).as_posix()
        if name in allowed:
            continue
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Call):
                continue
            call = ast.unparse(node.func)
            assert call not in ("os.replace", "os.rename", "os.makedirs", "shutil.rmtree"), (name, call)
            if call == "open" or call.endswith(".open"):
                text = ast.unparse(node)
                assert not re.search(r"['\"][rbt+]*[wax][rbt+]*['\"]", text), (name, text)
            if WRITES.search(call) and not call.startswith("store."):
                arguments = [ast.unparse(argument) for argument in node.args]
                # `table.write_csv()` without a path gives the text back.
                assert call.endswith(".write_csv") and not arguments, (name, ast.unparse(node))


def test_no_task_name_is_tested_outside_tasks() -> None:
    tasks = {path.stem for path in (SOURCE / "tasks").glob("*.py")} - {"__init__"}
    assert tasks
    for path in MODULES:
        if part_of(path) == "tasks":
            continue
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Compare):
                constants = {
                    inner.value
                    for inner in ast.walk(node)
                    if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
                }
                assert not constants & tasks, (path, ast.unparse(node))


def test_no_utils() -> None:
    assert not [path for path in MODULES if path.stem in ("utils", "helpers", "misc", "common")]


def test_files_stay_readable() -> None:
    long = {path.name: len(path.read_text().splitlines()) for path in MODULES}
    assert not {name: lines for name, lines in long.items() if lines > 350}
