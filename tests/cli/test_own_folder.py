"""A small folder of one's own: where its results may lie, how its classes are read, which batches it is learned in."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from mien.cli import main
from mien.cli.batches import fitted
from mien.cli.faces import read_source, say_leaked
from mien.data.copies import leaked
from mien.data.drawn import draw
from mien.data.folder import load_folder, read_as
from mien.data.origin import DataPath
from mien.data.splits import Splits
from mien.errors import DataError
from mien.models import LADDER
from mien.training.recipe import Recipe, recipe

NAMES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def faces(root: Path, **folders: str) -> Path:
    """`root/FOLDER/N.png`, drawn faces: a folder for each expression that is named."""
    drawn = draw(210, seed=3)
    for number, (image, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        if folder := folders.get(NAMES[int(label)]):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / folder / f"{number}.png")
    return root


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return faces(tmp_path / "mine", happy="cheerful", sad="gloomy")


@pytest.mark.parametrize(
    "line",
    [
        ("train", "logistic", "--epochs", "1"),
        ("ladder", "--epochs", "1"),
        ("sweep", "logistic", "--field", "lr=0.01..0.1", "--trials", "1", "--epochs", "1"),
        ("data", "show"),
    ],
)
def test_results_never_get_among_the_pictures(
    line: tuple[str, ...], mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(mine)
    for out in ([], ["--out", str(mine / "deep" / "results")]):
        assert main([*line, "--data", ".", *out]) == 1
        said = capsys.readouterr().err
        assert "lies in the folder of the pictures, ., where it would be taken for one of the classes" in said
        assert "such as ../runs/" in said
    monkeypatch.chdir(mine.parent)
    (mine.parent / "link").symlink_to(mine)
    assert main([*line, "--data", "link", "--out", "mine/results"]) == 1
    assert sorted(path.name for path in mine.iterdir()) == ["cheerful", "gloomy"]


def test_a_place_beside_the_pictures_is_taken(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine)
    assert main(["data", "show", "--data", ".", "--out", "../mine and more"]) == 0
    assert main(["data", "convert", ".", "mine.npz"]) == 0  # a file is no folder of a class
    assert load_folder(mine).classes == ("cheerful", "gloomy")


def test_a_conversion_into_the_pictures_is_refused(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "convert", str(mine), str(mine / "mine.faces")]) == 1
    assert "lies in the folder of the pictures" in capsys.readouterr().err
    assert not (mine / "mine.faces").exists()


def test_what_lies_there_already_is_no_class(
    mine: Path, few_drawn: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(mine)
    assert main(["data", "show"]) == 0  # of drawn faces: nothing to do with the pictures, but here
    with pytest.raises(DataError, match=r"runs/data: what mien wrote lies among .* 'runs' would be a class\. Move"):
        load_folder(mine)
    shutil.rmtree("runs")
    (mine / "cheerful" / "counts.png").write_bytes(next(mine.glob("cheerful/*.png")).read_bytes())
    assert load_folder(mine).classes == ("cheerful", "gloomy")  # one name alone says nothing
    assert main(["train", "logistic", "--preset", "demo", "--epochs", "1"]) == 0
    capsys.readouterr()
    for more in ([], ["--skip-bad-rows"]):
        assert main(["train", "logistic", "--data", ".", "--out", str(tmp_path / "run"), *more]) == 1
        assert "runs/logistic: what mien wrote lies among the pictures" in capsys.readouterr().err


def test_a_ladder_of_few_faces_begins_in_small_batches(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def stop(folder: Path, splits: Splits, chosen: Recipe, **_: object) -> None:
        asked.append((chosen.model, chosen.batch))
        raise KeyboardInterrupt

    monkeypatch.setattr("mien.experiment.train", stop)
    assert main(["ladder", "--data", str(mine), "--out", str(tmp_path / "small")]) == 130
    assert asked == [("logistic", 16)]
    for chosen, lr in ((recipe("cnn"), 0.1 * 16 / 128), (recipe("feedforward"), 0.002)):  # by SGD, and by AdamW
        assert (fitted(chosen, 100).batch, fitted(chosen, 100).lr) == (16, pytest.approx(lr))


@pytest.mark.soak
def test_few_faces_are_climbed_in_small_batches(mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second call goes on with what the first one chose; a ladder of the preset's own batches keeps them."""

    def climb(out: str, *words: str) -> str:
        capsys.readouterr()
        assert main(["ladder", "--data", str(mine), "--epochs", "1", "--out", str(tmp_path / out), *words]) == 0
        return capsys.readouterr().err

    def recipes(out: str) -> dict[str, tuple[int, float]]:
        found = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob(f"{out}/*/recipe.json")}
        return {name: (one["batch"], one["lr"]) for name, one in found.items()}

    plain = {name: recipe(name) for name in LADDER}
    assert "faces to learn from: batches of 16 rather than" in climb("small")
    assert recipes("small") == {
        name: (16, one.lr * 16 / one.batch if one.optimiser == "sgd" else one.lr) for name, one in plain.items()
    }
    shutil.rmtree(tmp_path / "small" / "resnet")
    assert "Trained already: logistic, feedforward, cnn" in climb("small")
    assert {batch for batch, _ in recipes("small").values()} == {16}

    assert "faces to learn from" not in climb("large", "--preset", "tuned")
    shutil.rmtree(tmp_path / "large" / "resnet")
    assert "faces to learn from" not in climb("large")
    assert recipes("large") == {name: (one.batch, one.lr) for name, one in plain.items()}


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (
            {"disgust": "1", "fear": "2", "happy": "3"},
            "Folders 1, 2, 3 are read as disgust, fear, happy, of FER2013's 7 classes; the network has them all. Where "
            "one folder has another name, such as my_1, the folders themselves are the classes.",
        ),
        (
            {"happy": "happiness", "sad": "sad"},
            "Folders happiness, sad are read as happy, sad, of FER2013's 7 classes",
        ),
        ({"happy": "happy", "sad": "contempt"}, "are read as contempt, happy, of FER+'s 8 classes"),
        ({name: name for name in NAMES}, ""),
        ({"happy": "my_happy", "sad": "sad"}, ""),
    ],
)
def test_it_is_said_when_folders_become_known_expressions(
    folders: dict[str, str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(faces(tmp_path / "mine", **folders))
    assert main(["data", "show", "--data", data, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().err
    assert said in told
    assert ("read as" in told) == bool(said)


def test_it_is_said_when_the_split_put_copies_on_both_sides(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say_leaked(read_source(DataPath(str(mine))))
    assert not capsys.readouterr().err
    for file in list((mine / "gloomy").iterdir()):
        shutil.copy(file, file.with_name(f"again {file.name}"))
    splits = read_source(DataPath(str(mine)))
    both = int(leaked(splits.train, splits.val).sum())
    assert both > 1
    assert not capsys.readouterr().err  # to most who read faces it doesn't matter
    say_leaked(splits)
    assert f"{both} validation faces are identical to one in train" in capsys.readouterr().err


def test_split_folders_and_rafdb_are_told_by_what_they_became(tmp_path: Path) -> None:
    for split in ("train", "val"):
        faces(tmp_path / "splits" / split, happy="3", sad="4")
    assert read_as(load_folder(tmp_path / "splits")) == {"3": "happy", "4": "sad"}
    for number, folder in enumerate("4567", 1):
        path = tmp_path / "raf" / folder / f"train_0000{number}_aligned.jpg"
        path.parent.mkdir(parents=True)
        Image.new("L", (48, 48)).save(path)
    assert read_as(load_folder(tmp_path / "raf")) == {"4": "happy", "5": "sad", "6": "angry", "7": "neutral"}
