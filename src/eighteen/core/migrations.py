"""Run folders of older versions, brought up to this one; newer ones are refused with a sentence.

Version 1 is the first, so nothing has to be migrated yet; `upgraded` is the one door that every run folder
passes, and `STEPS[n]` will bring a `run.json` from version n to n + 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from eighteen.core.errors import RunError

FORMAT = "eighteen-run"
VERSION = 1

STEPS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = MappingProxyType({})


def upgraded(info: Any, folder: Path) -> dict[str, Any]:
    """The content of `run.json` as this version knows it.

    Raises:
        RunError: it is none of ours, is damaged, or was written by a newer version.
    """
    if not isinstance(info, dict) or info.get("format") != FORMAT or not isinstance(info.get("version"), int):
        raise RunError(f"{folder} is no run folder of eighteen (run.json says {str(info)[:80]})")
    version = info["version"]
    if version > VERSION:
        raise RunError(
            f"{folder} was written by a newer eighteen (run version {version}, this one knows {VERSION}); "
            f"update eighteen to open it"
        )
    for step in range(version, VERSION):
        info = STEPS[step](info)
    missing = [key for key in ("state", "stages", "events") if key not in info]
    if missing:
        raise RunError(f"{folder}/run.json is damaged (without {', '.join(missing)}); restore it")
    return dict(info)
