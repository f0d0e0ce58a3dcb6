"""A trained network as an ONNX file, compared with PyTorch before it is put in place."""

import copy
import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import skip_init

from mien.cards import Card, checksum
from mien.errors import CheckpointError, DataError, check_kind, first_line
from mien.external import refer
from mien.files import replacing
from mien.models.stem import Pixels
from mien.modes import classes_of, unwrapped
from mien.net import BESIDE, METADATA, WEIGHTS, Net
from mien.prior import Prior, odds

OPSET = 18
"""The ONNX operator set that PyTorch's exporter writes without conversion."""

TOLERANCE = 1e-4
"""How far a probability may be from PyTorch's; ten times as far for a picture without any contrast, where normalising
divides rounding errors by almost nothing."""


class Probabilities(nn.Module):
    """Pixels -> softmax(logits / temperature + log odds): what the ONNX file answers with.

    `odds` `(K,)` are how much more frequent each class is than in training; None: as frequent.
    """

    log_odds: Tensor | None

    def __init__(self, model: nn.Module, temperature: float, odds: Tensor | None = None) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature
        self.register_buffer("log_odds", None if odds is None else odds.log().float())

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.model(pixels)
        scaled = logits.float() / self.temperature
        return (scaled if self.log_odds is None else scaled + self.log_odds).softmax(1)


def export_onnx(
    model: nn.Module,
    path: str | os.PathLike[str],
    card: Card,
    faces: NDArray[np.uint8] | None = None,
    *,
    beside: bool = False,
    prior: Prior | None = None,
) -> None:
    """Write a network and its card to one ONNX file that `mien.net.Net` runs.

    The graph takes `pixels`, uint8 `(B, C, H, W)` of `card.input_shape` with B free, and gives `probabilities`,
    float32 `(B, K)`: the softmax of the logits divided by `card.temperature`. The card stands in the file's metadata,
    with the labels beside it as a JSON list for programs that know nothing of mien. `model` stays as it is.

    Args:
        faces: `(N, C, H, W)` or gray `(N, H, W)` uint8, to compare on, besides noise, black, gray and white.
        beside: take the weights from the `weights.safetensors` in the same folder, which holds this network's in fp16,
            instead of holding them once more; the file is then of no use without that one.
        prior: the file answers for this one, as `Net` takes it, wherever it runs; its card then has it.

    Raises:
        CheckpointError: the model doesn't fit the card (other classes than the network's, or in another order), or the
            file doesn't answer as PyTorch does (every probability within 1e-4, for pictures of one shade within 1e-3);
            `path` is then left as it was. Or a prior is given, and the card doesn't say what the network learned.
        DataError: `faces` aren't such an array, or a prior that can't be.
    """
    check_kind(card, Card, CheckpointError, "A network is written with its Card: mien.load_run gives both.")
    known = classes_of(model) or card.classes
    if known != card.classes and set(known) == set(card.classes):  # other names may be a translation
        raise CheckpointError(
            f"The network answers for {', '.join(known)}, in this order; its card has {', '.join(card.classes)}."
        )
    twin, more = copy.deepcopy(unwrapped(model)).float().cpu(), None
    if prior is not None:
        more = torch.from_numpy(odds(card.prior, shares := card.expecting(prior)))
        card = card.model_copy(update={"prior": shares})
    network = Probabilities(twin, card.temperature, more).eval()
    pixels = _probe(card.input_shape)
    if faces is not None:
        check_kind(faces, np.ndarray, DataError, "The faces to compare on are an array, such as a FaceSet's `pixels`.")
        faces = faces[:, None] if faces.ndim == 3 else faces
        if faces.dtype != np.uint8 or faces.shape[1:] != card.input_shape:
            raise DataError(
                f"The faces to compare on are uint8 (N, {', '.join(map(str, card.input_shape))}), as the card has it; "
                f"found {faces.dtype} of shape {faces.shape}."
            )
        pixels = np.concatenate([pixels, faces])
    # on the CPU, also what the network makes; no_grad, as inference mode's tensors go by way of torch.compile, slowly
    with torch.device("cpu"), torch.no_grad():
        parts = torch.from_numpy(pixels).split(64)  # so that a large network needs little memory for many faces
        expected = torch.cat([network(part) for part in parts]).numpy()
        _sum_exactly(network)
        _fold(network, torch.from_numpy(pixels[:1]))
        _pool_first(network)
    if expected.shape != (len(pixels), len(card.classes)):
        raise CheckpointError(
            f"The network gives {expected.shape[1]} outputs; its card has {len(card.classes)} classes."
        )
    with torch.device("cpu"):
        proto = _graph(network, pixels, card)
    if beside:
        weights = Path(path).with_name(WEIGHTS)
        refer(proto, weights)
        proto.metadata_props.add(key=BESIDE, value=checksum(weights))
    with replacing(path) as written:
        onnx.save(proto, written)
        _compare(written, pixels, expected, Path(path))


class _ExactPixels(Pixels):
    """Pixels as they are, with mean and deviation from sums that are exact: whole numbers in float64.

    In float32 a sum's last digit depends on its order, so on the build of onnxruntime; in int8 that last digit may
    decide to which step a value is rounded, and a browser and a server would give different probabilities.
    """

    def forward(self, pixels: Tensor) -> Tensor:
        if pixels.shape[1] != self.channels or self.size not in (None, *pixels.shape[-2:]):
            return super().forward(pixels)
        x = pixels.double()
        mean = x.mean((1, 2, 3), keepdim=True)
        variance = (x * x).mean((1, 2, 3), keepdim=True) - mean * mean
        return ((x - mean) / (variance.clamp(min=0).sqrt() + 2.55)).float()  # 2.55 of 255: the 1e-2 of `Pixels`


