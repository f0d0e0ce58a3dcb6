"""A moving average of the weights: smoother than the weights of any one step, and usually better."""

import torch
from torch import nn


@torch.no_grad()
def average_(averaged: nn.Module, live: nn.Module, decay: float, step: int) -> None:
    """Move `averaged` towards `live`, in place: `averaged = d * averaged + (1 - d) * live`.

    d is `decay`, but less in the first steps, `(1 + step) / (10 + step)`, so that the random start is soon forgotten.
    Buffers (the running means of the norms) are averaged too; whole numbers are copied.
    Source: Polyak and Juditsky, 1992.
    """
    keep = min(decay, (1 + step) / (10 + step))
    mine, theirs = averaged.state_dict(keep_vars=True), live.state_dict(keep_vars=True)
    pairs = {id(value): (value, theirs[name]) for name, value in mine.items()}.values()  # tied weights once
    floats = [pair for pair in pairs if pair[0].is_floating_point() or pair[0].is_complex()]
    whole = [pair for pair in pairs if not (pair[0].is_floating_point() or pair[0].is_complex())]
    torch._foreach_lerp_([own for own, _ in floats], [its for _, its in floats], 1 - keep)
    if whole:
        torch._foreach_copy_([own for own, _ in whole], [its for _, its in whole])
