"""Answers for classes that are as frequent as expected, not as in training."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mien.cards import Card
from mien.cli import main
from mien.data.drawn import drawn_faces
from mien.data.faces import FaceSet
from mien.data.load import load_faces
from mien.errors import CheckpointError, DataError
from mien.evaluation.scores import evaluate
from mien.experiment import learned_prior, train
from mien.export import export_onnx
from mien.models import create_model
from mien.net import Net
from mien.prior import adapted, estimated, shares, written
from mien.recognition.recognizer import Recognizer
from mien.recognition.sources import Sources
from mien.shipped import DEFAULT
from mien.training.recipe import recipe

CLASSES = ("happy", "sad", "neutral")
LEARNED = (0.2, 0.3, 0.5)


def normal_posterior(seen: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Bayes' rule, written out, for three classes whose faces are normal numbers around 0, 1 and 2."""
    likely = np.exp(-((seen[:, None] - np.arange(3)) ** 2) / 2) * prior
    return likely / likely.sum(1, keepdims=True)


def test_answers_for_another_prior_are_those_of_bayes() -> None:
    seen = np.random.default_rng(0).normal(1, 1.5, 200)
    had, wanted = np.array(LEARNED), np.array([0.6, 0.3, 0.1])
    moved = adapted(normal_posterior(seen, had), had, wanted)
    np.testing.assert_allclose(moved, normal_posterior(seen, wanted), atol=1e-12)
    np.testing.assert_allclose(adapted(moved, wanted, had), normal_posterior(seen, had), atol=1e-12)
    assert adapted(moved.astype(np.float32), wanted, had).dtype == np.float32


def test_a_class_that_is_ruled_out_or_was_never_learned_isnt_answered() -> None:
    answers = np.array([[0.9, 0.06, 0.04], [1.0, 0.0, 0.0]])
    moved = adapted(answers, LEARNED, (0, 0.5, 0.5))
    np.testing.assert_allclose(moved.sum(1), 1)
    assert moved[0].argmax() == 1
    assert moved[1].tolist() == [0, 0.5, 0.5]  # of what it ruled out itself nothing is left but the prior
    assert (adapted(answers, (0, 0.5, 0.5), (0.4, 0.3, 0.3))[0, 0], answers[0, 0]) == (0, 0.9)


@given(st.integers(0, 400), st.lists(st.floats(0.02, 1), min_size=3, max_size=3), st.integers(0, 99))
def test_estimate_and_answers_fit_each_other(many: int, true: list[float], seed: int) -> None:
    generator, wanted = np.random.default_rng(seed), np.array(true) / sum(true)
    labels = generator.choice(3, many, p=wanted)
    answers = normal_posterior(generator.normal(labels, 1), np.array(LEARNED))
    found = estimated(answers, LEARNED)
    assert found.sum() == pytest.approx(1)
    assert (found > 0).all()
    if not many:
        np.testing.assert_allclose(found, LEARNED)
    best = adapted(answers, LEARNED, found).sum(0) + (7 + many / 2) * np.array(LEARNED)
    np.testing.assert_allclose(found, best / best.sum(), atol=1e-4)


def test_an_estimate_is_nearer_to_the_truth_than_what_was_learned() -> None:
    wanted = np.array([0.7, 0.2, 0.1])
    generator = np.random.default_rng(1)
    labels = generator.choice(3, 3000, p=wanted)
    seen = generator.normal(labels, 0.7)
    answers = np.exp(-((seen[:, None] - np.arange(3)) ** 2) / 0.98) * LEARNED
    answers /= answers.sum(1, keepdims=True)
    found = estimated(answers, LEARNED)
    moved = adapted(answers, LEARNED, found)
    assert abs(found - wanted).sum() < 0.6 * abs(np.array(LEARNED) - wanted).sum()
    assert (moved.argmax(1) == labels).mean() > (answers.argmax(1) == labels).mean() + 0.02
    assert abs(moved.mean(0) - wanted).sum() < abs(answers.mean(0) - wanted).sum()


