"""A trained network put into the box, and taken out of it by its name."""

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import mien
from mien import shipped
from mien.cards import CARD, Card, checksum
from mien.data.drawn import drawn_faces
from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.errors import CheckpointError
from mien.evaluation.scores import score
from mien.export import export_onnx
from mien.net import MODEL, Net
from mien.quantise import FAR, STEPS, export_int8
from mien.shipping import ship

FILES = {"weights.safetensors", "model.onnx", "model.int8.onnx", CARD}
BESIDE = "weights.safetensors"


@pytest.fixture(scope="module")
def splits() -> Splits:
    return drawn_faces(700)


@pytest.fixture(scope="module")
def box(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A box with one network, "tiny", trained for three epochs."""
    home = tmp_path_factory.mktemp("shipping")
    for _ in mien.train(home / "run", splits, mien.recipe("flagship_small", "demo", epochs=3), device="cpu"):
        pass
    ship(home / "run", "tiny", splits, box=home / "box")
    return home / "box"


@pytest.fixture
def installed(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "BOX", box)


def test_all_files_answer_alike(installed: None, splits: Splits) -> None:
    model, card = mien.load_run("tiny")
    net = Net("tiny")
    pixels = splits.val.images[:, None]
    import torch

    with torch.inference_mode():
        expected = (model(torch.from_numpy(pixels)) / card.temperature).softmax(1).numpy()
    assert card.temperature != 1
    assert np.abs(net(pixels) - expected).max() <= 1e-4
    plain, small = score(net, splits.val).correct.mean(), score(Net("tiny:int8"), splits.val).correct.mean()
    assert abs(plain - small) <= 0.05


def test_the_card_tells_what_is_there(box: Path, splits: Splits) -> None:
    card = Card.read(box / "tiny")
    card.verify(box / "tiny")
    assert {*card.checksums, CARD} == {path.name for path in (box / "tiny").iterdir()} == FILES
    assert card.licence == "MIT"
    assert card.limits
    assert card.uncertain == card.calibration["uncertain"]
    assert card.calibration["n"] == card.scores["after"]["val"]["n"]
    assert card.scores["after"]["val"]["n"] == card.scores["int8"]["val"]["n"]
    losses = {kind: card.scores[kind]["val"]["loss"] for kind in ("after", "int8")}
    own = {"after": box / "tiny" / MODEL, "int8": box / "tiny" / shipped.INT8}
    assert losses == pytest.approx({kind: mien.evaluate(Net(file), splits.val).loss for kind, file in own.items()})
    assert losses["after"] != pytest.approx(losses["int8"])
    assert (box / "tiny" / BESIDE).stat().st_mode & 0o044  # whoever installs it for others


def test_a_network_is_shipped_with_the_faces_that_it_was_judged_by(box: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="its validation faces, of 700 drawn faces, seed 0, aren't those"):
        ship(box.parent / "run", "tiny", drawn_faces(140), box=tmp_path / "box")
    assert not (tmp_path / "box").exists()


def test_what_is_in_the_box_stays_until_another_is_ready(
    box: Path, splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(box / "tiny", tmp_path / "tiny")
    before = {path.name: path.read_bytes() for path in (tmp_path / "tiny").iterdir()}
    other = mien.create_model("flagship_small")
    card = Card.read(box.parent / "run")
    monkeypatch.setattr("mien.shipping.load_run", lambda run: (other, card))
    monkeypatch.setattr("mien.quantise.AGREEMENT", 1.1)
    measured: list[FaceSet] = []

    def export(path: Path, out: Path, faces: FaceSet) -> float:
        measured.append(faces)
        return export_int8(path, out, faces)

    monkeypatch.setattr("mien.shipping.export_int8", export)
    with pytest.raises(CheckpointError, match=r"tiny.model\.int8\.onnx: not written: in int8"):
        ship(box.parent / "run", "tiny", splits, box=tmp_path)
    assert measured == [splits.train]  # not validation, by which it is judged
    assert {path.name: path.read_bytes() for path in (tmp_path / "tiny").iterdir()} == before
    assert os.listdir(tmp_path) == ["tiny"]


def test_the_weights_are_there_once(box: Path, installed: None, tmp_path: Path) -> None:
    """The ONNX graph takes them from the other file, all of the large ones, and answers as one that holds them."""
    model, card = mien.load_run("tiny")
    export_onnx(model, tmp_path / "whole.onnx", card)
    graph, whole = onnx.load(box / "tiny" / MODEL, load_external_data=False), tmp_path / "whole.onnx"
    inside = [array for array in graph.graph.initializer if not array.external_data]
    assert max(math.prod(array.dims) for array in inside) < 1024
    assert (box / "tiny" / MODEL).stat().st_size < 0.2 * whole.stat().st_size
    onnx.checker.check_model(box / "tiny" / MODEL)
    assert Net("tiny").files == (box / "tiny" / MODEL, box / "tiny" / BESIDE)
    assert Net("tiny:int8").files == (box / "tiny" / "model.int8.onnx",)
    assert Net(whole).files == (whole,)
    faces = drawn_faces(140).train.pixels
    assert np.abs(Net("tiny")(faces) - Net(whole)(faces)).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "ask", "asked"),
    [
        ("weights.safetensors", mien.load_run, "tiny"),
        ("weights.safetensors", Net, "tiny"),
        ("model.onnx", Net, "tiny"),
        ("model.int8.onnx", Net, "tiny:int8"),
    ],
)
def test_a_truncated_or_foreign_file_is_refused(
    box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, ask: Callable[[str], object], asked: str
) -> None:
    shutil.copytree(box / "tiny", tmp_path / "tiny")
    monkeypatch.setattr(shipped, "BOX", tmp_path)
    whole = (tmp_path / "tiny" / name).read_bytes()
    ask(asked)
    for content in (whole[:-100], whole[:-100] + bytes(100), whole[::-1], b"", b"something else"):
        (tmp_path / "tiny" / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=name):
            ask(asked)
    (tmp_path / "tiny" / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name}|without an int8 file"):
        ask(asked)


def test_the_graph_knows_its_weights_without_the_card(box: Path, tmp_path: Path) -> None:
    for name in (MODEL, BESIDE):
        shutil.copy(box / "tiny" / name, tmp_path)
    Net(tmp_path)
    weights = bytearray((tmp_path / BESIDE).read_bytes())
    weights[-500] ^= 1  # another network's, of the same shapes
    (tmp_path / BESIDE).write_bytes(weights)
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: changed or damaged, or another network's"):
        Net(tmp_path)
    (tmp_path / BESIDE).unlink()
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        Net(tmp_path)


def test_in_int8_the_first_convolution_stays_in_float(box: Path) -> None:
    graph = onnx.load(box / "tiny" / "model.int8.onnx").graph
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    first, *others = (node for node in graph.node if node.op_type == "Conv")
    assert made_by[first.input[0]] != "DequantizeLinear"
    assert {made_by[node.input[0]] for node in others} == {"DequantizeLinear"}


def test_no_build_of_onnxruntime_can_round_the_first_convolution_otherwise(box: Path) -> None:
    """Whole steps whose products and sums float32 holds exactly, so that their order doesn't matter."""
    model = onnx.load(box / "tiny" / "model.int8.onnx")
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    constants = {one.name: onnx.numpy_helper.to_array(one).astype(np.float64) for one in model.graph.initializer}
    weight, bias = (constants[name] for name in first.input[1:])
    assert abs(weight).max() > 0
    for kernel, shift in zip(weight, bias, strict=True):
        unit = 2.0 ** next(power for power in range(60) if not (kernel * 2**power % 1).any())  # steps of weights in 1
        assert shift * unit * STEPS % 1 == 0
        assert (abs(kernel).sum() * FAR + abs(shift)) * unit * STEPS <= 2**24
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(first.input[0]))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    seen = session.run([first.input[0]], {"pixels": drawn_faces(70).val.pixels})[0]
    assert not (seen * STEPS % 1).any()
    assert abs(seen).max() <= FAR


