"""Rung 2: a feed-forward network. Hidden layers between pixels and classes, and a bend (ReLU) after each.

Source: the article's second model. Batch normalisation: Ioffe and Szegedy, 2015. Dropout: Srivastava et al., 2014.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from mien.models.registry import register
from mien.models.stem import Normalise, Pixels


@register("feedforward")
class FeedForward(nn.Module):
    """Linear layers with a non-linearity between them; without it they would be one linear layer again."""

    def __init__(
        self,
        *,
        classes: int = 7,
        channels: int = 1,
        size: int = 48,
        hidden: Sequence[int] = (1024, 512),
        batch_norm: bool = True,
        dropout: float = 0.4,
        normalise: Normalise = "image",
    ) -> None:
        super().__init__()
        self.pixels = Pixels(channels, size, normalise)
        layers: list[nn.Module] = []
        width = channels * size * size  # 2304
        for units in hidden:
            layers += [nn.Linear(width, units, bias=not batch_norm)]
            layers += [nn.BatchNorm1d(units)] if batch_norm else []
            layers += [nn.ReLU(inplace=True), nn.Dropout(dropout)]
            width = units
        self.hidden = nn.Sequential(*layers)
        self.linear = nn.Linear(width, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.pixels(pixels).flatten(1)  # (B, 2304)
        return self.linear(self.hidden(x))  # (B, K)
