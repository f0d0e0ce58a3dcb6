import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from mien.cards import Card
from mien.cli import main
from mien.data.drawn import draw
from mien.errors import CheckpointError, DataError
from mien.export import export_onnx
from mien.labels import FER2013
from mien.models import create_model
from mien.net import Net
from mien.training.fit import fit
from mien.training.recipe import recipe


def probabilities(model: nn.Module, pixels: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    with torch.no_grad():
        return (model.eval()(torch.from_numpy(pixels)) / temperature).softmax(1).numpy()


def shaken(name: str, **options: object) -> nn.Module:
    """A network whose norms have seen something, so that an export without them would show."""
    torch.manual_seed(0)
    model = create_model(name, **options)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5)  # type: ignore[union-attr]
                module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
                module.weight.uniform_(0.5, 1.5)
    return model


@pytest.mark.parametrize("name", ["logistic", "resnet"])
def test_the_file_answers_as_pytorch_does(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model, card = shaken(name), Card(model=name, classes=FER2013, temperature=1.7)
    export_onnx(model, tmp_path / "model.onnx", card)
    assert capfd.readouterr() == ("", "")  # no chatter
    assert model.training  # and left as it was
    net = Net(tmp_path / "model.onnx")
    assert net.card == card
    for n in (1, 2, 7):
        pixels = np.random.default_rng(n).integers(0, 256, (n, 1, 48, 48), np.uint8)
        np.testing.assert_allclose(net(pixels), probabilities(model, pixels, 1.7), atol=1e-4)
        model.train()
    assert os.listdir(tmp_path) == ["model.onnx"]


@pytest.mark.parametrize(
    ("faces", "said"),
    [
        (draw(4), "are an array, such as a FaceSet's `pixels`. Found a FaceSet"),
        (draw(4).pixels / 255, r"are uint8 \(N, 1, 48, 48\), .* found float64 of shape \(4, 1, 48, 48\)"),
        (draw(4).pixels[..., ::2, ::2], r"found uint8 of shape \(4, 1, 24, 24\)"),
    ],
)
def test_faces_to_compare_on_are_as_the_network_takes_them(faces: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        export_onnx(shaken("logistic"), tmp_path / "model.onnx", Card(model="logistic", classes=FER2013), faces)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(("size", "pools"), [(48, 0), (52, 1)])  # 26 in two halves, but 13 not
def test_averaging_before_a_convolution_becomes_one_with_it(size: int, pools: int, tmp_path: Path) -> None:
    options = {"size": size, "stem": 4, "widths": (4, 6, 8), "depths": (1, 1, 1), "stride": 2}
    model = shaken("flagship_small", **options)
    card = Card(model="flagship_small", classes=FER2013, input_shape=(1, size, size))
    export_onnx(model, tmp_path / "m.onnx", card)
    kinds = [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node]
    assert kinds.count("AveragePool") == pools
    pixels = np.random.default_rng(0).integers(0, 256, (5, 1, size, size), np.uint8)
    np.testing.assert_allclose(Net(tmp_path / "m.onnx")(pixels), probabilities(model, pixels), atol=1e-5)
    assert any(isinstance(module, nn.AvgPool2d) for module in model.modules())  # the model itself stays as it was


def test_the_largest_is_picked_before_negative_values_become_0(tmp_path: Path) -> None:
    model = shaken("flagship", stem=4, widths=(4, 6), depths=(1, 1))
    export_onnx(model, tmp_path / "m.onnx", Card(model="flagship", classes=FER2013))
    kinds = [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node]
    first = kinds.index("Conv")
    assert kinds[first : first + 3] == ["Conv", "MaxPool", "Relu"]
    pixels = np.random.default_rng(0).integers(0, 256, (5, 1, 48, 48), np.uint8)
    np.testing.assert_allclose(Net(tmp_path / "m.onnx")(pixels), probabilities(model, pixels), atol=1e-5)


class Centred(nn.Conv2d):
    """A convolution by other weights than it holds."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, weight, self.bias)


class Magnitude(nn.ReLU):
    """Negative values count as much as positive ones: picking the largest before it would leave them out."""

    def forward(self, x: Tensor) -> Tensor:
        return x.abs()


class Derived(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.row = nn.Sequential(nn.AvgPool2d(2), Centred(4, 7, 1), Magnitude(), nn.MaxPool2d(2))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.row(self.conv(pixels.float() / 255)).mean((2, 3))


def test_layers_derived_from_torchs_keep_what_they_compute(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Derived()
    export_onnx(model, tmp_path / "m.onnx", Card(model="derived", classes=FER2013))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 1, 48, 48), np.uint8)
    np.testing.assert_allclose(Net(tmp_path / "m.onnx")(pixels), probabilities(model, pixels), atol=1e-5)


def test_a_trained_network_is_captured_the_short_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that fails the exporter says nothing and takes a slow one, by torch.compile (`strict`)."""
    model = create_model("flagship_small", stem=4, widths=(4, 6, 8), depths=(1, 1, 1), stride=2)
    faces = draw(64, seed=0)
    for _ in fit(model, faces, faces, recipe("flagship_small", epochs=1, batch=32, norm_faces=32)):
        pass
    capture, tried = torch.export.export, []
    monkeypatch.setattr(torch.export, "export", lambda *of, **how: tried.append(how["strict"]) or capture(*of, **how))
    export_onnx(model, tmp_path / "m.onnx", Card(model="flagship_small", classes=FER2013))
    assert tried == [False]


def test_colour_other_sizes_and_other_classes(tmp_path: Path) -> None:
    model = shaken("cnn", classes=3, channels=3, size=32)
    card = Card(model="cnn", classes=("no", "maybe", "yes"), input_shape=(3, 32, 32))
    export_onnx(model, tmp_path / "m.onnx", card)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), np.uint8)
    np.testing.assert_allclose(Net(tmp_path / "m.onnx")(pixels), probabilities(model, pixels), atol=1e-4)


