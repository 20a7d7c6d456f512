"""Writes src/eighteen/models/family.json, the table behind `eighteen models`, and its copy in docs/models.md.

Run it after a new timm: `python scripts/family_table.py`. Parameters and multiply-accumulates are counted,
licences and sources come from timm's configurations. Published accuracies cannot be counted: each is a figure
of timm's result tables (results/results-imagenet.csv in huggingface/pytorch-image-models), percent top-1 on
ImageNet's validation pictures at the stated side.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import timm
import torch

from eighteen.models.counting import count_macs, count_parameters
from eighteen.models.family import Relative

REPOSITORY = Path(__file__).resolve().parents[1]
TARGET = REPOSITORY / "src" / "eighteen" / "models" / "family.json"
PAGE = REPOSITORY / "docs" / "models.md"
OPENING, CLOSING = "<!-- family: written by scripts/family_table.py -->\n", "<!-- /family -->\n"

PUBLISHED: tuple[tuple[str, float | None, int | None, str], ...] = (
    ("resnet18.a1_in1k", 73.16, 288, "the page of the network; the weights used by default"),
    ("resnet18.tv_in1k", 69.76, 224, "the page of the network; torchvision's weights"),
    ("resnet18.fb_swsl_ig1b_ft_in1k", 73.28, 224, "the page of the network; weights not for commercial use"),
    ("resnet18d.ra2_in1k", 73.79, 288, "three 3x3 convolutions as stem, pooled shortcuts"),
    ("resnet18d.ra4_e3600_r224_in1k", 76.01, 288, "the same, trained for longer"),
    ("resnetv2_18.ra4_e3600_r224_in1k", 75.36, 288, "norm and activation before the convolutions"),
    ("resnetv2_18d.ra4_e3600_r224_in1k", 76.06, 288, "both; the highest figure at this size"),
    ("resnet34.a1_in1k", 77.92, 288, "blocks (3, 4, 6, 3)"),
    ("resnet50.a1_in1k", 81.21, 288, "bottleneck blocks"),
    ("resnext50_32x4d.a1h_in1k", 82.01, 288, "bottleneck blocks in 32 groups"),
    ("wide_resnet50_2.racm_in1k", 82.28, 288, "bottleneck blocks of twice the width"),
    ("mobilenetv3_small_100.lamb_in1k", 67.66, 224, "smallest; for phones and small boards"),
    ("mobilenetv3_large_100.ra_in1k", 75.77, 224, "an eighth of the computation of resnet18"),
    ("efficientnet_b0.ra_in1k", 77.69, 224, "depthwise convolutions and channel attention"),
    ("tf_efficientnet_lite0.in1k", 74.83, 224, "the same without attention, ReLU6: made for int8"),
    ("convnext_atto.d2_in1k", 77.01, 288, "the smallest ConvNeXt"),
)


def row(name: str, top1: float | None, top1_px: int | None, note: str) -> Relative:
    """One line of the table, counted anew."""
    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False)
    weights = timm.models.get_pretrained_cfg(name)
    input_px = weights.input_size[-1]
    return Relative(
        name=name,
        parameters=count_parameters(model),
        macs=count_macs(model, input_px),
        input_px=input_px,
        top1=top1,
        top1_px=top1_px,
        weights_license=weights.license,
        weights_source=weights.hf_hub_id,
        note=note,
    )


def as_markdown(rows: Sequence[Relative]) -> str:
    """The table as docs/models.md shows it."""
    lines = [
        "| `--model` | parameters, M | MACs, G | input, px | ImageNet top-1, % | licence of the weights | |",
        "|---|---:|---:|---:|---:|---|---|",
    ]
    for each in rows:
        top1 = "" if each.top1 is None else f"{each.top1:.2f} at {each.top1_px}"
        numbers = f"{each.parameters / 1e6:.2f} | {each.macs / 1e9:.2f} | {each.input_px} | {top1}"
        lines.append(f"| `{each.name}` | {numbers} | {each.weights_license or 'not stated'} | {each.note} |")
    return "\n".join(lines) + "\n"


def with_table(page: str, rows: Sequence[Relative]) -> str:
    """The page with the table between its two marks made anew."""
    before, _, rest = page.partition(OPENING)
    _, _, after = rest.partition(CLOSING)
    return before + OPENING + as_markdown(rows) + CLOSING + after


def main() -> None:
    rows = [row(*entry) for entry in PUBLISHED]
    text = json.dumps([dataclasses.asdict(each) for each in rows], indent=1, ensure_ascii=False)
    TARGET.write_text(text + "\n", encoding="utf-8")
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")


if __name__ == "__main__":
    main()
