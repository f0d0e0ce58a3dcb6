"""Rung 5: the best we know, and its small sibling. A wide, shallow residual network sized for faces of 48 pixels.

What it has over rung 4: squeeze-excitation (Hu et al., 2018), stochastic depth (Huang et al., 2016), downsampling that
averages instead of skipping pixels (Zhang, 2019), a stem that may enlarge the face before it looks, and a second head
that learns another labelling of the same faces (FER+'s votes beside FER2013's labels) and is left out when it answers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mien.models.registry import register
from mien.models.stem import Normalise, Pixels


class Squeeze(nn.Module):
    """Squeeze-excitation: each channel is weighed by what all channels see over the whole face."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(1, width // 8)
        self.weigh = nn.Sequential(nn.Linear(width, inner), nn.ReLU(True), nn.Linear(inner, width), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weigh(x.mean((2, 3)))[:, :, None, None]


class Block(nn.Module):
    """`relu(shortcut(x) + f(x))`; in training `f` is left out for a share `drop` of the faces."""

    def __init__(self, inside: int, width: int, *, shrink: bool, squeeze: bool, drop: float) -> None:
        super().__init__()
        self.drop = drop
        half = [nn.AvgPool2d(2, ceil_mode=True)] if shrink else []
        self.f = nn.Sequential(
            nn.Conv2d(inside, width, 3, 2 if shrink else 1, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        nn.init.zeros_(self.f[4].weight)  # type: ignore[arg-type]  # f(x) = 0 at first: the block passes x through
        if squeeze:
            self.f.append(Squeeze(width))
        across = [nn.Conv2d(inside, width, 1, bias=False), nn.BatchNorm2d(width)] if inside != width else []
        self.shortcut = nn.Sequential(*half, *across)
        self.relu = nn.ReLU(True)

    def forward(self, x: Tensor) -> Tensor:
        added = self.f(x)
        if self.drop and self.training:
            keep = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop
            added = added * keep / (1 - self.drop)
        return self.relu(self.shortcut(x) + added)


@register(
    "flagship_small",  # for small devices and short trainings: 0.67 M parameters, 46 M multiply-adds
    stem=32,
    widths=[32, 96, 192],
    depths=[1, 1, 1],
    stride=2,
    squeeze=[False, True, True],
    drop=0.0,
    dropout=0.2,
)
@register("flagship")
class Flagship(nn.Module):
    """A stem at full size, then stages of residual blocks, each at half the size of the one before.

    Args:
        stem: channels of the first convolution. widths, depths: channels and blocks of each stage.
        enlarge: the side that the face is resized to first; 0 keeps it.
        stride: 1: the first convolution looks at full size, and the larger of its answers are kept; 2: at half of it.
        squeeze: squeeze-excitation in the blocks: of all stages or none, or a list that says it of each.
        drop: stochastic depth of the last block, rising from 0.
        second: classes of the second head; 0 for none. `joint` gives its logits too.
    """

    def __init__(
        self,
        *,
        classes: int = 7,
        channels: int = 1,
        size: int = 48,
        stem: int = 64,
        widths: Sequence[int] = (96, 160, 224),
        depths: Sequence[int] = (2, 2, 2),
        enlarge: int = 0,
        stride: int = 1,
        squeeze: bool | Sequence[bool] = True,
        drop: float = 0.1,
        dropout: float = 0.3,
        second: int = 0,
        normalise: Normalise = "image",
    ) -> None:
        super().__init__()
        if stride not in (1, 2) or not 0 <= drop < 1:
            raise ValueError(f"stride must be 1 or 2 and drop from 0 to less than 1; they are {stride} and {drop}")
        self.pixels = Pixels(channels, enlarge or None, normalise)
        side = 2 * stride + 1
        self.stem = nn.Sequential(
            nn.Conv2d(channels, stem, side, stride, padding=stride, bias=False),  # (B, stem, 48, 48), or 24
            nn.BatchNorm2d(stem),
            nn.ReLU(True),
        )
        if stride == 1:
            self.stem.append(nn.MaxPool2d(2))  # (B, stem, 24, 24)
        squeezed = [squeeze] * len(widths) if isinstance(squeeze, bool) else squeeze
        if not len(widths) == len(depths) == len(squeezed):
            raise ValueError(f"{len(widths)} widths, {len(depths)} depths, squeeze for {len(squeezed)} stages")
        blocks: list[nn.Module] = []
        inside, last = stem, max(1, sum(depths) - 1)
        for stage, (width, depth, squeeze) in enumerate(zip(widths, depths, squeezed, strict=True)):
            for place in range(depth):
                shrink = bool(stage) and not place
                blocks.append(Block(inside, width, shrink=shrink, squeeze=squeeze, drop=drop * len(blocks) / last))
                inside = width
        self.blocks = nn.Sequential(*blocks)  # (B, widths[-1], 6, 6)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(inside, classes)
        self.second = nn.Linear(inside, second) if second else None

    def features(self, pixels: Tensor) -> Tensor:
        """`(B, widths[-1])`: what the heads judge by."""
        return self.dropout(self.blocks(self.stem(self.pixels(pixels))).mean((2, 3)))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.linear(self.features(pixels))  # (B, K)

    def joint(self, pixels: Tensor) -> Tensor:
        """`(B, K + second)`: the logits of both heads, for training."""
        x = self.features(pixels)
        return self.linear(x) if self.second is None else torch.cat([self.linear(x), self.second(x)], 1)
