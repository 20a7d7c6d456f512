"""What is particular about SavedModels; what they share with every format is in `test_formats.py`.

The list of what they may hold is tried on stand-ins for TensorFlow's protobuf; with TensorFlow, on files.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from eighteen.core.errors import RunError
from eighteen.formats import _saved_model
from eighteen.formats import tensorflow as tensorflow_format
from eighteen.formats._saved_model import strange_in

NO_FUNC = SimpleNamespace(name="", attr={})


def node(name: str, op: str, *calls: str, among: tuple[str, ...] = ()) -> Any:
    def given(function: Any, functions: list[Any]) -> Any:
        return SimpleNamespace(func=function, list=SimpleNamespace(func=functions))

    found = {name: given(SimpleNamespace(name=name, attr={}), []) for name in calls}
    found["T"] = given(NO_FUNC, [SimpleNamespace(name=name, attr={}) for name in among])
    return SimpleNamespace(name=name, op=op, attr=found)


def function(name: str, *nodes: Any) -> Any:
    return SimpleNamespace(signature=SimpleNamespace(name=name), node_def=list(nodes))


def saved(*more: Any, main: tuple[Any, ...] = (), listed: tuple[str, ...] = ()) -> Any:
    """What `eighteen export` writes, with further functions, operations and names."""
    nodes = [
        node("saver_filename", "Placeholder"),
        node("variable", "VarHandleOp"),
        node("serving", "StatefulPartitionedCall", "answer"),
        node("StatefulPartitionedCall_2", "StatefulPartitionedCall", "save"),
        node("StatefulPartitionedCall_3", "StatefulPartitionedCall", "restore"),
        *main,
    ]
    functions = [
        function("answer", node("a", "Conv2D"), node("b", "Relu")),
        function("save", node("a", "ShardedFilename"), node("b", "SaveV2"), node("c", "MergeV2Checkpoints")),
        function("restore", node("a", "RestoreV2"), node("b", "AssignVariableOp")),
        *more,
    ]
    graph = SimpleNamespace(
        graph_def=SimpleNamespace(node=nodes, library=SimpleNamespace(function=functions)),
        saver_def=SimpleNamespace(
            save_tensor_name="StatefulPartitionedCall_2:0", restore_op_name="StatefulPartitionedCall_3"
        ),
        object_graph_def=SimpleNamespace(concrete_functions={"answer": None, **dict.fromkeys(listed)}),
        HasField=lambda name: name == "object_graph_def",
    )
    return SimpleNamespace(meta_graphs=[graph])


def test_what_exports_are_made_of_is_let_through() -> None:
    assert strange_in(saved()) == []
    assert strange_in(saved(function("more", node("a", "PartitionedCall", "answer")))) == []


@pytest.mark.parametrize(
    "operation",
    [
        *(
            "Save",
            "SaveSlices",
            "SaveV2",
            "RestoreV2",
            "MergeV2Checkpoints",
            "ImmutableConst",
            "TFRecordReader",
        ),
        *(
            "TextLineReader",
            "LoadAndRemapMatrix",
            "DebugIdentityV2",
            "RpcCall",
            "ReadFile",
            "PyFunc",
            "PrintV2",
        ),
        *("AnOperationOfALaterVersion", "ShardedFilename", "answer"),
    ],
)
def test_whatever_is_not_arithmetic_is_strange(operation: str) -> None:
    """In a function and outside; files are for the two functions that save and restore."""
    assert strange_in(saved(function("more", node("a", operation)))) == [operation]
    assert strange_in(saved(main=(node("a", operation),))) == [operation]


@pytest.mark.parametrize(
    "call",
    [
        node("a", "PartitionedCall", "save"),
        node("a", "StatefulPartitionedCall", "restore"),
        node("a", "StatefulPartitionedCall", among=("answer", "save")),
    ],
)
def test_functions_that_use_files_are_called_by_nothing_else(call: Any) -> None:
    wanted = [f"{call.op} of a function that uses files"]
    assert strange_in(saved(function("more", call))) == wanted
    assert strange_in(saved(main=(call,))) == wanted


def test_a_function_that_uses_files_is_no_signature() -> None:
    assert strange_in(saved(listed=("save",))) == ["save, which uses files, among its functions"]


def test_what_is_let_through_is_looked_up_and_not_split_anew_for_each_operation() -> None:
    assert {type(words) for words in (_saved_model._ANYWHERE, _saved_model._IN_SAVERS)} == {frozenset}
    assert {"Conv2D", "SaveV2"} & _saved_model._ANYWHERE == {"Conv2D"}
    assert {"Conv2D", "SaveV2"} <= _saved_model._IN_SAVERS


def test_a_file_without_an_object_graph_is_strange() -> None:
    """TensorFlow would run its operations as in version 1."""
    old = saved()
    old.meta_graphs[0].HasField = lambda name: False
    assert strange_in(old) == strange_in(SimpleNamespace(meta_graphs=[])) == ["no object graph"]
    assert strange_in(SimpleNamespace(meta_graphs=[*saved().meta_graphs, *saved().meta_graphs])) != []


@pytest.mark.skipif(not find_spec("tensorflow"), reason="tensorflow is not installed")
@pytest.mark.parametrize("writes", [False, True])
def test_a_saved_model_that_uses_files_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: bool
) -> None:
    import tensorflow as tf

    class Reaching(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, "image")])
        def answer(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
            if writes:
                tf.raw_ops.SaveV2(
                    prefix=str(tmp_path / "written"),
                    tensor_names=["a"],
                    shape_and_slices=[""],
                    tensors=[image],
                )
                return {"logits": image}
            return {"logits": tf.io.read_file("/etc/hostname")}

    path = tmp_path / "model.savedmodel"
    module = Reaching()
    tf.saved_model.save(module, str(path), {"serving_default": module.answer})
    monkeypatch.setattr(tf.saved_model, "load", lambda *args: pytest.fail("it was loaded"))
    operation = "SaveV2" if writes else "ReadFile"
    with pytest.raises(RunError, match=rf"no exported model holds \({operation}\), .* it was not opened"):
        tensorflow_format.open_files(path, path)
