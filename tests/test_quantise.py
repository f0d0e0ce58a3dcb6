"""What an int8 file holds: a scale a channel, weights of seven bits; and that one which disagrees isn't written."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from mien import quantise
from mien.cards import Card
from mien.data.drawn import draw
from mien.data.faces import FaceSet
from mien.errors import CheckpointError
from mien.export import export_onnx
from mien.labels import FER2013
from mien.models import create_model
from mien.quantise import export_int8

FACES = draw(70, seed=2)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network of few channels, some of whose filters weigh far more than others."""
    torch.manual_seed(0)
    model = create_model("flagship_small", stem=4, widths=(6, 8), depths=(1, 1), squeeze=False, dropout=0.0)
    with torch.no_grad():
        for block in model.blocks:
            block.f[4].weight.fill_(1)  # else a fresh block passes its input through
            for layer in (block.f[0], block.f[3]):
                layer.weight *= torch.logspace(-1, 1, len(layer.weight))[:, None, None, None]
    path = tmp_path_factory.mktemp("float") / "model.onnx"
    export_onnx(model, path, Card(model="flagship_small", classes=FER2013))
    return path


def quantised(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The weights that stand in int8 there, each with its scales."""
    graph = onnx.load(path).graph
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    inputs = [node.input for node in graph.node if node.op_type == "DequantizeLinear"]
    found = {names[0]: (constants[names[0]], constants[names[1]]) for names in inputs if names[0] in constants}
    return {name: both for name, both in found.items() if both[0].dtype == np.int8}


def test_each_channel_has_a_scale_and_its_weights_seven_bits(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantise, "AGREEMENT", 0.0)  # it has learned nothing: its answers are all alike
    export_int8(network, tmp_path / "int8.onnx", FACES)
    found = quantised(tmp_path / "int8.onnx")
    filters = [both for both in found.values() if both[0].ndim == 4]
    assert len(filters) >= 4
    for weights, scales in filters:
        assert scales.shape == (len(weights),)
        assert len(np.unique(scales)) > 1
        assert (np.abs(weights.astype(int)).max((1, 2, 3)) >= 63).all()  # each channel takes all of its range
    for weights, _ in found.values():
        assert np.abs(weights.astype(int)).max() <= 64  # with eight bits chips without VNNI overflow


def test_a_file_that_answers_otherwise_is_not_written(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantise, "AGREEMENT", 1.01)  # more than any can
    out = tmp_path / "int8.onnx"
    with pytest.raises(CheckpointError, match=r"int8\.onnx: not written: in int8 the network answers otherwise for"):
        export_int8(network, out, FACES)
    assert list(tmp_path.iterdir()) == []
    out.write_bytes(b"the one before")
    with pytest.raises(CheckpointError, match="of 70 faces"):
        export_int8(network, out, FACES)
    assert out.read_bytes() == b"the one before"
    assert list(tmp_path.iterdir()) == [out]


def test_it_is_calibrated_on_all_faces() -> None:
    read = quantise._Reader(FACES.pixels)
    seen = [given["pixels"] for given in iter(read.get_next, None)]
    np.testing.assert_array_equal(np.concatenate(seen), FACES.pixels)


def test_what_it_returns_is_the_share_that_agrees(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantise, "AGREEMENT", 0.0)
    dim = FaceSet(FACES.images // 64 + 100, FACES.targets)
    share = export_int8(network, tmp_path / "int8.onnx", dim)
    full, small = (quantise.Net(path)(dim.pixels).argmax(1) for path in (network, tmp_path / "int8.onnx"))
    assert share == pytest.approx((full == small).mean())
