"""What a network costs: parameters and multiply-adds, layer by layer."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from mien.modes import in_eval_mode, unwrapped
from mien.tables import text_table

COLUMNS = ("layer", "kind", "shape it gives", "parameters", "multiply-adds")


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

    def rows(self) -> list[tuple[str, ...]]:
        """Cells for people, of each layer and of all, under `COLUMNS`."""
        layers = [
            (layer.name, layer.kind, "×".join(map(str, layer.shape)), f"{layer.parameters:,}", f"{layer.macs:,}")
            for layer in self.layers
        ]
        return [*layers, ("all", "", "", f"{self.parameters:,}", f"{self.macs:,}")]

    def __str__(self) -> str:
        return "\n".join(text_table(COLUMNS, self.rows(), left=2))

    def __repr__(self) -> str:
        return f"Summary({len(self.layers)} layers, {self.parameters:,} parameters, {self.macs:,} multiply-adds)"


def summarise(model: nn.Module) -> Summary:
    """Run one empty face through `model` and count; `print` shows what comes back as a table.

    Multiply-adds are those of convolutions, linear layers and attention's projections for one face; norms, activations
    and pooling, a few percent beside them, aren't counted, as is usual, nor are attention's products of what layers
    gave. Layers of any other kind, recurrent ones among them, count as 0.

    >>> from mien.models import create_model
    >>> summarise(create_model("logistic")).macs == 48 * 48 * 7
    True
    """
    layers: list[Layer] = []

    def record(name: str, module: nn.Module, given: Any, output: Any) -> None:
        weights = sum(p.numel() for p in module.parameters(recurse=False))
        shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
        layers.append(Layer(name, type(module).__name__, shape, weights, _macs(module, given, output)))

    parts = [
        (name, module)
        for name, module in model.named_modules()
        if not list(module.children()) or list(module.parameters(recurse=False))
    ]
    handles = [module.register_forward_hook(partial(record, name)) for name, module in parts]
    options: Any = getattr(unwrapped(model), "options", {})
    size, channels = options.get("size", 48), options.get("channels", 1)
    parameter = next(model.parameters(), None)
    device = "cpu" if parameter is None else parameter.device
    try:
        with torch.no_grad(), in_eval_mode(model):  # not inference_mode, as in `mien.evaluation.scores`
            model(torch.zeros(1, channels, size, size, dtype=torch.uint8, device=device))
    finally:
        for handle in handles:
            handle.remove()
    return Summary(tuple(layers), sum(p.numel() for p in model.parameters()), sum(layer.macs for layer in layers))


def _macs(module: nn.Module, given: Any, output: Any) -> int:
    """The multiply-adds of a layer for one face: its weights times the places, or tokens, that they are used for."""
    if isinstance(module, _ConvNd):
        filtered: Tensor = given[0] if module.transposed else output
        return module.weight.numel() * filtered.shape[2:].numel()
    if isinstance(module, nn.Linear):
        return module.weight.numel() * output.shape[:-1].numel()
    if isinstance(module, nn.MultiheadAttention):  # whose linear layer isn't called as one
        projections = sum(p.numel() for p in module.parameters() if p.ndim == 2)
        return projections * output[0].shape[:-1].numel()
    return 0
