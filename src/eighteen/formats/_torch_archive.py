"""A .pt2 archive made anew of what an exported program may hold, so that opening it executes nothing.

PyTorch's own loader unpickles sample inputs and marked weights, evaluates the text of symbolic sizes, takes
every operation of PyTorch (`aten.from_file` makes a file), and writes names into source code that it runs. So
a file never reaches it. Its records are read here, every text in them must be one of those
that programs are made of, and what the loader gets is a new archive without samples, guards and stack traces.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from eighteen.core.errors import RunError

NOTES = "metadata.json"
"""What the file says about itself; lies in its folder `extra`."""

_PROGRAM, _SAMPLES = "models/model.json", "data/sample_inputs/model.pt"
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_RECORD = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/(version|serialization_id)"
    r"|data/weights/weight_\d+|data/constants/tensor_\d+"
)
"""Records that hold numbers, and are copied as they are."""

_OPERATIONS = """
abs adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d add add_ addcmul alias amax amin arange
avg_pool2d baddbmm batch_norm bitwise_and bitwise_not bitwise_or bmm broadcast_to cat ceil celu chunk
clamp clamp_ clamp_max clamp_min clone concat constant_pad_nd contiguous conv1d conv2d conv3d cos cumsum
detach div div_ dropout dropout_ einsum elu elu_ embedding eq exp expand expand_as eye feature_dropout
flatten flip floor floor_divide full full_like ge gelu glu group_norm gt hardsigmoid hardsigmoid_
hardswish hardswish_ hardtanh hardtanh_ im2col index index_select instance_norm layer_norm le leaky_relu
leaky_relu_ lift_fresh_copy linalg_vector_norm linear linspace log log2 log_softmax logical_and
logical_not logical_or logical_xor logsumexp lt masked_fill masked_fill_ matmul max max_pool2d maximum
mean meshgrid min minimum mish mish_ mm movedim mul mul_ narrow native_layer_norm ne neg new_full
new_ones new_zeros norm numpy_T ones ones_like pad permute pixel_shuffle pixel_unshuffle pow prelu prod
reciprocal reflection_pad2d relu relu6 relu6_ relu_ remainder repeat repeat_interleave replication_pad2d
reshape reshape_as rms_norm roll round rsqrt rsub scaled_dot_product_attention select sigmoid sigmoid_
sign silu silu_ sin slice softmax softplus split split_with_sizes sqrt square squeeze stack std std_mean
sub sub_ sum sym_size t tanh tanh_ tile to transpose trunc type_as unbind unflatten unfold unsqueeze
upsample_bicubic2d upsample_bilinear2d upsample_nearest2d var var_mean view view_as where zeros
zeros_like __and__ __or__ _assert_scalar _assert_tensor_metadata _softmax _to_copy
_upsample_bicubic2d_aa _upsample_bilinear2d_aa
"""
"""Of ATen: arithmetic on tensors. None of them names a file or calls back."""

_ON_NUMBERS = "add eq floordiv ge getitem gt le lt mod mul ne neg sub truediv"
"""Of Python's operators."""

_AROUND_OTHERS = "torch.ops.higher_order.wrap_with_autocast"
"""Holds a graph, whose operations are checked like the others; a few networks leave autocast in a part."""

_WORD = r"[A-Za-z_][A-Za-z0-9_]*"
_PATH = r"[A-Za-z0-9_.]*"
_CALL = (
    "Symbol|Integer|Rational|Float|Add|Mul|Pow|Max|Min|FloorDiv|CeilDiv|CleanDiv|Mod|PythonMod|"
    "ModularIndexing|PowByNatural|Eq|Ne|Ge|Gt|Le|Lt|And|Or|Not|positive|nonnegative|integer|True|False"
)
_TEXTS: Mapping[str, re.Pattern[str]] = {
    **dict.fromkeys(("name", "as_name", "forward_arg_names"), re.compile(f"(?:{_WORD})?")),
    **dict.fromkeys(("parameter_name", "buffer_name", "tensor_constant_name", "fqn"), re.compile(_PATH)),
    "path_name": re.compile(r"(weight|tensor)_\d+"),
    "expr_str": re.compile(rf"(?:\b(?:{_CALL})\b|'[A-Za-z0-9_]+'|[-0-9.(), =])*"),
    "as_string": re.compile(r"[A-Za-z0-9_ ,.>-]*"),  # how a division rounds, the sums of an einsum
    "type": re.compile(r"cpu|builtins\.(tuple|list|dict)"),  # of devices, and of what holds the answers
    "context": re.compile(r"null|\[\]"),
    "verifiers": re.compile("[A-Z]+"),
    "torch_version": re.compile(r"[\w.+]*"),
}
"""What the text under a key may be; a text under any other key is refused."""

