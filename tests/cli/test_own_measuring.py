"""Somebody judges networks on pictures of their own: what is asked about, what flatters, and what is left alone."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.cards import Card
from mien.cli import main
from mien.cli.evaluate import _pairs
from mien.cli.faces import say_changed
from mien.data.drawn import draw
from mien.data.load import load_faces
from mien.data.origin import DataPath
from mien.evaluation.metrics import holm, mcnemar
from mien.evaluation.scores import Scores, score
from mien.experiment import named
from mien.net import Net

NAMES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def folder(root: Path, count: int = 70, **names: str) -> Path:
    """`root/NAME/N.png`: drawn faces, a folder for each expression, or for those alone that are given a name."""
    drawn = draw(count, seed=4)
    for number, (image, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        if name := names.get(NAMES[label], "" if names else NAMES[label]):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / name / f"{number}.png")
    return root


def ask(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[dict, str]:
    """What a verb answers with --json, and what it says on stderr."""
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    said = capsys.readouterr()
    return json.loads(said.out), said.err


def test_a_labelled_folder_is_judged_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = folder(tmp_path / "mine")
    part, said = ask(capsys, "evaluate", "small", "--data", mine)
    assert f"{part['n']} of 70 faces were set aside as val; --split all asks about every one" in said
    whole, said = ask(capsys, "evaluate", "small", "--data", mine, "--split", "all", "--views", "2")
    assert (whole["n"], whole["split"], whole["left_out"]) == (70, "all", 0)
    assert "set aside" not in said
    splits, net = load_faces(mine), Net("small")
    right = [score(net, faces, views=2).correct for _, faces in splits if len(faces)]
    assert whole["accuracy"] == pytest.approx(np.concatenate(right).mean())
    assert main(["evaluate", "small", "--data", str(mine), "--split", "all", "--without-leaks"]) == 2
    assert main(["evaluate", "small", "--data", str(mine), "--split", "every"]) == 2


def test_where_all_faces_are_leaks_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path / "mine" / "train")
    for split in ("val", "test"):
        shutil.copytree(tmp_path / "mine" / "train", tmp_path / "mine" / split)
    words = ("evaluate", "small", "--data", str(tmp_path / "mine"), "--split", "test", "--without-leaks")
    assert main([*words]) == 1
    assert capsys.readouterr().err == "error: All 70 faces of test stand in train, too: without them none is left.\n"


def test_fewer_classes_than_the_network_knows_are_an_easier_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders of expressions keep all seven classes; others are the classes themselves."""
    odd = folder(tmp_path / "odd", happy="cheerful", sad="gloomy", angry="cross")
    assert (
        main(
            [
                "train",
                "logistic",
                "--preset",
                "demo",
                "--epochs",
                "2",
                "--data",
                str(odd),
                "--out",
                str(tmp_path / "run"),
            ]
        )
        == 0
    )
    assert "best of 2 epochs by these" in capsys.readouterr().err
    shutil.copytree(odd / "cheerful", tmp_path / "two" / "cheerful")
    shutil.copytree(odd / "gloomy", tmp_path / "two" / "gloomy")
    _, said = ask(capsys, "evaluate", tmp_path / "run", "--data", tmp_path / "two")
    assert (
        "also knows cross, which isn't among the classes of these faces: it is asked about cheerful, gloomy alone"
        in said
    )
    _, said = ask(capsys, "evaluate", tmp_path / "run", "--data", odd, "--calibration")
    assert "also knows" not in said
    assert "claim too much" not in said
    assert "mien calibrate " in said
    _, said = ask(capsys, "evaluate", tmp_path / "run", "--data", odd, "--calibration", "--prior", "even")
    assert "mien calibrate " not in said  # which finds what fits its own answers
    _, said = ask(capsys, "evaluate", tmp_path / "run", "--data", odd, "--split", "all", "--calibration")
    assert "Learned from most of these faces: " in said
    assert "so this temperature and this threshold claim too much: calibrate on faces that they never saw" in said
    shutil.copytree(odd, tmp_path / "moved")  # or as a file: they are the same faces
    assert main(["data", "convert", str(odd), str(tmp_path / "odd.npz")]) == 0
    for same in ("moved", "odd.npz"):
        _, said = ask(capsys, "evaluate", tmp_path / "run", "--data", tmp_path / same, "--split", "all")
        assert "Learned from most of these faces: " in said
        _, said = ask(capsys, "evaluate", tmp_path / "run", "--data", tmp_path / same)
        assert "set aside" not in said
    assert main(["evaluate", "small", "--data", str(odd)]) == 1  # it knows more, but other classes
    said = capsys.readouterr().err
    assert "error: small doesn't fit these faces: it tells apart angry, " in said
    assert said.endswith(" Give cheerful, cross, gloomy the network's names, or train one on these faces.\n")
    assert "also knows" not in said
    assert "set aside" not in said


