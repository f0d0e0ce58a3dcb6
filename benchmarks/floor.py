"""The floor of training: the least time in which this chip could do the work of a network's layers.

    python benchmarks/floor.py            # every network of mien, on this machine's fastest device
    python benchmarks/floor.py cnn --device cpu --threads 1

For each layer it is the larger of its multiply-adds over the measured rate of matrix products and its bytes over the
measured bandwidth, for the way there (once) and back (twice, as each layer gives gradients for its input and its
weights). `training.py` says how far from it training is. torch.compile may fuse a layer's passes over memory with
another's, and so beat this floor.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import mien
from mien.training.device import pick_device
from mien.training.precision import number_kind as kind_of

CALLS = 10
"""Calls on a GPU that are timed as one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="*", default=mien.list_models())
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = pick_device(given.device)
    kind, batch = number_kind(device), batch_on(device)
    products, bandwidth = matrix_rate(kind, device), memory_rate(device)
    print(f"torch {torch.__version__}, {device}, {given.threads} thread(s); {told(kind, products, bandwidth)}")
    for name in given.model:
        model = mien.create_model(name, **mien.recipe(name).options)
        rate = 1 / floor_seconds(model, 48, products, bandwidth, kind.itemsize, batch)
        print(f"{name:16s} {rate:12,.0f} faces/s at most, in batches of {batch}")


def batch_on(device: torch.device) -> int:
    """Faces in a batch: a GPU is done with 128 before the next kernels are launched."""
    return 512 if device.type == "cuda" else 128


def number_kind(device: torch.device) -> torch.dtype:
    """What recipes compute with there."""
    return kind_of(mien.recipe("resnet"), device)


def told(kind: torch.dtype, products: float, bandwidth: float) -> str:
    """The two rates in words."""
    return f"matrix products in {kind}: {products / 1e9:,.0f} G multiply-adds/s; memory: {bandwidth / 1e9:.1f} GB/s"


def floor_seconds(model: nn.Module, side: int, products: float, bandwidth: float, width: int, batch: int) -> float:
    """The least seconds for one face, there and back, in batches of so many, for each of which weights are read once.

    `side` is a face's height and width in pixels, `products` in multiply-adds/s, `bandwidth` in bytes/s, `width` the
    bytes of a number.
    """
    spent = 0.0

    def count(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal spent
        weights = sum(parameter.numel() for parameter in layer.parameters())
        work = 0.0
        if isinstance(layer, nn.Conv2d):
            work = layer.weight.numel() * out.shape[2] * out.shape[3] / layer.groups
        elif isinstance(layer, nn.Linear):
            work = layer.weight.numel()
        moved = width * (given[0].numel() + out.numel() + weights / batch)
        spent += 3 * max(work / products, moved / bandwidth)

    hooks = [layer.register_forward_hook(count) for layer in model.modules() if not list(layer.children())]
    with torch.inference_mode():
        model.eval()(torch.zeros(1, 1, side, side))
    for hook in hooks:
        hook.remove()
    return spent


def matrix_rate(kind: torch.dtype, device: torch.device) -> float:
    """Multiply-adds a second of large matrix products, the best of a few sizes."""
    best = 0.0
    for side in (1024, 2048) if device.type == "cpu" else (4096, 8192):
        a, b = (torch.randn(side, side, dtype=torch.float32, device=device).to(kind) for _ in range(2))
        best = max(best, side**3 / quickest(lambda a=a, b=b: a @ b, device))
    return best


def memory_rate(device: torch.device) -> float:
    """Bytes a second of a large copy, read and written."""
    source = torch.zeros(64_000_000 if device.type == "cpu" else 512_000_000, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * len(source) / quickest(lambda: target.copy_(source), device)


def quickest(work: Callable[[], Any], device: torch.device, times: int = 8) -> float:
    """Seconds of a call, the least of several times. On a GPU without its launch, which others hide."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return min(between_events(work) for _ in range(times))
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return min(spent)


def between_events(work: Callable[[], Any]) -> float:
    """Seconds of a call of `CALLS` in a row, by the GPU's own clock."""
    began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    work()  # the calls after it are launched while it runs
    began.record()
    for _ in range(CALLS):
        work()
    ended.record()
    ended.synchronize()
    return began.elapsed_time(ended) / 1000 / CALLS


if __name__ == "__main__":
    main()
