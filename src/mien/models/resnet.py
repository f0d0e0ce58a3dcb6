"""Rung 4: a residual network, sized for faces of 48 pixels.

Each block learns what to add to its input rather than a new picture of it, so deeper isn't harder to train.
Source: He et al., 2016 (residual blocks); He et al., 2019 (average pooling on the short cut, zero start of the last
norm in each block).
"""

from collections.abc import Sequence

from torch import Tensor, nn

from mien.models.registry import register
from mien.models.stem import Normalise, Pixels


class Block(nn.Module):
    """Two 3×3 convolutions and the input added back: `relu(x + f(x))`."""

    def __init__(self, inside: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.f = nn.Sequential(
            nn.Conv2d(inside, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        nn.init.zeros_(self.f[4].weight)  # type: ignore[arg-type]  # f(x) = 0 at first: the block passes x through
        self.shortcut = nn.Sequential()  # x as it is, where shapes allow
        if stride != 1:
            self.shortcut.append(nn.AvgPool2d(stride, ceil_mode=True))
        if inside != width:
            self.shortcut.extend([nn.Conv2d(inside, width, 1, bias=False), nn.BatchNorm2d(width)])
        self.relu = nn.ReLU(True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.shortcut(x) + self.f(x))


@register("resnet")
class ResNet(nn.Module):
    """A stem at 48 px, then stages of residual blocks at 24, 12 and 6 px."""

    def __init__(
        self,
        *,
        classes: int = 7,
        channels: int = 1,
        size: int = 48,
        stem: int = 32,
        widths: Sequence[int] = (48, 96, 192),
        depths: Sequence[int] = (1, 2, 2),
        dropout: float = 0.3,
        normalise: Normalise = "image",
    ) -> None:
        super().__init__()
        self.pixels = Pixels(channels, None, normalise)
        self.stem = nn.Sequential(
            nn.Conv2d(channels, stem, 3, padding=1, bias=False),  # (B, 32, 48, 48)
            nn.BatchNorm2d(stem),
            nn.ReLU(True),
            nn.MaxPool2d(2),  # (B, 32, 24, 24)
        )
        blocks: list[nn.Module] = []
        inside = stem
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for place in range(depth):
                blocks.append(Block(inside, width, 2 if stage and not place else 1))
                inside = width
        self.blocks = nn.Sequential(*blocks)  # (B, 192, 6, 6)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(inside, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.blocks(self.stem(self.pixels(pixels)))
        return self.linear(self.dropout(x.mean((2, 3))))  # (B, K)