def test_the_file_says_what_it_is_and_nothing_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    gray = np.random.default_rng(0).integers(0, 256, (2, 48, 48), np.uint8)
    export_onnx(shaken("logistic"), path, Card(model="logistic", classes=FER2013), faces=gray)
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(metadata["labels"]) == list(FER2013)
    assert json.loads(metadata["input_shape"]) == [1, 48, 48]
    assert json.loads(metadata["mien.card"])["model"] == "logistic"
    for trace in (b"site-packages", str(Path(__file__).parent.parent).encode(), b"forward("):
        assert trace not in path.read_bytes()


class Restless(nn.Module):
    """Answers otherwise at every call, which a graph can't."""

    calls = 0

    def forward(self, pixels: Tensor) -> Tensor:
        Restless.calls += 1
        return pixels.float().mean((2, 3)) * torch.arange(7) / 100 + torch.eye(7)[Restless.calls % 7]


def test_a_graph_that_answers_otherwise_is_not_put_in_place(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the old one")
    with pytest.raises(CheckpointError, match=r"model\.onnx: not written: .* from PyTorch's"):
        export_onnx(Restless(), path, Card(model="restless", classes=FER2013))
    assert path.read_bytes() == b"the old one"
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_a_place_that_cant_be_written_is_refused_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setitem(sys.modules, "mien.checkpoint", None)  # so that loading a network fails
    for out, said in (
        (tmp_path / "file" / "a.onnx", "it can't be written there"),
        (tmp_path / "a.txt", "ends in .onnx"),
    ):
        assert main(["export", "small", str(tmp_path / out)]) == 1
        assert said in capsys.readouterr().err


def test_a_card_of_other_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="7 outputs; its card has 2 classes"):
        export_onnx(shaken("logistic"), tmp_path / "model.onnx", Card(model="logistic", classes=("no", "yes")))
    with pytest.raises(CheckpointError, match=r"written with its Card: .* Found a str"):
        export_onnx(shaken("logistic"), tmp_path / "model.onnx", "card.json")  # type: ignore[arg-type]
    model = shaken("logistic", classes=2)
    model.classes = ("yes", "no")  # type: ignore[assignment]
    with pytest.raises(CheckpointError, match="answers for yes, no, in this order; its card has no, yes"):
        export_onnx(model, tmp_path / "model.onnx", Card(model="logistic", classes=("no", "yes")))
    assert os.listdir(tmp_path) == []


class Placed(nn.Module):
    """A network of one's own that makes a tensor as it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(48, 7)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.linear(pixels.float().mean((1, 2)) / 255 * torch.linspace(0, 1, 48))
        return logits


@pytest.mark.parametrize("kind", ["placed", "folded"])
def test_torchs_default_device_and_random_numbers_are_nothing_to_it(kind: str, tmp_path: Path) -> None:
    options = {"stem": 4, "widths": (4, 6, 8), "depths": (1, 1, 1), "stride": 2}
    model = Placed() if kind == "placed" else shaken("flagship_small", **options)
    before = torch.get_rng_state()
    torch.set_default_device("meta")  # stands for a GPU
    try:
        export_onnx(model, tmp_path / "m.onnx", Card(model=kind, classes=FER2013))
    finally:
        torch.set_default_device(None)
    export_onnx(model, tmp_path / "m.onnx", Card(model=kind, classes=FER2013))
    assert torch.equal(torch.get_rng_state(), before)
