"""The network on one page: ResNet-18 (He, Zhang, Ren, Sun: Deep Residual Learning, CVPR 2016, table 1).

In goes a batch of pictures `[B, C, H, W]`, out come logits `[B, K]`. A stem makes the picture four times
smaller, four stages of two blocks each halve the sides and double the channels, the mean over the map gives
512 numbers a picture, and one linear layer makes K of them. A block learns only what to add to its input:
that sum is the shortcut, and it is why deep networks train.

Layers: 1 convolution in the stem + 4 stages x 2 blocks x 2 convolutions + 1 linear layer = 18; the three 1x1
convolutions on shortcuts are not counted. A widely copied drawing shows four blocks a stage. That is
`blocks=(4, 4, 4, 4)`: 2 x 16 + 2 = 34 layers and 24.2 million parameters: not ResNet-18, and not the paper's
ResNet-34 either, which is `(3, 4, 6, 3)`: 34 layers too, 21.8 million parameters.

Parts are named as in torchvision and timm, whose resnet18 state dicts load unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from eighteen.core.errors import EighteenError

Stem = Literal["imagenet", "small", "small_pooled"]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and, unless `shortcut` is off, their input added to what they made."""

    drop_path = 0.0
    """Share of the pictures, while training, whose block adds nothing: see `_drop_paths`."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.shortcut = shortcut
        self.downsample: nn.Sequential | None = None
        if shortcut and (stride != 1 or channels_in != channels_out):
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))  # [B, channels_out, h / stride, w / stride]
        y = self.bn2(self.conv2(y))  # the same shape
        if self.training and self.drop_path > 0:
            kept = y.new_empty(len(y), 1, 1, 1).bernoulli_(1 - self.drop_path)
            y = y * kept / (1 - self.drop_path)
        if self.shortcut:
            y = y + (x if self.downsample is None else self.downsample(x))
        return self.relu(y)  # type: ignore[no-any-return]


class ResNet18(nn.Module):
    """ResNet-18 and its nearest variants.

    Args:
        num_classes: K, the number of logits; 1 or more.
        in_channels: channels of the picture: 3 for RGB, 1 for grey, or any other number.
        blocks: blocks in each of the four stages.
        shortcut: False gives the plain network of the paper: the same convolutions, nothing added, and no
            `downsample` parameters.
        stem: `imagenet` (7x7 stride 2 and max pool: sides 4 times smaller) for pictures of about 64 px and
            more; `small` (3x3 stride 1, no pool: sides stay) for pictures of about 32 px; `small_pooled`
            (3x3 stride 1 and 2x2 max pool: sides halve), a quarter of the work of `small`.
        dropout: share of the 512 numbers set to zero before the last layer while training, 0 to below 1.
        drop_path: stochastic depth: share of the pictures for which the last block adds nothing while
            training, 0 to below 1; earlier blocks less, in equal steps from 0 (Huang et al., ECCV 2016).
        width: channels of the first stage; the paper's is 64.

    Raises:
        EighteenError: an option is outside its limits.

    >>> import torch
    >>> ResNet18(num_classes=10, stem="small")(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        blocks: Sequence[int] = (2, 2, 2, 2),
        shortcut: bool = True,
        stem: Stem = "imagenet",
        dropout: float = 0.0,
        drop_path: float = 0.0,
        width: int = 64,
    ) -> None:
        super().__init__()
        counts = {"num_classes": num_classes, "in_channels": in_channels, "width": width}
        _check_options(counts, blocks, stem, {"dropout": dropout, "drop_path": drop_path}, shortcut)
        self.num_classes = num_classes
        self.num_features = 8 * width
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
            self.maxpool: nn.Module = nn.MaxPool2d(3, stride=2, padding=1)
        else:
            self.conv1 = nn.Conv2d(in_channels, width, 3, stride=1, padding=1, bias=False)
            self.maxpool = nn.MaxPool2d(2) if stem == "small_pooled" else nn.Identity()
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(width, width, blocks[0], 1, shortcut)
        self.layer2 = _stage(width, 2 * width, blocks[1], 2, shortcut)
        self.layer3 = _stage(2 * width, 4 * width, blocks[2], 2, shortcut)
        self.layer4 = _stage(4 * width, 8 * width, blocks[3], 2, shortcut)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(8 * width, num_classes)
        _drop_paths(self, drop_path)
        self.apply(_initialise)

    def forward_features(self, x: Tensor) -> Tensor:
        """Map `[B, 512, H / 32, W / 32]` (large stem), `[B, 512, H / 8, W / 8]` (small), or a sixteenth.

        The shapes noted are those of width 64: 224 px with the large stem, then 32 px with the small one.
        """
        x = self.relu(self.bn1(self.conv1(x)))  # [B, 64, 112, 112]  [B, 64, 32, 32]
        x = self.maxpool(x)  # [B, 64, 56, 56]    [B, 64, 32, 32]
        x = self.layer1(x)  # [B, 64, 56, 56]    [B, 64, 32, 32]
        x = self.layer2(x)  # [B, 128, 28, 28]   [B, 128, 16, 16]
        x = self.layer3(x)  # [B, 256, 14, 14]   [B, 256, 8, 8]
        x = self.layer4(x)  # [B, 512, 7, 7]     [B, 512, 4, 4]
        return x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits `[B, K]` of a map; with `pre_logits` the features `[B, 512]` before the last layer."""
        x = self.avgpool(x).flatten(1)  # [B, 512, h, w] -> [B, 512]
        x = self.dropout(x)
        return x if pre_logits else self.fc(x)  # [B, K]

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))  # [B, C, H, W] -> [B, K]

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Which parameters are one layer, low ones first, as timm asks; the head is what is left.

        Rates that fall from layer to layer go by it (`optimizer.layer_decay`).
        """
        return {"stem": r"^(?:conv1|bn1)", "blocks": r"^layer(\d+)" if coarse else r"^layer(\d+)\.(\d+)"}


