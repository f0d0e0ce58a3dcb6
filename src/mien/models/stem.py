"""The first layer of every network: raw pixels in, normalised numbers out.

It is part of the network, so training, evaluation, ONNX and a browser all send raw pixels and can't disagree.
"""

import warnings
from typing import Literal

import torch
from torch import Tensor, nn

Normalise = Literal["none", "image"]

GRAY = (0.299, 0.587, 0.114)
"""How much red, green and blue add to gray (ITU-R BT.601), as Pillow and OpenCV have it."""


class Pixels(nn.Module):
    """Pixels 0..255, `(B, 1 or 3, H, W)`, uint8 or float -> float32 `(B, channels, h, w)`.

    Args:
        channels: what the network takes: RGB input of a gray network is weighed to gray, gray input of an RGB
            network is repeated.
        size: resize to `size` × `size` where the input has another size; None takes every size as it is.
        normalise: "none" divides by 255, as the article's ToTensor does; "image" gives each face mean 0 and standard
            deviation 1, which takes the light of the scene out of it.
    """

    def __init__(self, channels: int = 1, size: int | None = None, normalise: Normalise = "image") -> None:
        super().__init__()
        if normalise not in ("none", "image"):
            raise TypeError(f"normalise={normalise!r} is neither 'none' nor 'image'")
        self.channels, self.size, self.normalise = channels, size, normalise
        self.looked = False  # at the range of its first pixels
        self.register_buffer("gray", torch.tensor(GRAY).view(1, 3, 1, 1), persistent=False)

    gray: Tensor

    def forward(self, pixels: Tensor) -> Tensor:
        each = not self.training and pixels.device.type == "cpu"  # elsewhere it would wait for the device each time
        if pixels.dtype.is_floating_point and (each or not self.looked) and not torch.compiler.is_compiling():
            self.looked = True
            _warn_of_divided(pixels)
        x = pixels.float() / 255  # (B, C, H, W), 0..1
        if x.shape[1] != self.channels:
            x = (x * self.gray).sum(1, keepdim=True) if self.channels == 1 else x.expand(-1, self.channels, -1, -1)
        if self.size is not None and x.shape[-2:] != (self.size, self.size):
            x = nn.functional.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        if self.normalise == "image":
            mean = x.mean((1, 2, 3), keepdim=True)
            deviation = (x - mean).square().mean((1, 2, 3), keepdim=True).sqrt()
            x = (x - mean) / (deviation + 1e-2)  # 1e-2: a nearly constant image isn't blown up into its noise
        return x


def _warn_of_divided(pixels: Tensor) -> None:
    """Warn of a batch that was divided by 255 already, as ToTensor does: its answers are wrong. A black one is fine."""
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    if tracing or not pixels.numel():
        return  # a graph has no values yet
    try:
        highest, whole = float(pixels.detach().max()), bool((pixels == pixels.round()).all())
    except RuntimeError:  # within torch.func.vmap there is no single value
        return
    if 0 < highest <= 1 and not whole:  # a nearly black face has 0 and 1 alone
        warnings.warn(
            "These pixels are floats of 0 to 1; mien's networks take 0..255 and divide by 255 themselves. Give them "
            "uint8, or multiply by 255.",
            UserWarning,
            stacklevel=2,
        )
