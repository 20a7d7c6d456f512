"""What a .tflite file says of itself: names of what goes in and out, and metadata.

Strings travel in the file's own metadata buffers. Behind the file a zip archive is put, as is the custom for
TensorFlow Lite: `labels.txt` and `metadata.json`, which `unzip` and any language can read without a schema.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

PREFIX = "eighteen:"
"""Of the names of our metadata buffers; the converter writes some of its own."""

_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16


def is_tflite(content: bytes) -> bool:
    return content[4:8] == _IDENTIFIER


def described(content: bytes, takes: str, gives: Sequence[str], notes: Mapping[str, str]) -> bytes:
    """The same model with names and metadata.

    Args:
        content: of a file with one signature.
        takes: name of its input.
        gives: names of its outputs, in their order.
        notes: strings to keep.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    (signature,) = model.signatureDefs
    # The converter's names tell where in PyTorch's modules a tensor came from: some 500 bytes each.
    for number, tensor in enumerate(model.subgraphs[0].tensors):
        tensor.name = str(number)
    for each, name in zip([*signature.inputs, *signature.outputs], [takes, *gives], strict=True):
        each.name = name
        model.subgraphs[0].tensors[each.tensorIndex].name = name
    model.metadata = list(model.metadata or ())
    for name, value in notes.items():
        entry, buffer = schema.MetadataT(), schema.BufferT()
        buffer.data = np.frombuffer(value.encode(), np.uint8)
        entry.name, entry.buffer = f"{PREFIX}{name}", len(model.buffers)
        model.buffers.append(buffer)
        model.metadata.append(entry)
    for buffer in model.buffers:
        if buffer.data is not None:
            buffer.data = np.frombuffer(bytes(buffer.data), np.uint8)
    return _packed(model) + _archive(notes)


def notes_of(path: Path) -> dict[str, str]:
    """The strings that `described` kept; none for a file of another program."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    found = {}
    for number in range(model.MetadataLength()):
        entry = model.Metadata(number)
        name = entry.Name().decode()
        if name.startswith(PREFIX):
            buffer = model.Buffers(entry.Buffer())
            found[name.removeprefix(PREFIX)] = buffer.DataAsNumpy().tobytes().decode()
    return found


def _packed(model: Any) -> bytes:
    """All weights inside the flatbuffer, at multiples of 16 bytes: runtimes of small devices expect both."""
    import flatbuffers

    class Builder(flatbuffers.Builder):  # type: ignore[misc]
        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:
            return super().StartVector(elemSize, numElems, _ALIGNMENT if elemSize == 1 else alignment)

    builder = Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _archive(notes: Mapping[str, str]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (
            ("labels.txt", "\n".join(json.loads(notes["classes"]))),
            ("metadata.json", json.dumps(dict(notes), ensure_ascii=False, sort_keys=True)),
        ):
            # A fixed date: equal models make equal files.
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return whole.getvalue()
