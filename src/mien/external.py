"""An ONNX graph that takes its weights from a safetensors file beside it, so that a folder holds them once.

A safetensors file is the length of its header, the header as JSON, and the tensors' bytes one after the other. ONNX
lets a tensor stand in another file, from a byte on ("external data"), so a graph can point into such a file.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

LEAST = 1024
"""Arrays of fewer numbers stay in the graph: moving them would save nothing."""

EXACT = 1e-6
"""How far a number may be from what the file's numbers make it, as a share of the largest in its array."""


@dataclass(frozen=True)
class Stored:
    """A tensor of a safetensors file, and the bytes there that hold it as fp16."""

    values: NDArray[np.float32]
    offset: int
    length: int


def refer(proto: onnx.ModelProto, weights: str | os.PathLike[str]) -> None:
    """Let the large arrays of a graph come from a safetensors file that holds the same network in fp16, in place.

    Exporting has folded each norm into the filters before it, and made a square of equal weights of each average. So an
    array is one of the file's tensors, repeated where its sides are 1, times a factor for each filter: the graph
    computes it, and onnxruntime does so once, when it opens the graph. An array that is no such multiple stays in it.
    The graph finds the file by its name, in the folder it lies in itself.
    """
    weights = Path(weights)
    stored = list(_tensors(weights))
    kept, before = [], []
    for array in proto.graph.initializer:
        values = numpy_helper.to_array(array)
        large = values.dtype == np.float32 and values.size >= LEAST
        pairs = ((one, _factors(values, one.values)) for one in stored if large)
        source, factors = next(((one, found) for one, found in pairs if found is not None), (None, None))
        if source is None or factors is None:
            kept.append(array)
            continue
        name = array.name
        kept.append(_external(f"{name}.stored", source, weights.name))
        if factors.shape[1:] == (1,) * (values.ndim - 1) and (factors == 1).all():
            before.append(helper.make_node("Cast", [f"{name}.stored"], [name], to=TensorProto.FLOAT))
        else:
            kept.append(numpy_helper.from_array(factors, f"{name}.factors"))
            before.append(helper.make_node("Cast", [f"{name}.stored"], [f"{name}.float"], to=TensorProto.FLOAT))
            before.append(helper.make_node("Mul", [f"{name}.float", f"{name}.factors"], [name]))
    nodes = [*before, *proto.graph.node]
    del proto.graph.initializer[:], proto.graph.node[:]
    proto.graph.initializer.extend(kept)
    proto.graph.node.extend(nodes)


def _factors(values: NDArray[np.float32], tensor: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The number for each filter (the first axis) by which `tensor` becomes `values`; None where there are none."""
    alike = values.ndim == tensor.ndim and len(values) == len(tensor)
    if not alike or any(a not in (1, b) for a, b in zip(tensor.shape, values.shape, strict=True)):
        return None
    others = tuple(range(1, values.ndim))
    wide = np.broadcast_to(tensor, values.shape).astype(np.float64)
    squares = (wide**2).sum(others, keepdims=True)
    share = (values * wide).sum(others, keepdims=True) / np.where(squares, squares, 1)
    spread = [1 if a == b else b for a, b in zip(tensor.shape, values.shape, strict=True)]
    factors = np.ascontiguousarray(np.broadcast_to(share, (len(values), *spread[1:])), np.float32)
    return factors if np.abs(tensor * factors - values).max() <= EXACT * np.abs(values).max() else None


def _tensors(path: Path) -> Iterator[Stored]:
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    for name, about in json.loads(content[8:start]).items():
        if name != "__metadata__" and about["dtype"] == "F16":
            first, last = (start + place for place in about["data_offsets"])
            halves = np.frombuffer(content[first:last], "<f2").reshape(about["shape"])
            yield Stored(halves.astype(np.float32), first, last - first)


def _external(name: str, source: Stored, file: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT16, dims=source.values.shape, raw_data=b"")
    set_external_data(tensor, file, source.offset, source.length)
    tensor.ClearField("raw_data")
    return tensor
