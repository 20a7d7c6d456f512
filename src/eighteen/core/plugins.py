"""Growing by adding a file: modules of a folder are found by their name, without importing them.

A data-set layout, an audit check, a task or a format is one module in its folder. `names` lists them,
`load` imports one. There is no registry to keep and no decorator to import.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.util import find_spec
from types import ModuleType

from eighteen.core.errors import EighteenError


def names(package: str) -> tuple[str, ...]:
    """Names of the modules in a package, sorted; names that start with "_" are left out."""
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ValueError(f"{package} is no package")
    found = (module.name for module in pkgutil.iter_modules(spec.submodule_search_locations))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load(package: str, name: str, kind: str) -> ModuleType:
    """Imports one module of a package.

    Args:
        package: dotted name of the folder.
        name: the module's file name without ending.
        kind: what such a module is called in messages ("task", "format").

    Raises:
        EighteenError: there is no such module; those that exist are named.
    """
    known = names(package)
    if name not in known:
        raise EighteenError(f"there is no {kind} '{name}'; there are: {', '.join(known)}")
    return importlib.import_module(f"{package}.{name}")
