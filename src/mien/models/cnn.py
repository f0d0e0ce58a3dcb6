"""Rung 3: a convolutional network. Small filters slide over the face, so an eyebrow is an eyebrow wherever it is.

Source: the article's third model, in the plain style of VGG (Simonyan and Zisserman, 2015): 3×3 filters, then halve.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from mien.models.registry import register
from mien.models.stem import Normalise, Pixels


@register("cnn")
class CNN(nn.Module):
    """Stages of 3×3 convolutions; after each stage half the size, and more channels."""

    def __init__(
        self,
        *,
        classes: int = 7,
        channels: int = 1,
        size: int = 48,
        widths: Sequence[int] = (32, 64, 128, 256),
        depths: Sequence[int] = (1, 1, 2, 2),
        dropout: float = 0.3,
        normalise: Normalise = "image",
    ) -> None:
        super().__init__()
        self.pixels = Pixels(channels, None, normalise)
        layers: list[nn.Module] = []
        inside = channels
        for width, depth in zip(widths, depths, strict=True):
            for _ in range(depth):
                layers += [nn.Conv2d(inside, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)]
                inside = width
            layers += [nn.MaxPool2d(2)]  # 48 -> 24 -> 12 -> 6 -> 3
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(inside, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.features(self.pixels(pixels))  # (B, 256, 3, 3)
        x = x.mean((2, 3))  # (B, 256): the mean over all places, so that the input may have any size
        return self.linear(self.dropout(x))  # (B, K)