def test_going_on_with_more_pictures_says_that_val_was_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = folder(tmp_path / "odd", happy="cheerful", sad="gloomy")
    line = ["train", "logistic", "--preset", "demo", "--epochs", "1", "--data", str(odd)]
    assert main([*line, "--out", str(tmp_path / "run")]) == 0
    for name in ("cheerful", "gloomy"):
        Image.fromarray(draw(1, seed=9).images[0]).save(odd / name / "new.png")
    _, said = ask(capsys, "evaluate", tmp_path / "run", "--data", odd)
    assert "was begun with another 'val'" in said
    for earlier, out in (("--init", "on"), ("--teacher", "taught")):
        assert main([*line, earlier, str(tmp_path / "run"), "--out", str(tmp_path / out)]) == 0
        assert f"{tmp_path / 'run'} was begun with another 'val'" in capsys.readouterr().err
    for same in (load_faces(odd), load_faces(odd, size=64), load_faces(odd, rgb=True)):
        say_changed(str(tmp_path / "on"), same, "val", odd)
    assert not capsys.readouterr().err
    assert Card.read(tmp_path / "on").recipe["init"] == "run"  # where it lay is nobody's business


def test_two_networks_are_told_apart_by_the_faces_that_one_alone_has_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = folder(tmp_path / "mine")
    _, said = ask(capsys, "evaluate", "small", "flagship", "--data", mine)
    assert said.count("set aside") == 1
    found, said = ask(capsys, "evaluate", "small", "flagship", "small:int8", "--data", mine, "--split", "all")
    splits = load_faces(mine)
    one, other = (
        np.concatenate([score(Net(name), faces).correct for _, faces in splits if len(faces)])
        for name in ("small", "flagship")
    )
    alone = [int((one & ~other).sum()), int((other & ~one).sum())]
    assert found["pairs"][0]["alone"] == alone
    assert sum(alone)
    assert [each["p"] for each in found["pairs"]] == [mcnemar(*each["alone"]) for each in found["pairs"]]
    assert [each["p_holm"] for each in found["pairs"]] == holm([each["p"] for each in found["pairs"]])
    assert "p of 3 pairs together (Holm)" in said