def _sum_exactly(network: nn.Module) -> None:
    """Make each first layer that normalises the image use exact sums, in place."""
    for part in network.modules():
        if type(part) is Pixels and part.normalise == "image":
            part.__class__ = _ExactPixels


def _fold(network: nn.Module, pixels: Tensor) -> None:
    """Put one convolution in place of each average over k × k squares that a 1×1 convolution follows, in place.

    The two are one linear map, k × k with equal weights, at a quarter of the time in onnxruntime, whose average pooling
    is slow. Only where the squares cover the maps exactly: beyond an edge the average would count fewer values.
    """
    pairs = []
    for row in (part for part in network.modules() if type(part) is nn.Sequential):
        for place, (pool, conv) in enumerate(pairwise(row)):
            # not isinstance: what is derived from them may compute something else
            if type(pool) is nn.AvgPool2d and type(conv) is nn.Conv2d and conv.kernel_size == (1, 1):
                pairs.append((row, place, pool, conv))
    sides: dict[nn.Module, tuple[int, ...]] = {}
    hooks = [
        pool.register_forward_hook(lambda pool, given, _: sides.update({pool: tuple(given[0].shape[2:])}))
        for _, _, pool, _ in pairs
    ]
    network(pixels)
    for hook in hooks:
        hook.remove()
    for row, place, pool, conv in pairs:
        k = pool.kernel_size
        plain = pool.stride == k and not pool.padding and not pool.divisor_override and pool in sides
        plain = plain and conv.stride == (1, 1) and conv.groups == 1 and conv.padding == (0, 0)
        if plain and isinstance(k, int) and not any(side % k for side in sides[pool]):
            # without random weights, which would be drawn from the caller's random numbers
            sizes = conv.in_channels, conv.out_channels, k, k
            merged = skip_init(nn.Conv2d, *sizes, bias=conv.bias is not None, dtype=conv.weight.dtype)
            merged.weight.data = conv.weight.data.repeat(1, 1, k, k) / k**2
            if conv.bias is not None:
                merged.bias = conv.bias
            row[place], row[place + 1] = merged, nn.Identity()


def _pool_first(network: nn.Module) -> None:
    """Swap each ReLU and the max pooling after it, in place, which changes no answer.

    In int8 onnxruntime rounds to bytes after the ReLU. So it pools floats, in its own layout, and not bytes, slowly.
    """
    for row in (part for part in network.modules() if type(part) is nn.Sequential):
        for place in range(len(row) - 1):
            if type(row[place]) is nn.ReLU and type(row[place + 1]) is nn.MaxPool2d:
                row[place], row[place + 1] = row[place + 1], row[place]


def _graph(network: nn.Module, pixels: NDArray[np.uint8], card: Card) -> onnx.ModelProto:
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                (torch.from_numpy(pixels[:2]),),
                dynamo=True,
                opset_version=OPSET,
                input_names=["pixels"],
                output_names=["probabilities"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    except Exception as error:  # the exporter's own share no other root
        raise CheckpointError(
            f"A {card.model} like this can't be exported to ONNX, so nothing could use it: {first_line(error)}. A "
            "network must do the same for every face: no branches that depend on pixels."
        ) from error
    assert program is not None  # the exporter gives None only when it was told to write a file
    proto = program.model_proto
    for part in (proto.graph, *proto.functions):  # they name this machine's files: nobody's business
        for node in part.node:
            del node.metadata_props[:]
            node.doc_string = ""
    del proto.graph.metadata_props[:]
    onnx.helper.set_model_props(
        proto,
        {METADATA: card.to_json(), "labels": json.dumps(card.classes), "input_shape": json.dumps(card.input_shape)},
    )
    return proto


def _compare(written: Path, pixels: NDArray[np.uint8], expected: NDArray[np.float32], path: Path) -> None:
    net = Net(written)
    allowance = np.where(np.ptp(pixels, axis=(1, 2, 3)) == 0, 10, 1)[:, None]
    for n in (len(pixels), 1):  # another batch size than the one that was traced
        worst = float((np.abs(net(pixels[:n]) - expected[:n]) / allowance[:n]).max())
        if not worst <= TOLERANCE:  # also when it isn't a number
            raise CheckpointError(
                f"{path}: not written: the ONNX graph's probabilities are up to {worst:.2g} from PyTorch's "
                f"(allowed: {TOLERANCE:g}). The model holds something that doesn't export."
            )


def _probe(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Faces to compare on: noise at three contrasts, black, white and gray (an image without any contrast)."""
    noise = np.random.default_rng(0).integers(0, 256, (9, *shape))
    noise[3:6] = noise[3:6] // 4 + 96
    noise[6:9] = noise[6:9] // 64 + 20
    flat = np.array([0, 255, 128]).reshape(3, 1, 1, 1) * np.ones((3, *shape), np.int64)
    return np.concatenate([noise, flat]).astype(np.uint8)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's chatter (its progress, notes on versions, deprecations inside torch) off the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
