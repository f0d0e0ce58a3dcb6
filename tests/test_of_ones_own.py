"""Networks that somebody registers, and files that lie where they like."""

import copy
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mien
from mien.cards import CARD, STATE, Card
from mien.checkpoint import load_run, save_state, start_from
from mien.cli import main
from mien.data.drawn import drawn_faces
from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.errors import CheckpointError, DataError, RecipeError, UnknownModel
from mien.export import export_onnx
from mien.models import create_model, registry, summarise
from mien.net import MODEL, Net


class Own(nn.Module):
    """A network as somebody writes it: its hidden layer is asked once for each row of the face."""

    def __init__(self, *, classes: int = 7, channels: int = 1, size: int = 48, branch: bool = False) -> None:
        super().__init__()
        self.rows = nn.Linear(size, 4)
        self.scale = nn.Parameter(torch.ones(4 * size))
        self.twin, self.branch = self.rows, branch
        self.linear = nn.Linear(4 * size, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.twin(pixels[:, 0].float() / 255)
        if self.branch and x.mean() > 0.5:
            x = -x
        return self.linear(x.flatten(1) * self.scale)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_MODELS", dict(registry._MODELS))
    monkeypatch.setattr(registry, "_SIZES", dict(registry._SIZES))
    mien.register("own")(Own)


@pytest.fixture(scope="module")
def faces() -> Splits:
    return drawn_faces(60)


def _train(folder: Path, faces: Splits, **fields: object) -> None:
    for _ in mien.train(folder, faces, mien.recipe("own", "demo", epochs=1, **fields)):
        pass


def test_tied_weights_and_one_layer_for_many_rows(tmp_path: Path, faces: Splits) -> None:
    _train(tmp_path, faces)
    model, card = load_run(tmp_path)
    assert model.twin is model.rows
    assert card.macs == 48 * 48 * 4 + 4 * 48 * 7
    assert sum(layer.parameters for layer in summarise(model).layers) == card.parameters  # those of `scale`, too


def test_a_run_of_a_network_that_this_process_does_not_know(
    tmp_path: Path, faces: Splits, capsys: pytest.CaptureFixture[str]
) -> None:
    faces.save(tmp_path / "faces.npz")
    _train(tmp_path / "run", Splits.load(tmp_path / "faces.npz"))
    registry._MODELS.pop("own")
    for line in (
        ["train", "own", "--out", str(tmp_path / "on")],
        ["train", "--init", str(tmp_path / "run"), "--out", str(tmp_path / "on")],
        ["train", "logistic", "--teacher", str(tmp_path / "run"), "--out", str(tmp_path / "on")],
        ["train", "--resume", str(tmp_path / "run")],
        ["explain", "a.jpg", "--model", str(tmp_path / "run")],
    ):
        assert main(line) == 1
        assert "has to be registered in this process, in Python (mien.register)" in capsys.readouterr().err, line
    assert main(["evaluate", str(tmp_path / "run"), "--data", str(tmp_path / "faces.npz")]) == 0


def test_what_cannot_be_exported_is_said_before_the_training(tmp_path: Path, faces: Splits) -> None:
    with pytest.raises(CheckpointError, match="can't be exported to ONNX"):
        _train(tmp_path / "run", faces, options={"branch": True})
    assert not (tmp_path / "run").exists()


def test_frozen_parts_stay_frozen() -> None:
    model = create_model("cnn", widths=[4, 4, 4, 4]).train()
    norm = next(part for part in model.modules() if isinstance(part, nn.BatchNorm2d))
    norm.eval()
    summarise(model)
    assert model.training
    assert not norm.training


def test_networks_without_presets_of_their_own() -> None:
    own, cnn = mien.recipe("own", "finetune"), mien.recipe("cnn", "finetune")
    assert own.model_copy(update={"model": "cnn"}) == cnn
    assert mien.recipe("backbone", "tuned").flip
    for model in ("own", "backbone", "flagship"):
        with pytest.raises(RecipeError, match=f"'article' has nothing for a {model}, only for logistic, "):
            mien.recipe(model, "article")
    assert main(["models", "--preset", "article"]) == 0


def test_an_option_called_name() -> None:
    with pytest.raises(RecipeError, match="name is the model's"):
        mien.recipe("cnn", options={"name": "x"})


@pytest.mark.parametrize("value", [nn.ReLU, {1, 2}, np.int64(3), float("nan"), Path("x")])
def test_an_option_that_no_file_could_hold(value: object, tmp_path: Path, faces: Splits) -> None:
    with pytest.raises(RecipeError, match=r"options can't be .*: .*widths must be what JSON can hold, for a run"):
        _train(tmp_path / "run", faces, options={"branch": False, "widths": value})
    assert not (tmp_path / "run").exists()


def test_odd_sizes_of_the_flagship() -> None:
    for options in ({"drop": 1.0}, {"stride": 0}, {"drop": -0.1}):
        with pytest.raises(UnknownModel, match="stride must be 1 or 2"):
            create_model("flagship_small", **options)


def test_a_last_layer_of_another_name(tmp_path: Path) -> None:
    class Other(Own):
        def __init__(self, **options: int) -> None:
            super().__init__(**options)
            self.fc, self.linear = self.linear, None

    three, seven = Other(classes=3), Other(classes=7)
    with pytest.raises(CheckpointError, match="no layer `linear`"):
        start_from(three, seven, same_classes=False)


def test_the_same_classes_but_other_faces() -> None:
    for options in ({"size": 64}, {"channels": 3}):
        with pytest.raises(CheckpointError, match="other layers"):
            start_from(create_model("logistic", **options), create_model("logistic"), same_classes=True)


def test_faces_that_are_not_square(tmp_path: Path) -> None:
    tall = FaceSet(np.zeros((8, 48, 40), np.uint8), [0, 1] * 4)
    with pytest.raises(DataError, match="must be square; those in train have 48×40 pixels"):
        _train(tmp_path / "run", Splits(tall, tall, tall[:0]))
    square, made = FaceSet(np.zeros((8, 48, 48), np.uint8), [0, 1] * 4), mien.recipe("cnn", "demo", epochs=1)
    for train, val, name in ((tall, tall, "train"), (square, tall, "val")):
        with pytest.raises(DataError, match=f"must be square; those in {name} have 48×40 pixels"):
            next(mien.fit(create_model("cnn", **made.options), train, val, made, device="cpu"))


def test_a_file_in_a_run_is_not_written_over(tmp_path: Path, faces: Splits, capsys: pytest.CaptureFixture[str]) -> None:
    _train(tmp_path, faces)
    before = (tmp_path / MODEL).read_bytes()
    assert main(["export", str(tmp_path), str(tmp_path / MODEL)]) == 1
    assert "is as its card says" in capsys.readouterr().err
    assert (tmp_path / MODEL).read_bytes() == before
    assert main(["export", str(tmp_path), str(tmp_path / "other.onnx"), "--skip-bad-rows"]) == 1
    assert main(["export", str(tmp_path), str(tmp_path / "other.onnx")]) == 0


def test_somebody_elses_card_beside_a_network(tmp_path: Path) -> None:
    model = create_model("logistic")
    card = Card(model="logistic", classes=mien.drawn_faces(0).classes)
    export_onnx(model, tmp_path / MODEL, card)
    (tmp_path / CARD).write_text('{"name": "queen of hearts"}')
    assert Net(tmp_path / MODEL).classes == card.classes
    with pytest.raises(CheckpointError, match="not a card of mien's"):
        Net(tmp_path)
    with pytest.raises(CheckpointError, match="a network's file; here its folder is wanted"):
        load_run(tmp_path / MODEL)


@pytest.mark.skipif(os.name != "posix" or os.uname().sysname != "Linux", reason="names are bytes on Linux alone")
def test_names_that_are_no_text(tmp_path: Path, faces: Splits) -> None:
    folder, data = tmp_path / os.fsdecode(b"run\xe9"), tmp_path / os.fsdecode(b"caf\xe9.npz")
    faces.save(data)
    _train(folder, Splits.load(data))
    assert json.loads((folder / CARD).read_bytes())["data"]["source"] == "caf?.npz"
    assert Net(folder).classes == load_run(folder)[1].classes == faces.classes


def test_a_foreign_state(tmp_path: Path, faces: Splits, capsys: pytest.CaptureFixture[str]) -> None:
    faces.save(tmp_path / "faces.npz")
    for _ in mien.train(tmp_path / "run", Splits.load(tmp_path / "faces.npz"), mien.recipe("logistic", "demo")):
        break
    for state in ({"a": 1}, [1]):
        save_state(state, tmp_path / "run" / STATE)  # type: ignore[arg-type]
        assert main(["train", "--resume", str(tmp_path / "run")]) == 1
        assert "not the state of a training" in capsys.readouterr().err


def test_a_branch_that_is_only_taken_while_training(tmp_path: Path) -> None:
    class Branched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.beside = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(1, 1, 1))
            self.linear = nn.Linear(48 * 48, 7)

        def forward(self, pixels: Tensor) -> Tensor:
            x = pixels.float() / 255
            return self.linear(x.flatten(1)) + (self.beside(x).mean() if self.training else 0)

    card = Card(model="branched", classes=drawn_faces(0).classes)
    model = Branched().eval()
    export_onnx(copy.deepcopy(model), tmp_path / MODEL, card, drawn_faces(60).train.pixels[:3])
