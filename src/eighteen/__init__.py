"""eighteen: from a folder of labelled images to an honestly measured ResNet-18 classifier.

Names are handed out lazily, so that importing the package costs nothing and needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eighteen.api import audit, evaluate, export, predict, read, report, resume, split, train
    from eighteen.core.corrections import Corrections
    from eighteen.core.dataset import Dataset
    from eighteen.core.errors import EighteenError, UnreadableImage
    from eighteen.core.inputs import InputSpec, load_image
    from eighteen.core.recipe import Recipe
    from eighteen.core.run import Run
    from eighteen.inference.predictor import Predictor

__all__ = [
    "Corrections",
    "Dataset",
    "EighteenError",
    "InputSpec",
    "Predictor",
    "Recipe",
    "Run",
    "UnreadableImage",
    "audit",
    "evaluate",
    "export",
    "load_image",
    "predict",
    "read",
    "report",
    "resume",
    "split",
    "train",
]

_HOMES = {
    "Corrections": "eighteen.core.corrections",
    "Dataset": "eighteen.core.dataset",
    "EighteenError": "eighteen.core.errors",
    "InputSpec": "eighteen.core.inputs",
    "Predictor": "eighteen.inference.predictor",
    "Recipe": "eighteen.core.recipe",
    "Run": "eighteen.core.run",
    "UnreadableImage": "eighteen.core.errors",
    "load_image": "eighteen.core.inputs",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'eighteen' has no attribute '{name}'")
    return getattr(import_module(_HOMES.get(name, "eighteen.api")), name)


def __dir__() -> list[str]:
    return __all__
