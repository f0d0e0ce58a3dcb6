"""Augmentation: a whole batch at once, on its device, from one generator.

One affine warp (mirror, shift, scale, roll) resamples every face once, so that nothing is blurred twice; light, what a
poor camera does (blur, noise) and erasing follow. Source of erasing: Zhong et al., 2020.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from mien.training.recipe import Recipe


def augment(pixels: Tensor, recipe: Recipe, generator: torch.Generator, size: int | None = None) -> Tensor:
    """Change each face of a batch in its own way, as far as `recipe` allows.

    Args:
        pixels: `(B, C, H, W)` uint8 or float, 0..255, H = W.
        recipe: its fields flip, shift, scale, rotate, brightness, contrast, blur, noise and erase.
        generator: where every draw comes from, on the device of `pixels`.
        size: side of the faces to return; None keeps their size. The warp samples at that size at no further cost.

    Returns:
        `(B, C, size, size)` float32, 0..255. Beyond the edges the nearest pixel is repeated.
    """
    x = pixels.float()
    size = size or x.shape[-1]
    if recipe.flip or recipe.shift or recipe.scale or recipe.rotate or size != x.shape[-1]:
        x = warp(x, draw_warps(len(x), recipe, generator), size)
    if recipe.contrast or recipe.brightness:
        change = _uniform(generator, 2, len(x), 1, 1, 1)
        middle = x.mean((1, 2, 3), keepdim=True)
        x = (x - middle) * (1 + recipe.contrast * change[0]) + middle + 255 * recipe.brightness * change[1]
        x = x.clamp(0, 255)
    if recipe.blur:
        x = blur(x, recipe.blur * size * _half(generator, len(x)))
    if recipe.noise:
        spread = 255 * recipe.noise * _half(generator, len(x)).view(-1, 1, 1, 1)
        x = (x + spread * torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)).clamp(0, 255)
    if recipe.erase:
        x = erase(x, recipe.erase, generator)
    return x


def draw_warps(n: int, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """`(n, 2, 3)` float32: for each face the affine map from output to input coordinates, both -1..1.

    Shift, scale and roll are uniform between their bounds; half of the faces are mirrored when `recipe.flip`.
    """
    across, down, scale, roll, mirror = _uniform(generator, 5, n)
    angle = roll * math.radians(recipe.rotate)
    zoom = 1 / (1 + recipe.scale * scale)  # output to input: a face twice as large is read at half the steps
    sign = torch.where(mirror < 0, -1.0, 1.0).to(mirror.dtype) if recipe.flip else torch.ones_like(mirror)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    rows = [cos * sign, -sin, 2 * recipe.shift * across, sin * sign, cos, 2 * recipe.shift * down]
    return torch.stack(rows, 1).view(n, 2, 3)


def warp(x: Tensor, maps: Tensor, size: int) -> Tensor:
    """Resample `(B, C, H, W)` at `size` × `size` through `maps` `(B, 2, 3)`: bilinear, edge pixels repeated."""
    steps = (2 * torch.arange(size, device=x.device, dtype=x.dtype) + 1) / size - 1  # centres of its pixels, -1..1
    across = maps[:, :, 0, None] * steps  # (B, 2, size)
    down = maps[:, :, 1, None] * steps + maps[:, :, 2, None]
    grid = (down[..., None] + across[:, :, None]).permute(0, 2, 3, 1)  # as F.affine_grid's, in a twentieth of its time
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def blur(x: Tensor, sigma: Tensor) -> Tensor:
    """Blur each face of `(B, C, S, S)` by its own Gaussian, `sigma` `(B,)` in pixels; 0 leaves it as it is.

    A blur is a product with a matrix from either side; at the edges only the pixels that exist count.
    """
    at = torch.arange(x.shape[-1], device=x.device)
    near = -(at - at[:, None]).square() / (2 * sigma.square() + 1e-6).view(-1, 1, 1, 1)
    weights = near.softmax(-1)  # (B, 1, S, S)
    return weights @ x @ weights.mT


def erase(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """In a `share` of the faces, fill one rectangle with the face's mean.

    Its sides are 20 to 50 % of the face's, its centre is anywhere, so it may reach over the edge.
    """
    n, _, height, width = x.shape
    draws = torch.rand(5, n, 1, 1, generator=generator, device=x.device, dtype=x.dtype)
    half_height, half_width = (0.1 + 0.15 * draws[0]) * height, (0.1 + 0.15 * draws[1]) * width
    rows = torch.arange(height, device=x.device).view(1, -1, 1)
    columns = torch.arange(width, device=x.device).view(1, 1, -1)
    inside = ((rows - draws[2] * height).abs() < half_height) & ((columns - draws[3] * width).abs() < half_width)
    inside = (inside & (draws[4] < share))[:, None]  # (B, 1, H, W)
    return torch.where(inside, x.mean((1, 2, 3), keepdim=True), x)


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Uniform numbers in -1..1 on the generator's device, float32 whatever torch's default is."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float32) * 2 - 1


def _half(generator: torch.Generator, n: int) -> Tensor:
    """`(n,)`: 0 for half of the faces, uniform in 0..1 for the others."""
    return _uniform(generator, n).clamp(min=0)
