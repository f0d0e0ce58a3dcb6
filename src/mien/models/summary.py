"""What a network costs: parameters and multiply-adds, layer by layer."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """One layer: its name in the network, its kind, the shape it gives (without the batch), and its cost."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True)
class Summary:
    """All layers of a network that hold weights or change shapes, and the sums."""

    layers: tuple[Layer, ...]
    parameters: int
    macs: int


def summarise(model: nn.Module) -> Summary:
    """Run one empty face through `model` and count.

    Multiply-adds are those of convolutions and linear layers for one face; norms, activations and pooling, a few
    percent beside them, aren't counted, as is usual.

    >>> from mien.models import create_model
    >>> summarise(create_model("logistic")).macs == 48 * 48 * 7
    True
    """
    layers: list[Layer] = []

    def hook(name: str) -> Any:
        def record(module: nn.Module, _: Any, output: Tensor) -> None:
            weights = sum(p.numel() for p in module.parameters())
            shape = tuple(output.shape[1:])
            macs = 0
            if isinstance(module, nn.Conv2d):
                macs = module.weight.numel() * shape[1] * shape[2]
            elif isinstance(module, nn.Linear):
                macs = module.weight.numel()
            layers.append(Layer(name, type(module).__name__, shape, weights, macs))

        return record

    leaves = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(hook(name)) for name, module in leaves]
    training = model.training
    options: Any = getattr(model, "options", {})
    size, channels = options.get("size", 48), options.get("channels", 1)
    device = next(model.parameters()).device
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, channels, size, size, dtype=torch.uint8, device=device))
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return Summary(tuple(layers), sum(p.numel() for p in model.parameters()), sum(layer.macs for layer in layers))
