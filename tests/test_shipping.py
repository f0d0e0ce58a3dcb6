"""A trained network put into the box, and taken out of it by its name."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mien
from mien import shipped
from mien.cards import CARD, Card
from mien.data.drawn import drawn_faces
from mien.data.faces import Splits
from mien.errors import CheckpointError
from mien.evaluation.scores import score
from mien.net import MODEL, Net
from mien.shipping import ship

FILES = {"weights.safetensors", "model.onnx", "model.int8.onnx", CARD}


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


def test_the_card_tells_what_is_there(box: Path) -> None:
    card = Card.read(box / "tiny")
    card.verify(box / "tiny")
    assert {*card.checksums, CARD} == {path.name for path in (box / "tiny").iterdir()} == FILES
    assert card.licence == "MIT"
    assert card.limits
    assert card.uncertain == card.calibration["uncertain"]
    assert card.calibration["n"] == card.scores["after"]["val"]["n"]
    assert card.scores["after"]["val"]["n"] == card.scores["int8"]["val"]["n"]
    full, half = (box / "tiny" / name for name in (MODEL, "weights.safetensors"))
    assert half.stat().st_size < 0.7 * full.stat().st_size
    assert half.stat().st_mode & 0o044  # whoever installs it for others


@pytest.mark.parametrize("name", ["weights.safetensors", "model.onnx", "model.int8.onnx"])
def test_a_truncated_or_foreign_file_is_refused(
    box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "tiny").mkdir()
    for path in (box / "tiny").iterdir():
        (tmp_path / "tiny" / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(shipped, "BOX", tmp_path)
    ask = mien.load_run if name.endswith("safetensors") else Net
    asked = "tiny:int8" if "int8" in name else "tiny"
    whole = (tmp_path / "tiny" / name).read_bytes()
    for content in (whole[:-100], b"", b"something else"):
        (tmp_path / "tiny" / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=name):
            ask(asked)


def test_a_file_of_that_name_wins(installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    with pytest.raises(CheckpointError, match=r"no model\.onnx in this folder"):
        Net("tiny")


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
    model, _ = mien.load_run(name)
    faces = drawn_faces(70).train.images[:, None]
    import torch

    with torch.inference_mode():
        expected = (model(torch.from_numpy(faces)) / card.temperature).softmax(1).numpy()
    assert np.abs(Net(name)(faces) - expected).max() <= 1e-4


def test_the_box_is_small() -> None:
    assert sum(path.stat().st_size for path in shipped.BOX.rglob("*") if path.is_file()) <= 26e6
