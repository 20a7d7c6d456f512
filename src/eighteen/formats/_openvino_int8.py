"""Integers for an OpenVINO network, by NNCF: one scale a channel of the weights, ranges from pictures.

Weights use half of their range, so that processors without VNNI, whose 16-bit sums would overflow, give the
same answers. What surrounds the network (mirror average, calibration) stays in float.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from eighteen.core.artifact import Exportable

_BATCH = 16


def quantised(network: Any, model: Exportable, floats: Sequence[str]) -> Any:
    """The network in integers.

    Args:
        network: an OpenVINO model, `tensor` to `probabilities` and `logits`.
        model: gives pictures.
        floats: names of the operations that stay in float.
    """
    # It writes bars and news to standard output, and warns about PyTorch, which has no part in this.
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        import nncf
        from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        nncf.set_log_level(logging.ERROR)
        tensor = model.inputs.normalised(model.samples())
        parts = [tensor[start : start + _BATCH] for start in range(0, len(tensor), _BATCH)]
        # A layer with a bias becomes two operations: its own name is then that of the addition.
        names = [*floats, *(f"{name}/WithoutBiases" for name in floats)]
        return nncf.quantize(
            network,
            nncf.Dataset(parts),
            subset_size=len(parts),
            preset=nncf.QuantizationPreset.MIXED,
            target_device=nncf.TargetDevice.CPU,
            ignored_scope=nncf.IgnoredScope(names=names, validate=False),
            # Its own ranges are averages over batches, which cut off what one picture alone has.
            advanced_parameters=AdvancedQuantizationParameters(
                overflow_fix=OverflowFix.ENABLE,
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
            ),
        )
