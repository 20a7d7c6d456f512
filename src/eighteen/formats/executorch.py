"""ExecuTorch: one file for phones and boards, computed by XNNPACK, with two entries and its own description.

`forward` takes one uint8 RGB picture of any size up to a bound, for which memory is planned; `bare` takes the
normalised tensors of several. Both answer with probabilities and logits, and share their weights in the file.
A picture beyond the bound is fitted outside, as `predict.py` in the bundle does, and goes to `bare`.

Methods without arguments give the metadata: `classes`, `input_spec` and so on, each a string.

int8: the XNNPACK quantiser, one scale a channel of the weights, ranges of activations from training pictures.
The network alone is quantised; preparation, mirror average, calibration and softmax stay float32.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eighteen.core import store
from eighteen.core.artifact import Exportable, Files, Opened
from eighteen.core.errors import CannotKeepError, RunError
from eighteen.core.inputs import InputSpec
from eighteen.formats._opening import Run, open_described

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn
    from torch.export import ExportedProgram

PRECISIONS = ("fp32", "int8")
NEEDS = ("executorch", "torchao")
KEEPS_LAYERS = True
"""Layers in `Exportable.kept` stay in float when the others become integers."""

MODEL = "model.pte"
PICTURE, TENSOR = "forward", "bare"

MOST_SIDE_PX = 2048
"""Of a picture that the file fits itself: it plans 100 MB for one, and four times that for twice the side."""

MOST_TENSORS = 32

_OUTSIDE = (
    "pictures with a side above {side} px are fitted to the network's size first, as fitted() in predict.py "
    "does, and go to the method 'bare' as tensors. 'forward' takes one picture a call, 'bare' up to "
    "{tensors} tensors."
)


def write(model: Exportable, folder: Path, precision: str) -> Files:
    """Writes `model.pte`.

    Args:
        model: what to write.
        folder: exists, and is empty.
        precision: of `PRECISIONS`.

    Raises:
        CannotKeepError: XNNPACK has no program in which these layers are in float and the others in integers.
    """
    with _exporters_warnings_away():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
        from executorch.exir.passes import MemoryPlanningPass

        programs = _programs(model if precision == "fp32" else replace(model, network=_quantised(model)))
        try:
            edge = to_edge_transform_and_lower(
                programs,
                partitioner={name: [XnnpackPartitioner()] for name in programs},
                constant_methods=dict(model.metadata),
            )
        except RuntimeError as error:
            if not model.kept:
                raise
            raise CannotKeepError(f"XNNPACK does not take this mixture ({str(error)[:160]})") from error
        # The caller's own memory is read: a picture is not copied first.
        planning = MemoryPlanningPass(alloc_graph_input=False)
        lowered = edge.to_executorch(ExecutorchBackendConfig(memory_planning_pass=planning))
    store.write_bytes(folder / MODEL, lowered.buffer)
    plans = lowered.executorch_program.execution_plan
    planned = {plan.name: sum(plan.non_const_buffer_sizes) for plan in plans if plan.name in programs}
    outside = _OUTSIDE.format(side=_most_side(model.inputs), tensors=MOST_TENSORS)
    return Files(MODEL, MODEL, outside, {"planned_memory_bytes": planned})


def open_files(model: Path, bare: Path, threads: int = 0) -> Opened:
    """The file in ExecuTorch's own runtime.

    Args:
        model: takes pictures.
        bare: not used: the model holds both entries.
        threads: of XNNPACK, in the whole process; 0 lets it choose.

    Raises:
        RunError: the file is missing, damaged, or carries no description of its inputs.
    """
    return open_described(model, model, lambda path: _loaded(path, threads))


def _programs(model: Exportable) -> dict[str, ExportedProgram]:
    """Both entries, as programs of torch.export with bounded sides."""
    import torch
    from torch import nn
    from torch.export import Dim

    from eighteen.models.answering import WithProbabilities
    from eighteen.models.preparing import Preparing

    inputs, most = model.inputs, _most_side(model.inputs)
    answering = WithProbabilities(model)
    whole = nn.Sequential(Preparing(inputs), answering).eval()
    # The largest batch as example: lowering would take a smaller one for a sign that all are small.
    tensors = torch.zeros(MOST_TENSORS, inputs.channels, inputs.size, inputs.size)
    picture = torch.zeros(1, 48, 40, 3, dtype=torch.uint8)
    rows = {0: Dim("N", min=1, max=MOST_TENSORS)}
    sides = {axis: Dim(name, min=1, max=most) for axis, name in ((1, "H"), (2, "W"))}
    with torch.no_grad():
        return {
            TENSOR: torch.export.export(answering, (tensors,), dynamic_shapes=(rows,)),
            PICTURE: torch.export.export(whole, (picture,), dynamic_shapes=(sides,)),
        }


def _most_side(inputs: InputSpec) -> int:
    return max(MOST_SIDE_PX, inputs.size)


def _quantised(model: Exportable) -> nn.Module:
    """The network with 8-bit weights and activations, ranges from training pictures."""
    import torch
    from torch.export import Dim
    from torchao.quantization import pt2e
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    fitted, inputs = model.samples(), model.inputs
    example = torch.zeros(2 * MOST_TENSORS, inputs.channels, inputs.size, inputs.size)
    quantizer = _quantizer()
    quantizer.set_filter_function(lambda node: not _modules_of(node) & set(model.kept))
    with torch.no_grad():
        rows = {0: Dim("N", min=1, max=2 * MOST_TENSORS)}
        program = torch.export.export(model.network, (example,), dynamic_shapes=(rows,))
        observed = prepare_pt2e(program.module(), quantizer)
        for start in range(0, len(fitted), MOST_TENSORS):
            observed(torch.from_numpy(inputs.normalised(fitted[start : start + MOST_TENSORS])))
        network: nn.Module = convert_pt2e(observed)
    pt2e.allow_exported_model_train_eval(network)
    return network


def _quantizer() -> Any:
    """XNNPACK's own, one scale a channel of the weights, but ranges are measured behind ReLU6 as behind ReLU.

    It rounds what goes into a ReLU6 by the range of those values, of which the network uses 0 to 6 alone: a
    few of the 255 steps. XNNPACK clamps in the convolution itself, so that nothing is rounded in between.
    """
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer as xnnpack
    from torch import ops
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY as NOTE

    convolutions = {ops.aten.conv2d.default}
    clamps = {ops.aten.hardtanh.default, ops.aten.hardtanh_.default}

    class BehindReLU6(xnnpack.XNNPACKQuantizer):  # type: ignore[misc]
        def annotate(self, model: Any) -> Any:
            model = super().annotate(model)
            for node in model.graph.nodes:
                if node.target not in clamps:
                    continue
                layer = node.args[0]
                before = layer.meta.get(NOTE)
                if layer.target not in convolutions or before is None or len(layer.users) > 1:
                    continue
                node.meta[NOTE] = QuantizationAnnotation(output_qspec=before.output_qspec, _annotated=True)
                before.output_qspec = None
            return model

    return BehindReLU6().set_global(xnnpack.get_symmetric_quantization_config(is_per_channel=True))


def _modules_of(node: Any) -> set[str]:
    """Names of the network's modules that a node of its graph belongs to."""
    return {name.removeprefix("L['self'].") for name, _ in node.meta.get("nn_module_stack", {}).values()}


