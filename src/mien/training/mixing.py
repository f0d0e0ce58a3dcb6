"""Mixup and cutmix: train on blends of two faces, with blended targets."""

import torch
from torch import Tensor
from torch.nn import functional as F

from mien.training.recipe import Recipe


def mix(
    pixels: Tensor,
    targets: Tensor,
    classes: int,
    recipe: Recipe,
    generator: torch.Generator,
    dice: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Blend each face of a batch with another one of it, by mixup or cutmix; with both in `recipe`, one is drawn.

    Mixup (Zhang et al., 2018) adds the two; cutmix (Yun et al., 2019) puts a rectangle of one into the other.

    Args:
        pixels: `(B, C, H, W)` float. targets: `(B,)` int64 or `(B, K)` float.
        generator: on the device of `pixels`; which face goes with which is drawn from it.
        dice: on the CPU, possibly the same one; how much of each is drawn from it, since reading such a number from a
            GPU would wait for all of its queued work.

    Returns:
        The blended pixels and `(B, K)` float targets; both unchanged when the recipe mixes nothing.
    """
    if not (recipe.mixup or recipe.cutmix):
        return pixels, targets
    shares = targets if targets.ndim == 2 else F.one_hot(targets, classes).float()
    order = torch.randperm(len(pixels), generator=generator, device=pixels.device)
    coin, across, down = torch.rand(3, generator=dice, device="cpu", dtype=torch.float32).tolist()
    cut = bool(recipe.cutmix) and (not recipe.mixup or coin < 0.5)
    keep = _beta(recipe.cutmix if cut else recipe.mixup, dice)
    if cut:
        height, width = pixels.shape[-2:]
        side = (1 - keep) ** 0.5
        rows = slice(*(round(min(max(down + half * side, 0), 1) * height) for half in (-0.5, 0.5)))
        columns = slice(*(round(min(max(across + half * side, 0), 1) * width) for half in (-0.5, 0.5)))
        pixels = pixels.clone()
        pixels[..., rows, columns] = pixels[..., rows, columns][order]
        keep = 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
    else:
        pixels = keep * pixels + (1 - keep) * pixels[order]
    return pixels, keep * shares + (1 - keep) * shares[order]


def _beta(alpha: float, dice: torch.Generator) -> float:
    """One draw from Beta(alpha, alpha), as a ratio of two Gamma draws."""
    alphas = torch.full((2,), alpha, device="cpu", dtype=torch.float32)
    first, second = torch._standard_gamma(alphas, generator=dice).tolist()
    return float(first / max(first + second, 1e-12))
