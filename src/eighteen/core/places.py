"""Where things of the user are kept outside data sets and runs: caches, and the ledger of test splits.

Source: the XDG Base Directory Specification.
"""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """`$XDG_CACHE_HOME/eighteen/<kind>`, by default below `~/.cache`; what lies there can be made again."""
    return _below("XDG_CACHE_HOME", Path(".cache"), kind)


def state_folder(kind: str) -> Path:
    """`$XDG_STATE_HOME/eighteen/<kind>`, by default below `~/.local/state`; what lies there cannot."""
    return _below("XDG_STATE_HOME", Path(".local", "state"), kind)


def _below(variable: str, default: Path, kind: str) -> Path:
    named = os.environ.get(variable)
    return (Path(named) if named else Path.home() / default) / "eighteen" / kind
