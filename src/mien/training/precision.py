"""The number type that a training computes in. Weights and the optimiser's state are float32 in any case."""

import warnings

import torch

from mien.training.recipe import Recipe


def number_kind(recipe: Recipe, device: torch.device) -> torch.dtype:
    """The type that a training by `recipe` on `device` computes in: torch.float32, bfloat16 or float16.

    float16 has to be asked for: some GPUs (NVIDIA's GTX 16) give wrong numbers with it.
    """
    if recipe.precision != "auto":
        kind: torch.dtype = getattr(torch, recipe.precision)
        if kind == torch.bfloat16 and device.type == "cuda" and not _has_bfloat16(device):
            warnings.warn(f"{device} has no bfloat16 and emulates it: float16 or float32 is quicker.", stacklevel=2)
        return kind
    return torch.bfloat16 if _has_bfloat16(device) else torch.float32


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())
