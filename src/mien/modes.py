"""A network's modes, whose parts may differ (norms that are frozen stay in eval mode), and its classes, which may be
inside of a wrapper. Needs no torch."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mien.labels import as_names

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


def unwrapped(model: Any) -> Any:
    """The network inside of what torch.compile, DataParallel and DistributedDataParallel put around one."""
    torch = sys.modules.get("torch")  # whoever holds an nn.Module has imported it
    while torch is not None and isinstance(model, torch.nn.Module):
        around = isinstance(model, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel))
        inside = dict(model.named_children()).get("module" if around else "_orig_mod")
        if inside is None:
            break
        model = inside
    return model


def classes_of(model: Any) -> tuple[str, ...] | None:
    """The classes that a network says it answers for, if they are names."""
    own = getattr(model, "classes", None)
    return as_names(getattr(unwrapped(model), "classes", None) if own is None else own)