def _loaded(path: Path, threads: int) -> tuple[Run, Mapping[str, str]]:
    """Bytes are a picture, floats are tensors."""
    with _exporters_warnings_away():
        import torch
        from executorch.extension.pybindings import portable_lib
        from executorch.runtime import Runtime

    if threads:
        portable_lib._unsafe_reset_threadpool(threads)
    try:
        program = Runtime.get().load_program(path)
        names = sorted(program.method_names)
    except RuntimeError as error:
        raise RunError(f"{path} cannot be opened by ExecuTorch ({error}); export it again") from error
    said = (name for name in names if name not in (PICTURE, TENSOR))
    notes = {name: program.load_method(name).execute([])[0] for name in said}
    method = cache(program.load_method)

    def logits(name: str, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        return np.asarray(method(name).execute([torch.from_numpy(values)])[1].numpy(), np.float32)

    def run(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        if values.dtype == np.uint8:
            if max(values.shape[1:3]) <= program.metadata(PICTURE).input_tensor_meta(0).sizes()[1]:
                return np.concatenate([logits(PICTURE, values[row : row + 1]) for row in range(len(values))])
            inputs = InputSpec.from_json(loads(notes["input_spec"]))
            values = inputs.normalised(inputs.fitted_batch(list(values)))
        parts = range(0, len(values), MOST_TENSORS)
        return np.concatenate([logits(TENSOR, values[start : start + MOST_TENSORS]) for start in parts])

    return run, notes


@contextmanager
def _exporters_warnings_away() -> Iterator[None]:
    """Theirs are about their own internals."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