def _stage(channels_in: int, channels_out: int, blocks: int, stride: int, shortcut: bool) -> nn.Sequential:
    """Blocks in a row; the first one changes the size."""
    first = BasicBlock(channels_in, channels_out, stride, shortcut)
    rest = (BasicBlock(channels_out, channels_out, 1, shortcut) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)


def _drop_paths(network: nn.Module, last: float) -> None:
    """Rates that rise in equal steps from 0 at the first block to `last` at the last one."""
    blocks = [module for module in network.modules() if isinstance(module, BasicBlock)]
    for number, block in enumerate(blocks):
        block.drop_path = last * number / (len(blocks) - 1)


def _initialise(module: nn.Module) -> None:
    """Source: He et al., Delving Deep into Rectifiers, ICCV 2015, backward (fan-out) case.

    BatchNorm keeps torch's start of weight 1 and bias 0, the linear layer its own. The last norm of a block
    starts at 1 too: with 0, as in timm, sign-digits (30 training pictures a class, 48 px, 30 epochs, SGD
    one-cycle) came to 0.963 of 300 held-out pictures instead of 0.977, means of three seeds, lower in each.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _check_options(
    counts: dict[str, int], blocks: Sequence[int], stem: str, shares: dict[str, float], shortcut: bool
) -> None:
    wrong = [f"{name}={value} (1 or more)" for name, value in counts.items() if value < 1]
    if len(blocks) != 4 or min(blocks) < 1:
        wrong.append(f"blocks={tuple(blocks)} (four numbers, each 1 or more)")
    if stem not in get_args(Stem):
        wrong.append(f"stem='{stem}' (one of {', '.join(get_args(Stem))})")
    wrong += [f"{name}={value} (0 to below 1)" for name, value in shares.items() if not 0 <= value < 1]
    if shares["drop_path"] > 0 and not shortcut:
        wrong.append("drop_path without shortcuts (a block that adds nothing would leave nothing)")
    if wrong:
        raise EighteenError(f"resnet18 cannot be built with {'; '.join(wrong)}; change these options")
