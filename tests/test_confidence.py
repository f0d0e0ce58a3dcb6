"""A run's confidence set right: the card and the ONNX file change, the answers don't."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.cards import CARD, Card
from mien.cli import main
from mien.confidence import calibrate
from mien.data.drawn import drawn_faces
from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.errors import CheckpointError, DataError, MienError
from mien.evaluation.calibration import Calibration
from mien.evaluation.leaderboard import error_as_trained
from mien.evaluation.metrics import log_loss
from mien.evaluation.scores import score
from mien.net import MODEL, Net
from mien.recognition.recognizer import Recognizer


@pytest.fixture(scope="module")
def splits() -> Splits:
    return drawn_faces(1400)


@pytest.fixture(scope="module")
def trained(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six epochs, far less sure than it may be."""
    folder = tmp_path_factory.mktemp("confidence") / "run"
    for _ in mien.train(folder, splits, mien.recipe("cnn", "demo", epochs=6, smoothing=0.3), device="cpu"):
        pass
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_the_run_answers_the_same_as_sure_as_it_is_right(run: Path, splits: Splits) -> None:
    test, scores = splits["test"], Card.read(run).scores
    before, weights = score(Net(run), test), (run / "weights.safetensors").read_bytes()
    found = calibrate(run, splits.val)
    after, card = score(Net(run), test), Card.read(run)
    assert (before.probabilities.argmax(1) == after.probabilities.argmax(1)).mean() > 0.99  # but for even ones
    assert log_loss(test.labels, after.probabilities) < log_loss(test.labels, before.probabilities) - 0.01
    assert (card.temperature, card.uncertain) == (found.temperature, found.uncertain)
    assert card.calibration == json.loads(json.dumps(found.as_json()))
    assert card.temperature < 0.9
    assert card.scores == scores
    assert (run / "weights.safetensors").read_bytes() == weights
    card.verify(run)
    inside = Net(shutil.copy(run / MODEL, run.parent / "alone.onnx")).card
    assert (inside.temperature, inside.uncertain) == (found.temperature, found.uncertain)
    model, card = mien.load_run(run)
    torches = score(model, test, temperature=card.temperature).probabilities
    np.testing.assert_allclose(torches, after.probabilities, atol=1e-4)


def test_again_gives_the_same_and_not_a_temperature_of_the_temperature(run: Path, splits: Splits) -> None:
    assert calibrate(run, splits.val) == calibrate(run, splits.val)


def test_a_calibrated_run_marks_what_it_is_unsure_of(run: Path, splits: Splits) -> None:
    faces = [np.repeat(face[..., None], 3, 2) for face in splits.test.images[:60]]
    assert not any(face.uncertain for face in Recognizer(run, detect=False).read_all(faces)[0])
    found = calibrate(run, splits.val)
    read = [face for reading in Recognizer(run, detect=False).read_all(faces) for face in reading]
    assert [face.uncertain for face in read] == [face.confidence < found.uncertain for face in read]
    assert any(face.uncertain for face in read)


def test_what_it_expects_of_each_answer_is_in_the_order_of_the_card(
    run: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = replace(calibrate(run, splits.val), reliable_by_answer=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    monkeypatch.setattr(Calibration, "of", lambda labels, probabilities: found)
    turned = splits.val.replaced(targets=6 - splits.val.targets, classes=splits.classes[::-1])
    assert calibrate(run, turned) is found
    assert Card.read(run).calibration["reliable_by_answer"] == [0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]


def test_of_other_faces_than_val_the_leaderboard_doesnt_take_the_error(run: Path, splits: Splits) -> None:
    trained = error_as_trained(Card.read(run))
    calibrate(run, splits.test)
    assert error_as_trained(Card.read(run)) == trained


def test_stopped_between_its_two_files_it_is_as_it_was(
    run: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(card: Card, path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Card, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            calibrate(run, splits.val)
    assert Net(run).card.uncertain == 0  # as it was
    calibrate(run, splits.val)
    assert Net(run).card.uncertain > 0


def test_faces_that_it_learned_from_or_of_other_classes_are_refused(run: Path, splits: Splits) -> None:
    was = (run / CARD).read_bytes()
    with pytest.raises(DataError, match="learned from these very faces"):
        calibrate(run, splits.train)
    few = FaceSet(splits.val.images[:2], [0, 1], classes=("yes", "no"))
    with pytest.raises(DataError, match=r"tells apart .*; the faces have yes, no"):
        calibrate(run, few)
    small = splits.val.replaced(images=splits.val.images[:, :32, :32])
    with pytest.raises(DataError, match="takes faces of 1×48×48; these are 1×32×32"):
        calibrate(run, small)
    with pytest.raises(MienError, match="takes a FaceSet"):
        calibrate(run, "val")  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="no run folder"):
        calibrate("small", splits.val)
    assert (run / CARD).read_bytes() == was


def test_the_command_line_takes_the_faces_that_the_run_noted(
    run: Path, splits: Splits, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", str(run)]) == 1  # these were made by a program
    assert "say which faces with --data" in capsys.readouterr().err
    splits.save(tmp_path / "faces.npz")
    assert main(["calibrate", str(run), "--data", str(tmp_path / "faces.npz"), "--json"]) == 0
    said = capsys.readouterr()
    expected = Calibration.of(*(lambda raw: (raw.labels, raw.probabilities))(score(mien.load_run(run)[0], splits.val)))
    assert f'"temperature": {expected.temperature}' in said.out
    assert f"uncertain below {Card.read(run).uncertain:.3f}" in said.err
    for name, sentence in (("small", "are calibrated"), (str(tmp_path), "no run folder")):
        assert main(["calibrate", name]) == 1
        assert sentence in capsys.readouterr().err