_SPECS = ("in_spec", "out_spec")
"""Texts that are JSON themselves."""

_VALUES = """
as_tensor as_tensors as_nested_tensors as_optional_tensor as_optional_tensors as_none as_name as_expr
as_string as_int as_ints as_float as_floats as_bool as_bools as_sym_int as_sym_ints as_sym_float as_sym_floats
as_sym_bool as_sym_bools as_graph as_scalar_type as_memory_format as_layout as_device
"""
"""Kinds of values. Not among them: operations as values, and objects."""

_IN_ATEN, _IN_PYTHON, _KINDS = (frozenset(words.split()) for words in (_OPERATIONS, _ON_NUMBERS, _VALUES))


def made_anew(path: Path) -> tuple[BytesIO, dict[str, str]]:
    """An archive for `torch.export.load` of what was checked in a file, and what the file says of itself.

    Args:
        path: of a .pt2 file.

    Raises:
        RunError: it is no such archive, or holds what could run code.
    """
    try:
        return _made_anew(path)
    except RunError:
        raise
    # Damaged archives end in errors of many kinds.
    except Exception as error:
        raise RunError(f"{path} cannot be opened by PyTorch ({str(error)[:160]}); export it again") from error


def _made_anew(path: Path) -> tuple[BytesIO, dict[str, str]]:
    records = dict(_records(path))
    documents = {name: json.loads(records.pop(name)) for name in (_PROGRAM, *_CONFIGS)}
    documents[_PROGRAM] = _bare(documents[_PROGRAM])
    notes = dict(json.loads(records.pop(f"extra/{NOTES}", b"{}")))
    records.pop(_SAMPLES, None)
    unknown = sorted(name for name in records if not _RECORD.fullmatch(name))
    strange = [f"the record {name}" for name in unknown] + list(_strange(list(documents.values()), ""))
    if strange:
        raise RunError(
            f"{path} holds what exported programs are not made of ({', '.join(strange[:3])}), and opening it "
            f"could run code; it was not opened. Export the model again with this version, or take another "
            f"format, such as onnx"
        )
    written = {name: json.dumps(document).encode() for name, document in documents.items()}
    return _archive({**records, **written, _SAMPLES: b""}), notes


def _records(path: Path) -> Iterator[tuple[str, bytes]]:
    """By name without the archive's own folder. PyTorch packs nothing, so no record grows beyond the file."""
    with zipfile.ZipFile(path) as archive:
        for record in archive.infolist():
            if record.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its record {record.filename} is packed")
            yield record.filename.partition("/")[2], archive.read(record)


def _bare(value: Any) -> Any:
    """Without what only debuggers read, and without guards, which are source code."""
    if isinstance(value, dict):
        left_out: dict[str, Any] = {"metadata": {}, "guards_code": []}
        return {key: left_out.get(key, _bare(each)) for key, each in value.items()}
    return [_bare(each) for each in value] if isinstance(value, list) else value


def _strange(value: Any, key: str) -> Iterator[str]:
    """What no exported program holds."""
    if isinstance(value, list):
        for each in value:
            yield from _strange(each, key)
    elif isinstance(value, dict):
        for inner, each in value.items():
            known = inner in _KINDS if inner.startswith("as_") else re.fullmatch(_PATH, inner)
            if not known:
                yield f"'{inner[:60]}'"
            yield from _strange(each, inner)
    elif key == "use_pickle" and value is not False:
        yield "pickled weights"
    elif isinstance(value, str):
        yield from _strange_text(value, key)


def _strange_text(text: str, key: str) -> Iterator[str]:
    if key in _SPECS:
        yield from _strange(json.loads(text), key)
    elif key == "target":
        if not _is_arithmetic(text):
            yield f"the operation {text[:60]}"
    elif key not in _TEXTS or not _TEXTS[key].fullmatch(text):
        yield f"'{text[:60]}' as {key}"


def _is_arithmetic(target: str) -> bool:
    package, _, name = target.partition(".")
    if package == "_operator":
        return name in _IN_PYTHON
    # The last part says for which arguments.
    found = re.fullmatch(r"torch\.ops\.aten\.(\w+)\.[A-Za-z]\w*", target)
    return target == _AROUND_OTHERS or (found is not None and found[1] in _IN_ATEN)


def _archive(records: Mapping[str, bytes]) -> BytesIO:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, record in records.items():
            archive.writestr(f"archive/{name}", record)
    content.seek(0)
    return content