def test_shares_by_a_word_or_by_name() -> None:
    assert shares("even", CLASSES, LEARNED).tolist() == pytest.approx([1 / 3] * 3)
    assert shares({}, CLASSES, LEARNED).tolist() == pytest.approx(LEARNED)
    assert shares({"sad": 0.2}, CLASSES, LEARNED).tolist() == pytest.approx([0.8 * 2 / 7, 0.2, 0.8 * 5 / 7])
    assert shares({"sad": 0, "happy": 1}, CLASSES, LEARNED).tolist() == [1, 0, 0]
    rounded = {"happy": 0.3333, "sad": 0.3333, "neutral": 0.3333}
    assert shares(rounded, CLASSES, LEARNED).sum() == pytest.approx(1)
    to_percents = {"happy": 0.33, "sad": 0.33, "neutral": 0.33}
    assert shares(to_percents, CLASSES, LEARNED).tolist() == pytest.approx([1 / 3] * 3)
    assert shares({"happy": 0.67, "sad": 0.34}, CLASSES, LEARNED).tolist() == pytest.approx([67 / 101, 34 / 101, 0])


def test_a_class_that_wasnt_learned_is_expected_never() -> None:
    assert shares("even", CLASSES, (0.25, 0.75, 0)).tolist() == [0.5, 0.5, 0]
    assert shares({"neutral": 0}, CLASSES, (0.25, 0.75, 0)).tolist() == [0.25, 0.75, 0]
    with pytest.raises(DataError, match="no face of neutral"):
        shares({"neutral": 1}, CLASSES, (0.25, 0.75, 0))


@pytest.mark.parametrize(
    ("prior", "said"),
    [
        ("evenly", "no prior 'evenly'"),
        ({"joy": 0.5}, "has the class 'joy'"),
        ({"happy": 1.5}, "found happy=1.5"),
        ({"happy": -0.5}, "found happy=-0.5"),
        ({"happy": float("nan")}, "found happy=nan"),
        ({"happy": 0.2, "sad": 0.2, "neutral": 0.2}, "add to 1, not 0.6"),
        ({"happy": 0.97, "sad": 0.05}, "add to 1, not 1.02"),
        ({"happy": "0.5"}, "found {'happy': '0.5'}"),
        ([0.2, 0.3, 0.5], r"found \[0.2, 0.3, 0.5\]"),
    ],
)
def test_a_prior_that_cant_be_is_said(prior: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        shares(prior, CLASSES, LEARNED)  # type: ignore[arg-type]


@pytest.mark.parametrize("prior", [(0.5, 0.5), (0.2, 0.9, -0.1), (0.5, 0.5, 0.5), (float("nan"), 0.5, 0.5)])
def test_a_card_has_a_share_for_each_class(prior: tuple[float, ...]) -> None:
    with pytest.raises(CheckpointError, match="prior"):
        Card(model="cnn", classes=CLASSES).model_copy(update={"prior": prior})


def test_what_a_training_saw() -> None:
    faces = FaceSet(np.zeros((5, 8, 8), np.uint8), [0, 0, 0, 1, -1], classes=CLASSES)
    assert learned_prior(faces, recipe("cnn")) == (0.75, 0.25, 0)
    votes = FaceSet(np.zeros((2, 8, 8), np.uint8), [[0.5, 0.5, 0], [0, 0, 1]], classes=CLASSES)
    assert learned_prior(votes, recipe("cnn")) == (0.25, 0.25, 0.5)
    for evened in (recipe("cnn", sampling="balanced"), recipe("cnn", class_weights="balanced")):
        assert learned_prior(faces, evened) == (0.5, 0.5, 0)
    votes = FaceSet(np.zeros((4, 8, 8), np.uint8), [[0.75, 0.25, 0]] * 3 + [[0, 1, 0]], classes=CLASSES)
    assert learned_prior(votes, recipe("cnn", class_weights="balanced")) == (0.5, 0.5, 0)
    assert learned_prior(votes, recipe("cnn", sampling="balanced")) == (0.375, 0.625, 0)  # a draw of either, as likely


def test_a_run_and_its_file_alone_say_what_was_learned(tmp_path: Path) -> None:
    splits, made = drawn_faces(140), recipe("logistic", "demo", epochs=1)
    assert len(list(train(tmp_path / "run", splits, made, device="cpu"))) == 1
    card = Card.read(tmp_path / "run")
    assert card.prior == learned_prior(splits["train"], made)
    shutil.copy(tmp_path / "run" / "model.onnx", tmp_path / "alone.onnx")
    assert Net(tmp_path / "alone.onnx", prior="even").card.prior == card.prior


@pytest.fixture(scope="module")
def drawn() -> FaceSet:
    return drawn_faces(300).train[:200]


def test_a_network_answers_for_the_prior_that_it_is_given(drawn: FaceSet) -> None:
    plain, even = Net(DEFAULT), Net(DEFAULT, prior="even")
    assert plain.prior == pytest.approx(dict(zip(plain.classes, plain.card.prior, strict=True)))
    assert even.prior == pytest.approx(dict.fromkeys(even.classes, 1 / 7))
    answers = even(drawn.images)
    np.testing.assert_allclose(answers, adapted(plain(drawn.images), plain.card.prior, [1 / 7] * 7), atol=1e-6)
    disgust = plain.classes.index("disgust")
    assert (answers[:, disgust] > plain(drawn.images)[:, disgust]).all()  # the rarest
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(even))(drawn.images[:3]), answers[:3])
    with pytest.raises(DataError, match="'joy'"):
        Net(DEFAULT, prior={"joy": 1})
    given = {"sad": 0.5}
    sad = Net(DEFAULT, prior=given)
    given["sad"] = 0.1  # later, by its owner
    assert pickle.loads(pickle.dumps(sad)).prior == sad.prior


