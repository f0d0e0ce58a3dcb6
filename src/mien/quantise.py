"""A network's ONNX file in int8: a quarter of the size, and faster where the chip multiplies bytes."""

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

from mien.data.faces import FaceSet
from mien.errors import CheckpointError
from mien.files import replacing
from mien.net import BESIDE, METADATA, Net

CALIBRATION_FACES = 2048
STEPS, FAR = 256, 16
"""The grid of the first convolution's input: how many steps make 1, and the largest magnitude."""

LAYERS = ("Conv", "MatMul", "Gemm")

AGREEMENT = 0.95
"""The share of the calibration faces on which the int8 file must answer as the float32 one does."""


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Batches of 32 faces, or a few more, until there are none left."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.batches: Iterator[NDArray[np.uint8]] = iter(np.array_split(pixels, max(1, len(pixels) // 32)))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"pixels": batch}


def export_int8(path: str | os.PathLike[str], out: str | os.PathLike[str], faces: FaceSet) -> float:
    """Write the int8 twin of an ONNX file of mien's, and return the share of a sample of `faces` on which they agree.

    Static quantisation of convolutions and linear layers, a scale for each channel of the weights. The ranges of values
    are means over batches of that seeded sample (take training faces), as a single face may reach far. A ReLU right
    after such a layer is part of it: its bytes begin at 0. The first convolution stays in float, on a grid
    (`_on_grid`): in int8 it made two thirds of the error and saved no time. Linear layers in float would be a little
    quicker for a face alone, but the channel weights that they compute would differ in their last bits between builds
    of onnxruntime, and so would a few faces' answers. The card is in the new file too.

    Raises:
        CheckpointError: the two answer differently for more than 5 % of the sample; `out` is then left as it was.
    """
    pick = np.sort(np.random.default_rng(0).permutation(len(faces))[:CALIBRATION_FACES])
    pixels = np.ascontiguousarray(faces[pick].pixels)
    full = Net(path)
    logger = logging.getLogger()
    level = logger.level
    with tempfile.TemporaryDirectory(prefix="mien-") as folder, replacing(out) as beside:
        plain = Path(folder, "plain.onnx")
        try:
            logger.setLevel(logging.ERROR)  # its advice on pre-processing is for those who skipped it
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                quant_pre_process(str(full.path), str(plain), skip_symbolic_shape=True)
                _on_grid(plain)
                quantization.quantize_static(
                    str(plain),
                    str(beside),
                    _Reader(pixels),
                    quant_format=quantization.QuantFormat.QDQ,
                    op_types_to_quantize=[*LAYERS, "Relu"],
                    nodes_to_exclude=_in_float(plain),
                    per_channel=True,
                    reduce_range=True,  # 7 bits: with 8, chips without VNNI overflow, and 18 % of answers changed
                    activation_type=quantization.QuantType.QUInt8,
                    weight_type=quantization.QuantType.QInt8,
                    extra_options={"CalibMovingAverage": True},
                )
        finally:
            logger.setLevel(level)
        _keep_card(full.path, Path(beside))
        agreement = float((Net(beside)(pixels).argmax(1) == full(pixels).argmax(1)).mean())
        if agreement < AGREEMENT:
            raise CheckpointError(
                f"{out}: not written: in int8 the network answers otherwise for {1 - agreement:.1%} of "
                f"{len(pixels)} faces (allowed: {1 - AGREEMENT:.0%})."
            )
    return agreement


def _in_float(path: Path) -> list[str]:
    """What stays in float: the first convolution, its ReLU, and each ReLU that comes after a sum, not a layer."""
    nodes = onnx.load(path).graph.node
    first = [node for node in nodes if node.op_type == "Conv"][:1]
    after = {node.output[0] for node in nodes if node.op_type in LAYERS and node not in first}
    return [node.name for node in nodes if node in first or (node.op_type == "Relu" and node.input[0] not in after)]


def _on_grid(path: Path) -> None:
    """Round the first convolution's input and its weights to whole steps, in place.

    The steps are powers of two, so large that float32 holds every product and sum exactly, in whichever order: all
    builds of onnxruntime then give the same bits, and round to the same bytes after it. The input is cut at -16 and 16.
    """
    model = onnx.load(path)
    graph = model.graph
    conv = next((node for node in graph.node if node.op_type == "Conv"), None)
    if conv is None:
        return
    constants = {constant.name: constant for constant in graph.initializer}
    weight, *bias = (numpy_helper.to_array(constants[name]).astype(np.float64) for name in conv.input[1:])
    taps = weight[0].size
    reach = FAR * np.abs(weight).sum((1, 2, 3)) + sum(map(np.abs, bias))  # the largest sum of each channel
    fit = (2**24 - taps * FAR * STEPS) / (STEPS * np.maximum(reach, 1e-6))
    steps = 2.0 ** np.floor(np.log2(fit))  # of the weights, in 1; `taps` above leaves room for rounding them
    units = (steps[:, None, None, None], steps * STEPS)
    for name, values, unit in zip(conv.input[1:], (weight, *bias), units, strict=False):
        constants[name].CopyFrom(numpy_helper.from_array((np.rint(values * unit) / unit).astype(np.float32), name))
    for name, value in (("steps", STEPS), ("low", -FAR), ("high", FAR)):
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), f"grid.{name}"))
    rows = (
        ("Clip", [conv.input[0], "grid.low", "grid.high"], "grid.near"),
        ("Mul", ["grid.near", "grid.steps"], "grid.many"),
        ("Round", ["grid.many"], "grid.whole"),
        ("Div", ["grid.whole", "grid.steps"], "grid.back"),
    )
    place = list(graph.node).index(conv)
    for row, (operator, inputs, output) in enumerate(rows):
        graph.node.insert(place + row, helper.make_node(operator, inputs, [output], name=output))
    conv.input[0] = "grid.back"
    onnx.save(model, path)


def _keep_card(source: Path, target: Path) -> None:
    """Copy the metadata, which pre-processing drops, but for the checksum of weights in another file: it needs none."""
    kept = {prop.key: prop.value for prop in onnx.load(source, load_external_data=False).metadata_props}
    assert METADATA in kept  # Net has read it
    kept.pop(BESIDE, None)
    model = onnx.load(target)
    helper.set_model_props(model, kept)
    onnx.save(model, target)