def test_it_is_written_as_one_file(box: Path, installed: None, tmp_path: Path) -> None:
    """What `mien export` makes of a network in the box, in float32 and int8, goes where it likes."""
    model, card = mien.load_run("tiny")
    export_onnx(model, tmp_path / "one.onnx", card)
    export_int8("tiny", tmp_path / "small.onnx", drawn_faces(140).train)
    for path in (tmp_path / "one.onnx", tmp_path / "small.onnx"):
        assert Net(path).files == (path,)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_it_may_be_installed_as_links(box: Path, tmp_path: Path) -> None:
    """As package managers do that keep files once: each name a link to a file called by its content elsewhere."""
    (tmp_path / "store").mkdir()
    (tmp_path / "tiny").mkdir()
    for path in (box / "tiny").iterdir():
        kept = shutil.copy(path, tmp_path / "store" / checksum(path))
        (tmp_path / "tiny" / path.name).symlink_to(kept)
    assert Net(tmp_path / "tiny").card == Card.read(box / "tiny")


def test_only_a_network_takes_its_name_from_the_one_in_the_box(
    installed: None, box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()  # thumbnails, say
    assert Net("tiny").path.parent == box / "tiny"
    with pytest.raises(CheckpointError, match=r"no model\.onnx in this folder"):
        Net("./tiny")
    shutil.copytree(box / "tiny", tmp_path / "tiny", dirs_exist_ok=True)
    assert Net("tiny").path.parent == Path("tiny")


def test_no_such_network_is_an_error(installed: None) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        Net("huge")


def test_the_command_line_evaluates_it_without_torch(box: Path, splits: Splits, tmp_path: Path) -> None:
    splits.save(tmp_path / "faces.npz")
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path; from mien import shipped; shipped.BOX = Path(sys.argv.pop(1))\n"
        "from mien.cli import main; sys.exit(main())"
    )
    words = [str(box), "evaluate", "tiny", "--data", "faces.npz", "--split", "val", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    card = Card.read(box / "tiny")
    assert json.loads(done.stdout)["accuracy"] == pytest.approx(card.scores["after"]["val"]["accuracy"])


@pytest.mark.parametrize("name", shipped.shipped())
def test_what_is_in_the_box_is_whole(name: str) -> None:
    card = Card.read(shipped.BOX / name)
    card.verify(shipped.BOX / name)
    assert Net(name).card == card
    assert card.scores["int8"]["val"]["accuracy"] >= card.scores["after"]["val"]["accuracy"] - 0.005
    model, _ = mien.load_run(name)
    faces = drawn_faces(70).train.images[:, None]
    import torch

    with torch.inference_mode():
        expected = (model(torch.from_numpy(faces)) / card.temperature).softmax(1).numpy()
    assert np.abs(Net(name)(faces) - expected).max() <= 1e-4


def test_the_box_is_small() -> None:
    assert sum(path.stat().st_size for path in shipped.BOX.rglob("*") if path.is_file()) <= 12e6
