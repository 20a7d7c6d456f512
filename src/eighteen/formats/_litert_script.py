"""Runs in the converter's environment, as a program of its own: `python _litert_script.py FOLDER PRECISION`.

The folder holds `model.pt2` and `bare.pt2`, made by torch.export, and with int8 `samples.safetensors` with
an array for each of them. Each becomes a `.tflite` file beside it. Nothing of eighteen is imported here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ENTRIES = ("model", "bare")


def main(folder: Path, precision: str) -> None:
    for entry in ENTRIES:
        plain = folder / f"{entry}.fp32.tflite"
        _convert(folder / f"{entry}.pt2", plain)
        target = folder / f"{entry}.tflite"
        if precision == "fp32":
            plain.rename(target)
        elif precision == "fp16":
            _half(plain, target)
        else:
            _integers(plain, target, folder / "samples.safetensors", entry)


def _convert(source: Path, target: Path) -> None:
    import litert_torch
    import torch

    program = torch.export.load(source)
    arguments, _ = program.example_inputs
    litert_torch.convert(program.module(), arguments).export(str(target))


def _half(source: Path, target: Path) -> None:
    """Weights in half precision, brought back to float32 when the model is loaded."""
    from ai_edge_quantizer import qtyping, quantizer

    quantiser = quantizer.Quantizer(str(source))
    quantiser.update_quantization_recipe(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(
                num_bits=16, dtype=qtyping.TensorDataType.FLOAT
            ),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        algorithm_key=quantizer.AlgorithmName.FLOAT_CASTING,
    )
    quantiser.quantize().export_model(str(target))


def _integers(source: Path, target: Path, samples: Path, entry: str) -> None:
    """Eight-bit integers throughout: a scale for each channel of the weights, ranges of activations from
    samples. Pictures keep a step of exactly one, so that their integers are pixels less 128.

    Ranges hold all values that were seen. The quantiser's own are what a picture usually has: beyond them
    logits are cut off, and a ResNet-18's are 75 times as far (mean square) from those in floats.
    """
    from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe_manager
    from ai_edge_quantizer.utils import qsv_utils
    from safetensors.numpy import load_file

    quantiser = quantizer.Quantizer(str(source))
    quantiser.add_static_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        activation_num_bits=8,
        weight_num_bits=8,
    )
    name, tensor = _input(source)
    rows = load_file(samples)[entry]
    recipes = recipe_manager.RecipeManager()
    recipes.load_quantization_recipe(quantiser.get_quantization_recipe())
    watching = calibrator.Calibrator(str(source), qsv_update_func=qsv_utils.min_max_update)
    watching.calibrate({"serving_default": [{name: row[None]} for row in rows]}, recipes)
    ranges: Any = watching.get_model_qsvs()
    if entry == "model":
        for end, value in (("min", 0.0), ("max", 255.0)):
            ranges[tensor][end][...] = value
    quantiser.quantize(ranges).export_model(str(target))


def _input(path: Path) -> tuple[str, str]:
    """Of the model's signature: its one input, and the tensor behind it."""
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(str(path)).get_signature_runner().get_input_details()
    ((name, detail),) = details.items()
    return name, detail["name"]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