def test_a_network_that_doesnt_say_what_it_learned(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_onnx(create_model("logistic", classes=3), path, Card(model="logistic", classes=CLASSES))
    assert Net(path).prior is None
    Image.new("L", (48, 48)).save(tmp_path / "black.png")
    for ask in (lambda: Net(path, prior="even"), lambda: Recognizer(path).estimate_prior(tmp_path / "black.png")):
        with pytest.raises(CheckpointError, match="doesn't say how frequent"):
            ask()


def test_a_file_that_is_exported_for_a_prior_answers_for_it(drawn: FaceSet, tmp_path: Path) -> None:
    made, prior = tmp_path / "own.onnx", {"happy": 0.5, "disgust": 0}
    assert main(["export", "small", str(made), "--prior", "happy=0.5,disgust=0"]) == 0
    net, known = Net(made), Net("small", prior=prior)
    assert net.prior == pytest.approx(known.prior)
    np.testing.assert_allclose(net(drawn.images), known(drawn.images), atol=1e-4)
    assert net(drawn.images)[:, net.classes.index("disgust")].max() == 0


@pytest.fixture(scope="module")
def album(drawn: FaceSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty crops, three of four happy."""
    folder = tmp_path_factory.mktemp("album")
    happy = drawn.classes.index("happy")
    chosen = [*np.flatnonzero(drawn.labels == happy)[:24], *np.flatnonzero(drawn.labels != happy)[:8]]
    for number, place in enumerate(chosen):
        Image.fromarray(drawn.images[place]).save(folder / f"{number:02d}.png")
    return folder


def test_the_prior_of_ones_own_photos(album: Path) -> None:
    recognizer, told = Recognizer(detect=False), []
    prior = recognizer.estimate_prior(album, told=told.append)
    assert told == list(range(1, 33))
    assert sum(prior.values()) == pytest.approx(1, abs=0.001)
    answers = np.array([[*face.probabilities.values()] for reading in recognizer.stream(album) for face in reading])
    expected = estimated(answers, recognizer.net.card.prior)
    assert list(prior.values()) == pytest.approx(expected.tolist(), abs=0.0001)
    known = Recognizer(detect=False, prior=prior)
    assert known.net.prior == pytest.approx(prior, abs=0.001)
    [face] = known(album / "00.png")
    assert face.probabilities != recognizer(album / "00.png")[0].probabilities


def test_predict_estimates_it_or_takes_it(mien, album: Path, film: Path, tmp_path: Path) -> None:
    line = ("predict", album, "--no-detect", "--out", "rows.jsonl", "--json")
    done = mien(tmp_path, *line, "--prior", "found", "--limit", "10")
    assert done.returncode == 0, done.stderr
    prior = Recognizer(detect=False).estimate_prior(album)
    assert f"The prior of 32 photos: {written(prior)}\n" in done.stderr
    assert json.loads(done.stdout)["prior"] == pytest.approx(prior, abs=1e-3)
    there = mien(tmp_path, *line, "--prior", "found")
    assert (there.returncode, "it exists" in there.stderr, "The prior" in there.stderr) == (1, True, False)
    added = tmp_path / "added"
    added.mkdir()
    for number in range(9):
        shutil.copy(album / "31.png", added / f"{number}.png")
    rest = mien(tmp_path, *line, added, "--prior", "found", "--resume")
    assert (rest.returncode, "The prior" in rest.stderr) == (0, False), rest.stderr
    rows = [json.loads(text) for text in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == 41
    for row, reading in zip(rows, Recognizer(detect=False, prior=prior).stream([album, added]), strict=True):
        assert row["probabilities"] == pytest.approx(reading[0].probabilities, abs=1e-4)

    for words in (("--prior", "even"), ()):
        other = mien(tmp_path, *line, *words, "--resume")
        assert (other.returncode, "begun with --prior found" in other.stderr) == (1, True), other.stderr
    without = mien(tmp_path, *line, "--prior", "disgust=0,happy=0.5", "--overwrite")
    assert without.returncode == 0, without.stderr
    rows = [json.loads(text) for text in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {row["probabilities"]["disgust"] for row in rows} == {0}
    plain = mien(tmp_path, "predict", album / "00.png", "--no-detect", "--json")
    assert json.loads(plain.stdout)["prior"] is None


def test_no_prior_is_found_in_videos_cameras_and_pipes(mien, album: Path, film: Path, tmp_path: Path) -> None:
    for names, said in (((film,), "there is 1 video, too"), ((album, "0", "1"), "there are 2 cameras, too")):
        with pytest.raises(DataError, match=said):
            Recognizer().estimate_prior(names)
        refused = mien(tmp_path, "predict", *names, "--prior", "found")
        assert (refused.returncode, said in refused.stderr) == (1, True), refused.stderr


def test_of_many_photos_some_of_every_folder_are_asked(album: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(album, tmp_path / name)
    some = Sources([tmp_path, tmp_path / "a", tmp_path / "b" / "00.png"]).some_photos(16)  # each once
    assert [Path(path).parent.name for path in some] == ["a"] * 8 + ["b"] * 8
    assert len(set(some)) == 16


def test_photos_that_are_named_as_cameras_are(album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(album / "00.png", tmp_path / "0")
    monkeypatch.chdir(tmp_path)
    assert Sources(".").some_photos(10) == [str(tmp_path / "0")]


@pytest.mark.parametrize("words", ["happy=much", "happy=0.5,happy=0.2", "happy=0.5;sad=0.1", "joy=0.2", "found"])
def test_words_that_are_no_prior(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "small", "--prior", words]) in (1, 2)
    told = capsys.readouterr().err
    assert words.split("=")[0] in told
    assert "Traceback" not in told


def test_evaluate_by_another_prior(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces_file = tmp_path / "faces.npz"
    drawn_faces(280).save(faces_file)
    assert main(["evaluate", "small", "--data", str(faces_file), "--prior", "even", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    report = evaluate(Net("small", prior="even"), load_faces(faces_file).val)
    assert (told["prior"], told["balanced_accuracy"]) == ("even", pytest.approx(report.balanced_accuracy))
    assert main(["evaluate", "cnn", "--data", str(faces_file), "--prior", "even"]) == 2
    assert "untrained" in capsys.readouterr().err
