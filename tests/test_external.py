"""A graph that takes its weights from a safetensors file beside it."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from safetensors.numpy import save_file

from mien.external import refer

RNG = np.random.default_rng(0)
FILTERS = RNG.normal(size=(32, 16, 3, 3)).astype(np.float16)
ACROSS = RNG.normal(size=(64, 32, 1, 1)).astype(np.float16)
LINEAR = RNG.normal(size=(40, 64)).astype(np.float16)


def graph(arrays: dict[str, np.ndarray]) -> onnx.ModelProto:
    """A graph that gives its arrays as they are, so that onnxruntime says what it made of them."""
    nodes = [helper.make_node("Identity", [name], [f"{name}.out"]) for name in arrays]
    outputs = [helper.make_tensor_value_info(f"{name}.out", 1, values.shape) for name, values in arrays.items()]
    inside = [numpy_helper.from_array(values, name) for name, values in arrays.items()]
    made = helper.make_graph(nodes, "arrays", [], outputs, inside)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.fixture
def arrays(tmp_path: Path) -> dict[str, np.ndarray]:
    """Arrays that come from the tensors of the file written here, and two that don't."""
    save_file({"f": FILTERS, "a": ACROSS, "l": LINEAR, "n": np.zeros(3, np.int64)}, tmp_path / "weights.safetensors")
    scale = RNG.normal(size=(32, 1, 1, 1)).astype(np.float32)
    scale[3] = 0  # a filter that was switched off
    return {
        "normalised": FILTERS.astype(np.float32) * scale,
        "spread": np.tile(ACROSS.astype(np.float32), (1, 1, 2, 2)) / 4,
        "plain": LINEAR.astype(np.float32),
        "other": RNG.normal(size=(32, 16, 3, 3)).astype(np.float32),
        "bent": FILTERS.astype(np.float32) * (1 + 1e-3 * RNG.normal(size=FILTERS.shape)).astype(np.float32),
        "short": FILTERS[0, 0].astype(np.float32),
    }


def test_what_is_a_multiple_comes_from_the_file_and_the_rest_stays(
    arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    proto = graph(arrays)
    refer(proto, tmp_path / "weights.safetensors")
    onnx.save(proto, tmp_path / "m.onnx")
    onnx.checker.check_model(tmp_path / "m.onnx")
    outside = {array.name for array in proto.graph.initializer if array.external_data}
    assert outside == {"normalised.stored", "spread.stored", "plain.stored"}
    given = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"]).run(None, {})
    for (name, expected), found in zip(arrays.items(), given, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=name)
