"""Train and eval mode of a network, whose parts may differ: norms that are frozen stay in eval mode. Needs no torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def in_eval_mode(model: "nn.Module") -> Iterator[None]:
    """Put the network into eval mode for a while; after it every module is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training
