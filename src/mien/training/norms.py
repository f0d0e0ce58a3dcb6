"""The running means and variances of batch normalisation: which of them move, and measuring them anew."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def train_mode(model: nn.Module) -> None:
    """Put the network into train mode, but for the norms that are frozen: their running means stay what they were."""
    model.train()
    for norm in _norms(model):
        if _frozen(norm):
            norm.eval()


def statistics(model: nn.Module) -> list[Tensor]:
    """The running means and variances."""
    return [buffer for buffer in model.buffers() if buffer.is_floating_point()]


@torch.no_grad()
def measure_(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Put in place of the running means and variances those of these batches, whose sizes are equal. Leaves the network
    in eval mode.

    While a network is trained they are those of moved, half erased faces and of weights that change; what it is asked
    about later are faces as they are. Source: Wu and Johnson, 2021.
    """
    model.eval()
    moving = [norm for norm in _norms(model) if norm.running_mean is not None and not _frozen(norm)]
    had = [norm.momentum for norm in moving]
    for norm in moving:
        norm.train()
    for number, pixels in enumerate(batches) if moving else ():
        for norm in moving:
            norm.momentum = 1 / (number + 1)  # torch's own None would read a count from the device
        model(pixels)
    for norm, momentum in zip(moving, had, strict=True):
        norm.momentum = momentum
        norm.eval()


def _norms(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


def _frozen(norm: _BatchNorm) -> bool:
    own = list(norm.parameters(recurse=False))
    return bool(own) and not any(parameter.requires_grad for parameter in own)
