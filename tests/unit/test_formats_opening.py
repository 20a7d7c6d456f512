"""A model file whose description of itself is damaged: a sentence, whatever the damage is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from eighteen.core.errors import RunError
from eighteen.core.inputs import InputSpec
from eighteen.formats._opening import open_described

RIGHT = {"input_spec": json.dumps(InputSpec(size=16).to_json()), "classes": '["a", "b"]'}


@pytest.mark.parametrize(
    "damaged",
    [
        {"classes": "3"},
        {"classes": "null"},
        {"classes": "["},
        {"input_spec": "[]"},
        {"input_spec": '{"size": "x"}'},
        {"input_spec": "7"},
        {"calibration": "[]"},
    ],
)
def test_a_description_that_is_none_is_refused(damaged: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.touch()
    opened = open_described(path, path, lambda _: (np.asarray, RIGHT))
    assert opened.class_names == ("a", "b")
    with pytest.raises(RunError, match=r"model\.onnx does not say what its classes and inputs are"):
        open_described(path, path, lambda _: (np.asarray, {**RIGHT, **damaged}))
