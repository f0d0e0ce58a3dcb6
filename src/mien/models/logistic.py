"""Rung 1: logistic regression. One weight for each pixel and class; the whole model is one matrix.

Source: the article's first model; its idea is Cox's, 1958.
"""

from torch import Tensor, nn

from mien.models.registry import register
from mien.models.stem import Normalise, Pixels


@register("logistic")
class Logistic(nn.Module):
    """Each class has one picture of weights; a face scores by how well it matches each picture."""

    def __init__(self, *, classes: int = 7, channels: int = 1, size: int = 48, normalise: Normalise = "image") -> None:
        super().__init__()
        self.pixels = Pixels(channels, size, normalise)
        self.linear = nn.Linear(channels * size * size, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.pixels(pixels).flatten(1)  # (B, 2304)
        return self.linear(x)  # (B, K)
