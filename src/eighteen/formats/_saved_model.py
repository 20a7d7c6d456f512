"""What a SavedModel would do when it is opened and asked: a list of all that exports do not.

A SavedModel is a program of operations by name, and TensorFlow has hundreds that read, write or call. So only
arithmetic and the handling of variables are let through. Two functions that every SavedModel brings along
save and restore its variables; they may use files, and so nothing else may call them. The loader looks for
signatures among the functions that the object graph lists; a file without one would be run as of old.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

_ARITHMETIC = """
Abs Add AddN AddV2 AssignVariableOp AvgPool BatchToSpaceND BiasAdd BroadcastArgs BroadcastTo Cast Ceil
ClipByValue Concat ConcatV2 Const Conv2D Cumsum DepthwiseConv2dNative Div DivNoNan Einsum Elu Equal Erf Exp
ExpandDims Fill Floor FloorDiv FloorMod FusedBatchNormV3 GatherV2 Greater GreaterEqual Identity IdentityN
LeakyRelu Less LessEqual Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool Maximum
Mean Min Minimum MirrorPad Mod Mul Neg NoOp NotEqual OnesLike Pack Pad PadV2 PartitionedCall Placeholder Pow
Prod Range RealDiv ReadVariableOp Reciprocal Relu Relu6 Reshape ReverseV2 Rint Round Rsqrt Select SelectV2
Selu Shape Sigmoid Sign Size Slice Softmax Softplus SpaceToBatchND Split SplitV Sqrt Square
SquaredDifference Squeeze StatefulPartitionedCall StopGradient StridedSlice Sub Sum Tanh Tile Transpose
Unpack VarHandleOp VarIsInitializedOp Where ZerosLike
"""
_SAVING = (
    "DisableCopyOnRead MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch StringJoin"
)
_ANYWHERE = frozenset(_ARITHMETIC.split())
_IN_SAVERS = _ANYWHERE | frozenset(_SAVING.split())


def strange_in(saved: Any) -> list[str]:
    """What no exported model holds, sorted; empty where it may be opened.

    Args:
        saved: a `SavedModel`, as its protobuf is read.
    """
    graphs = list(saved.meta_graphs)
    if len(graphs) != 1 or not graphs[0].HasField("object_graph_def"):
        return ["no object graph"]
    return sorted(set(_strange(graphs[0])))


def _strange(graph: Any) -> Iterator[str]:
    saver = graph.saver_def
    keepers = {saver.save_tensor_name.partition(":")[0], saver.restore_op_name}
    keeping = [node for node in graph.graph_def.node if node.name in keepers]
    others = [node for node in graph.graph_def.node if node.name not in keepers]
    savers = {name for node in keeping for name in _called(node.attr)}
    for name in savers & set(graph.object_graph_def.concrete_functions):
        yield f"{name}, which uses files, among its functions"
    yield from _strange_nodes(keeping, set(), _ANYWHERE)
    yield from _strange_nodes(others, savers, _ANYWHERE)
    for function in graph.graph_def.library.function:
        allowed = _IN_SAVERS if function.signature.name in savers else _ANYWHERE
        yield from _strange_nodes(function.node_def, savers, allowed)


def _strange_nodes(nodes: Iterable[Any], not_to_call: Set[str], allowed: Set[str]) -> Iterator[str]:
    for node in nodes:
        # A function may also be called as if its name were an operation.
        if not_to_call & {*_called(node.attr), node.op}:
            yield f"{node.op} of a function that uses files"
        if node.op not in allowed:
            yield node.op


def _called(attributes: Mapping[str, Any]) -> Iterator[str]:
    """Names of the functions that an operation is given."""
    for value in attributes.values():
        for each in (value.func, *value.list.func):
            if each.name:
                yield each.name
                yield from _called(each.attr)
