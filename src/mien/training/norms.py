"""The running means and variances of batch normalisation: which of them move, and measuring them anew."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def train_mode(model: nn.Module) -> None:
    """Put the network into train mode, except for frozen norms, whose running means and variances stay as they are."""
    model.train()
    for norm in _norms(model):
        if _frozen(norm):
            norm.eval()


def trained_norms(model: nn.Module) -> list[_BatchNorm]:
    """The norms that see the batch in training."""
    return [norm for norm in _norms(model) if not _frozen(norm)]


def statistics(model: nn.Module) -> list[Tensor]:
    """All buffers of floats, which the running means and variances are."""
    return [buffer for buffer in model.buffers() if buffer.is_floating_point()]


@torch.no_grad()
def measure_(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running means and variances by those of these batches, which must be of one size. Leaves the network
    in eval mode.

    In training they come from augmented faces and from weights that keep changing; in use the network sees faces as
    they are. Source: Wu and Johnson, 2021.
    """
    train_mode(model)
    moving = {norm: norm.momentum for norm in _norms(model) if norm.training and norm.running_mean is not None}
    model.eval()
    uses = dict.fromkeys(moving, 0)

    def count(norm: nn.Module, *_: object) -> None:
        uses[norm] += 1  # type: ignore[index]
        norm.momentum = 1 / uses[norm]  # type: ignore[index,assignment] # torch's None would read from the device

    hooks = [norm.register_forward_pre_hook(count) for norm in moving]
    try:
        for norm in moving:
            norm.train()
        for pixels in batches if moving else ():
            model(pixels)
    finally:
        for hook in hooks:
            hook.remove()
        for norm, momentum in moving.items():
            norm.momentum = momentum
            norm.eval()


def _norms(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


def _frozen(norm: _BatchNorm) -> bool:
    own = list(norm.parameters(recurse=False))
    return bool(own) and not any(parameter.requires_grad for parameter in own)