def test_no_p_value_is_said_to_be_0(capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.zeros(40, np.int64)
    answers = np.eye(7, dtype=np.float32)
    right, wrong = (Scores(answers[labels + one], labels, NAMES, labels) for one in (0, 1))
    assert _pairs(["a", "b"], [right, wrong])[0]["p"] == mcnemar(40, 0) > 0
    assert capsys.readouterr().out.split()[-1] == "0.001"


def test_few_faces_say_little_of_calibration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, said = ask(capsys, "evaluate", "small", "--data", folder(tmp_path / "mine"), "--calibration")
    assert "faces say little of calibration" in said


def test_of_all_in_runs_the_runs_are_compared(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b/logistic", "c/logistic"):
        shutil.copytree(finished, tmp_path / name)
    (tmp_path / "data").mkdir()
    (tmp_path / "a.log").write_text("")
    (tmp_path / "b" / "logistic" / "card.json").rename(tmp_path / "gone.json")
    found, said = ask(capsys, "compare", "a", "a.log", "b/logistic", "c/logistic", "data", "small", "--out", "x.png")
    assert [row["run"] for row in found["runs"]] == ["a", "c/logistic", "small"]
    assert "No finished runs, and left out: a.log, b/logistic, data." in said
    assert main(["compare", "data"]) == 1
    assert main(["compare", "data", "a.log"]) == 1
    assert main(["compare", "a", "nowhere"]) == 1
    shutil.copy(finished / "model.onnx", tmp_path / "out.onnx")
    found, said = ask(capsys, "leaderboard", "a", "data", "out.onnx")
    assert found["rows"][0]["runs"] == ["a"]
    assert "No finished runs, and left out: data, out.onnx." in said


def test_networks_in_a_picture_have_names_of_their_own(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien.evaluation import figures

    monkeypatch.chdir(tmp_path)
    for name in ("one/logistic", "two/logistic"):
        shutil.copytree(finished, tmp_path / name)
    drawn: list[list[str]] = []
    own = figures.ladder_picture
    monkeypatch.setattr(
        figures, "ladder_picture", lambda names, *rest, **more: drawn.append(names) or own(names, *rest, **more)
    )
    assert main(["compare", "one/logistic", "two/logistic", "--out", "x.png"]) == 0
    assert main(["compare", "one/logistic", "small", "--out", "x.png"]) == 0
    assert drawn == [["one/logistic", "two/logistic"], ["logistic", "flagship_small"]]


@pytest.mark.parametrize(
    "taken", ["data.json", "card.json", "weights.safetensors", "model.onnx", "state.pt", "history.csv"]
)
def test_a_run_begins_in_no_folder_where_it_would_replace_something(
    taken: str, faces_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / taken).write_text("mine")
    line = ["train", "logistic", "--preset", "demo", "--epochs", "1", "--data", str(faces_file)]
    assert main([*line, "--out", str(tmp_path / "mine")]) == 1
    assert f"a run would replace the {taken} that is there" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [taken]
    assert (tmp_path / "mine" / taken).read_text() == "mine"


@pytest.mark.parametrize(
    "line", ["show small --out {}", "evaluate small --figure {}", "robustness small --examples {}"]
)
def test_figures_get_not_among_the_pictures(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = folder(tmp_path / "mine")
    words = [word.format(mine / "new.png") for word in line.split()]
    assert main([*words, "--data", str(mine)]) == 1
    assert "lies in the folder of the pictures" in capsys.readouterr().err
    assert not (mine / "new.png").exists()


def test_converting_says_what_training_would(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Copies across the splits, and numbers that became expressions: later only the file is there to be read."""
    mine = folder(tmp_path / "mine", happy="1", sad="2")
    for number in range(12):
        shutil.copy(sorted((mine / "1").iterdir())[0], mine / "1" / f"copy{number}.png")
    rows = [
        f"{n % 2},{' '.join(['7'] * 2304)},{usage}" for n, usage in enumerate(["Training"] * 4 + ["PublicTest"] * 2)
    ]
    (tmp_path / "table.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]))
    assert main(["data", "convert", str(tmp_path / "table.csv"), str(tmp_path / "table.faces")]) == 0
    assert "2 validation faces are identical to one in train" in capsys.readouterr().err
    for name in ("out.npz", "out.faces"):
        assert main(["data", "convert", str(mine), str(tmp_path / name)]) == 0
        said = capsys.readouterr().err
        assert "Folders 1, 2 are read as disgust, fear" in said
        assert name.endswith(".faces") or "identical to one in train" in said


def test_a_card_names_the_files_of_its_data_and_no_folder_on_the_way(tmp_path: Path) -> None:
    splits = load_faces(folder(tmp_path / "mine (new)"))
    told = " (a share of 15% of train, stratified, is the validation split, seed 0)"
    assert named(splits) == "mine (new)" + told
    assert named(replace(splits, origin=DataPath("/a/fer.csv", "/b/votes.csv"))) == "fer.csv + votes.csv" + told
    within = replace(splits, source="/home/ada/own.zip (set/extra.csv)", origin=DataPath("/home/ada/own.zip"))
    assert named(within) == "own.zip"
    assert named(replace(splits, source="made by a program", origin=None)) == "made by a program"


def test_a_run_is_asked_about_its_own_faces_by_all_that_it_was_begun_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces, groups, run = folder(tmp_path / "own", 70), tmp_path / "who.csv", tmp_path / "run"
    pictures = sorted(path.relative_to(faces).as_posix() for path in faces.rglob("*.png"))
    groups.write_text("file,subject\n" + "".join(f"{name},{place // 3}\n" for place, name in enumerate(pictures)))
    begun = ["--data", str(faces), "--groups", str(groups)]
    assert main(["train", "logistic", *begun, "--preset", "demo", "--epochs", "1", "--out", str(run)]) == 0
    capsys.readouterr()
    main(["evaluate", str(run)])
    said = capsys.readouterr().err
    assert f"--data {faces} --groups {groups}" in said
    assert main(["evaluate", str(run), *begun]) == 0
    assert "was begun with another" not in capsys.readouterr().err
