"""How much memory one forward pass needs: bytes of all tensors that are alive at the same time, at the worst.

In goes a network, out comes a whole number. Nothing is computed for it: the pass runs on torch's `meta`
device, where tensors have a size and no values, and every new storage is counted until it is freed. So the
number is the same on each machine and tells two networks apart exactly. What it leaves out is the scratch
space of the libraries and the program itself; see `_fresh_process.py` for those.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from eighteen.core.inputs import InputSpec


def count_live_bytes(network: nn.Module, inputs: InputSpec, batch_size: int) -> int:
    """Bytes of the network, of a batch and of what is computed from it, where most is alive at once.

    Args:
        network: left as it is.
        inputs: size and channels of the pictures, and whether a mirrored batch is run too.
        batch_size: pictures in the batch, 1 or more.
    """
    shadow = copy.deepcopy(network).to("meta").eval()
    counting = _Counting()
    with torch.no_grad(), counting:
        counting.note([*shadow.parameters(), *shadow.buffers()])
        images = torch.empty(batch_size, inputs.channels, inputs.size, inputs.size, device="meta")
        logits = shadow(images)
        if inputs.mirror_average:
            logits = (logits + shadow(images.flip(-1))) / 2
    return counting.most_bytes


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts storages from the operation that makes them to the moment they are freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0
        self.most_bytes = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        self.note(tree_leaves(made))
        return made

    def note(self, made: Sequence[Any]) -> None:
        for tensor in made:
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage not in self._known:
                    self._known.add(storage)
                    self.bytes += storage.nbytes()
                    weakref.finalize(storage, self._forget, storage.nbytes())
        self.most_bytes = max(self.most_bytes, self.bytes)

    def _forget(self, size_bytes: int) -> None:
        self.bytes -= size_bytes
