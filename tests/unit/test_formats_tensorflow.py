"""What is particular about SavedModels; what they share with every format is in `test_formats.py`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from eighteen.core.errors import RunError
from eighteen.formats import tensorflow as tensorflow_format

if not find_spec("tensorflow"):
    pytest.skip("tensorflow is not installed", allow_module_level=True)


def test_a_saved_model_that_reads_files_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    class Reading(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, "image")])
        def answer(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"logits": tf.io.read_file("/etc/hostname")}

    path = tmp_path / "model.savedmodel"
    module = Reading()
    tf.saved_model.save(module, str(path), {"serving_default": module.answer})
    monkeypatch.setattr(tf.saved_model, "load", lambda *args: pytest.fail("it was loaded"))
    with pytest.raises(RunError, match=r"outside itself \(ReadFile\), .* it was not opened"):
        tensorflow_format.open_files(path, path)
