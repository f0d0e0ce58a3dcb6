"""What each verb answers: one JSON document on stdout, its shape, and that it agrees with the Python API."""

import json
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mien as library
from mien.cli import main
from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.errors import DataError
from mien.evaluation.scores import score, together
from mien.score.job import Job
from mien.shipped import find

REPORT = {"accuracy", "interval", "balanced_accuracy", "macro_f1", "ece", "loss", "per_class", "confusion"} | {
    "n",
    "split",
    "views",
    "left_out",
    "distance",
}


def ask(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict:
    """Run a verb with --json in this process; stdout holds one document and nothing else."""
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def kind_and_width(path: str | Path) -> tuple[str | None, int]:
    with Image.open(path) as picture:
        return picture.format, picture.width


def test_train_answers_with_its_run(trained: "subprocess.CompletedProcess[str]", finished: Path) -> None:
    document = json.loads(trained.stdout)
    assert document["run"] == str(Path("runs", "logistic"))
    assert (document["model"], document["preset"], document["epochs"]) == ("logistic", "demo", 3)
    assert document["parameters"] == 48 * 48 * 7 + 7
    assert set(document["after"]["val"]) == set(document["before"]["val"]) == REPORT
    lines = [line for line in trained.stderr.splitlines() if line.startswith("epoch")]
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
    where, first, *_ = trained.stderr.splitlines()
    noted = json.loads((finished / "environment.json").read_text())
    assert where == f"On {noted['device']}, in {noted['precision']}."
    assert noted["device"] == "cpu"
    untrained = document["before"]["val"]["accuracy"]
    assert first == f"before training: accuracy {untrained:.3f} on val"
    curves, confusion = (Path("runs", "logistic", "figures", name) for name in ("curves.svg", "confusion.svg"))
    assert f"drawn in {curves}, what it confuses in {confusion}." in trained.stderr
    assert "mien evaluate" in trained.stderr
    recipe = json.loads((finished / "recipe.json").read_text())
    assert (recipe["epochs"], recipe["lr"], recipe["preset"]) == (3, 0.02, "demo")


def test_a_run_isnt_written_over(mien, home: Path, finished: Path, faces_file: Path) -> None:
    before = (finished / "weights.safetensors").read_bytes()
    done = mien(home, "train", "logistic", "--preset", "demo", "--data", faces_file)
    assert done.returncode == 1
    assert "--resume" in done.stderr
    assert (finished / "weights.safetensors").read_bytes() == before


def test_evaluate(finished: Path, faces_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_folder = ask(capsys, "evaluate", finished, "--data", faces_file)
    assert by_folder == ask(capsys, "evaluate", finished / "model.onnx", "--data", faces_file, "--split", "val")
    assert set(by_folder) == REPORT
    val = Splits.load(faces_file).val
    assert by_folder == library.evaluate(library.Net(finished), val, split="val").as_json()
    test = ask(capsys, "evaluate", finished, "--data", faces_file, "--split", "test", "--views", "2")
    assert (test["split"], test["views"], test["n"]) == ("test", 2, 63)
    model, card = library.load_run(finished)
    assert library.evaluate(model, val).accuracy == pytest.approx(by_folder["accuracy"], abs=1.01 / 63)
    assert card.scores["after"]["val"]["n"] == by_folder["n"]


def test_evaluate_prints_a_table_for_people(
    finished: Path, faces_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(finished), "--data", str(faces_file)]) == 0
    said = capsys.readouterr()
    report = library.evaluate(library.Net(finished), Splits.load(faces_file).val)
    assert f"{report.accuracy:.4f}" in said.out
    assert "63 faces of val" in said.out
    assert main(["evaluate", str(finished)]) == 0
    assert "900 drawn faces of val" in capsys.readouterr().out
    assert all(name in said.out for name in (*report.classes, "macro-F1", "95 % interval"))


def test_evaluate_several_together(faces_file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    both = ask(capsys, "evaluate", "small", "flagship", "--data", faces_file, "--views", "2")
    val = Splits.load(faces_file).val
    parts = [score(library.Net(find(name)), val, views=2, split="val") for name in ("small", "flagship")]
    mean = np.mean([part.probabilities for part in parts], 0)
    assert both["accuracy"] == (mean.argmax(1) == val.labels).mean()
    assert both["loss"] == pytest.approx(-np.log(mean[np.arange(len(val)), val.labels]).mean(), abs=1e-6)
    assert [each["accuracy"] for each in both["members"]] == [part.correct.mean() for part in parts]
    with pytest.raises(DataError, match="weren't asked about the same faces"):
        together([parts[0], score(library.Net(find("small")), val[:5])])

    wide = ("train", "logistic", "--preset", "demo", "--epochs", "1", "--out", tmp_path / "wide", "--data")
    large = FaceSet(val.images.repeat(2, 1).repeat(2, 2), val.targets)
    Splits(large, large, large).save(tmp_path / "wide.npz")
    ask(capsys, *wide, tmp_path / "wide.npz")
    assert main(["evaluate", "small", str(tmp_path / "wide"), "--data", str(faces_file)]) == 1
    assert "these take: small 1×48×48, " in capsys.readouterr().err


def test_evaluate_asks_a_network_named_twice_once(faces_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "evaluate", "small", "small", "--data", faces_file) == ask(
        capsys, "evaluate", "small", "--data", faces_file
    )


def test_evaluate_before_any_training(faces_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = ask(capsys, "evaluate", "logistic", "--data", faces_file)
    assert set(first) == REPORT
    assert first["accuracy"] < 0.4
    assert first == ask(capsys, "evaluate", "logistic", "--data", faces_file)


def test_evaluate_an_unknown_name_lists_the_models(
    tmp_path: Path, faces_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "resnt", "--data", str(faces_file)]) == 1
    assert "logistic, feedforward, cnn, resnet" in capsys.readouterr().err


def test_show_an_index(finished: Path, faces_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "face.png"
    document = ask(capsys, "show", finished, "--data", faces_file, "--index", "3", "--index", "0", "--out", out)
    assert document["picture"] == str(out)
    assert kind_and_width(out)[1] > 100
    val = Splits.load(faces_file).val
    probabilities = library.Net(finished)(val.images[[3, 0]])
    assert [face["index"] for face in document["faces"]] == [3, 0]
    for face, given, label in zip(document["faces"], probabilities, val.labels[[3, 0]], strict=True):
        assert list(face["probabilities"]) == list(val.classes)
        assert list(face["probabilities"].values()) == pytest.approx(given.tolist(), abs=1e-6)
        assert face["predicted"] == val.classes[given.argmax()]
        assert face["true"] == val.classes[label]
        assert face["right"] == (face["true"] == face["predicted"])


def test_show_puts_its_picture_into_the_run(
    finished: Path, faces_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = ask(capsys, "show", finished, "--data", faces_file, "--split", "test", "--n", "5")
    assert len({face["index"] for face in document["faces"]}) == 5
    assert Path(document["picture"]) == finished / "figures" / "show-test.png"
    assert Path(document["picture"]).exists()


def test_drawn_faces_are_called_so_where_a_run_learned_from_others(
    finished: Path, faces_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = finished / "figures" / "show-val.png"
    ask(capsys, "show", finished, "--data", faces_file)
    kept = own.read_bytes()
    drawn: list[int] = []
    draw = library.data.drawn.draw
    monkeypatch.setattr("mien.data.drawn.draw", lambda n, *what, **how: drawn.append(n) or draw(n, *what, **how))
    for verb in ("show", "evaluate"):
        assert main([verb, str(finished)]) == 0
        said = capsys.readouterr()
        told = f"from {faces_file}; without --data these are drawn faces. --data {faces_file} asks about its own."
        assert told in said.err
        assert "drawn faces of val" in said.out.splitlines()[0]
        assert main([verb, str(finished), "--data", str(faces_file)]) == 0
        said = capsys.readouterr()
        assert "drawn" not in said.out + said.err
    assert own.read_bytes() == kept
    assert own.with_name("show-drawn-val.png").exists()
    assert drawn == [0, 900, 0] * 2  # no more than are looked at


def test_a_run_on_faces_made_by_a_program_is_told_from_the_drawn_ones(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    noted = json.loads((run / "data.json").read_text())
    (run / "data.json").write_text(json.dumps({"checksums": noted["checksums"]}))
    for verb in ("show", "evaluate", "robustness"):
        assert main([verb, str(run)]) == 0
        said = capsys.readouterr()
        assert f"{run} was begun on faces made by a program; without --data these are drawn faces." in said.err
        assert "drawn faces of val" in said.out.splitlines()[0]


def test_show_an_index_that_isnt_there(finished: Path, faces_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(finished), "--data", str(faces_file), "--index", "63"]) == 1
    assert "no face 63 in val: it has 63, counted from 0" in capsys.readouterr().err


def test_show_of_marked_faces(faces_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    splits = Splits.load(faces_file)
    marks = ["" if place % 2 else "tie" for place in range(len(splits.val))]
    val = FaceSet(splits.val.images, splits.val.targets, marks=marks)
    Splits(splits.train, val, splits.test).save(tmp_path / "marked.npz")
    line = ("show", "small", "--data", tmp_path / "marked.npz", "--out", tmp_path / "faces.png")
    assert {face["index"] % 2 for face in ask(capsys, *line)["faces"]} == {1}
    assert main([*map(str, line), "--index", "1", "--index", "4"]) == 1
    assert "Face 4 of val is marked 'tie': there is nothing to hold" in capsys.readouterr().err


def test_data_that_has_changed_since_is_told(
    finished: Path,
    faces_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, data = tmp_path / "run", tmp_path / "faces.npz"
    shutil.copytree(finished, run)
    begun = json.loads((run / "data.json").read_text()) | {"path": str(data)}
    (run / "data.json").write_text(json.dumps(begun))
    splits = Splits.load(faces_file)
    splits.save(data)
    monkeypatch.chdir(tmp_path)
    Path("data.json").write_text("[1")  # somebody else's, in the folder that the command is given in
    for target in (str(run), "small"):
        assert main(["evaluate", target, "--data", str(data)]) == 0
        assert "was begun with" not in capsys.readouterr().err
    Splits(splits.train, splits.val[1:], splits.test).save(data)
    for verb in ("evaluate", "show"):
        assert main([verb, str(run), "--data", str(data)]) == 0
        assert f"{run} was begun with another 'val' of {data}" in capsys.readouterr().err


def test_compare(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    shutil.copytree(finished, other)
    out = tmp_path / "both.png"
    document = ask(capsys, "compare", finished, other, "--out", out)
    assert document["picture"] == str(out)
    assert kind_and_width(out)[1] > 100
    first, second = document["runs"]
    assert first | {"run": str(other)} == second
    card = library.Card.read(finished)
    assert first["accuracy"] == card.scores["after"]["val"]["accuracy"]
    assert (first["epochs"], first["parameters"], first["macs"]) == (3, card.parameters, card.macs)
    assert first["train_seconds"] > 0


def test_networks_in_the_box_are_compared_without_their_training(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = ask(capsys, "compare", "small", finished, "--out", tmp_path / "both.svg")
    small, run = document["runs"]
    assert (small["epochs"], small["train_seconds"]) == (None, None)
    assert small["accuracy"] > 0.6
    assert run["epochs"] == 3
    assert (tmp_path / "both.svg").read_bytes().startswith(b"<?xml")
    assert main(["compare", "small:int8"]) == 1
    assert "name small" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["evaluate small --figure a.gif", "explain a.jpg --out a.gif", "robustness small --examples a.gif",
     "compare small --out a.gif", "show small --out a.gif", "predict PHOTO --timeline a.gif",
     "predict PHOTO --sheet a.gif"],
)  # fmt: skip
def test_a_picture_of_another_kind_is_refused_alike(line: str, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(photo) if word == "PHOTO" else word for word in line.split()]) == 2
    assert ".svg or .png" in capsys.readouterr().err


def test_models_lists_what_each_costs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = ask(capsys, "models", "--preset", "demo")["models"]
    assert rows[2]["parameters"] == ask(capsys, "models", "cnn", "--preset", "demo")["parameters"] < 30_000
    assert [row["model"] for row in rows] == ["logistic", "feedforward", "cnn", "resnet", "flagship", "flagship_small"]
    assert rows[0]["macs"] == 48 * 48 * 7
    assert all(0 < row["cpu_ms"] < 10_000 for row in rows)


def test_models_layer_by_layer(capsys: pytest.CaptureFixture[str]) -> None:
    document = ask(capsys, "models", "cnn", "--preset", "demo")
    assert document["layers"][-1]["shape"] == [7]
    for cost in ("parameters", "macs"):
        assert sum(layer[cost] for layer in document["layers"]) == document[cost] > 0
    assert main(["models", "nosuch"]) == 1
    assert "logistic, feedforward, cnn, resnet" in capsys.readouterr().err


def test_data_show(faces_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = ask(capsys, "data", "show", "--data", faces_file, "--out", tmp_path)
    splits = Splits.load(faces_file)
    for name, faces in splits:
        found = document["splits"][name]
        assert found["counts"] == faces.counts
        assert sum(found["shares"].values()) == pytest.approx(1)
        pixels = found["pixels"]
        assert (pixels["min"], pixels["max"]) == (faces.images.min(), faces.images.max())
        assert (pixels["mean"], pixels["std"]) == pytest.approx((faces.images.mean(), faces.images.std()))
    assert set(document["pictures"]) == {"counts", "samples", "means", "batch"}
    for path in document["pictures"].values():
        assert kind_and_width(path)[0] == "PNG"


def test_data_convert_keeps_every_face(faces_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(capsys, "data", "convert", faces_file, tmp_path / "new" / "copy.npz")
    for (_, before), (_, after) in zip(
        Splits.load(faces_file), Splits.load(tmp_path / "new" / "copy.npz"), strict=True
    ):
        assert before.checksum == after.checksum


def test_data_get_says_where_and_under_which_terms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(*_: object) -> None:
        raise library.MienError("no network here")

    monkeypatch.setattr("mien.data.obtain.fetch", offline)
    assert main(["data", "get", str(tmp_path), "--json"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "kaggle.com" in said.err
    assert "Terms" in said.err
    assert said.err.endswith("error: no network here\n")


def test_training_starts_from_the_weights_of_another_run(
    capsys: pytest.CaptureFixture[str], faces_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rest = ("--data", str(faces_file), "--preset", "demo", "--epochs", "1")
    tiny = [f"--option={field}" for field in ("stem=4", "widths=[4,8]", "depths=[1,1]", "squeeze=true")]
    first = ask(capsys, "train", "flagship_small", "--out", "first", *tiny, *rest, "--lr", "0.02")
    again = ask(capsys, "train", "--init", "first", "--out", "again", *rest, "--lr", "0.0001")
    assert again["model"] == "flagship_small"
    assert again["before"]["val"]["accuracy"] == pytest.approx(first["after"]["val"]["accuracy"])
    assert again["before"]["val"]["loss"] == pytest.approx(first["after"]["val"]["loss"], abs=1e-4)
    assert first["before"]["val"]["loss"] != pytest.approx(first["after"]["val"]["loss"], abs=1e-3)
    assert main(["train", "cnn", "--init", "first", "--out", "other", *rest]) == 1
    assert "it can't be where a cnn starts from: train a flagship_small." in capsys.readouterr().err
    assert main(["train", "--init", "first", "--out", "other", "--option", "widths=[8,16]", *rest]) == 1
    assert "other layers" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_evaluate_says_how_sure_one_can_be(
    capsys: pytest.CaptureFixture[str], faces_file: Path, tmp_path: Path
) -> None:
    document = ask(
        capsys, "evaluate", "logistic", "--data", faces_file, "--views", "10", "--calibration", "--without-leaks",
        "--figure", tmp_path / "sure.svg",
    )  # fmt: skip
    assert document["views"] == 10
    assert document["calibration"]["n"] == document["n"]
    assert 0.1 <= document["calibration"]["temperature"] <= 10
    assert (tmp_path / "sure.svg").read_text().count("<path") > 15
    assert main(["evaluate", "logistic", "--figure", str(tmp_path / "sure.jpg")]) == 2
    assert ".svg or .png" in capsys.readouterr().err
    assert main(["evaluate", "logistic", "--views", "3"]) == 2


def test_the_leaderboard_of_two_seeds(capsys: pytest.CaptureFixture[str], faces_file: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        line = ("train", "logistic", "--data", faces_file, "--preset", "demo", "--epochs", "1", "--seed", str(seed))
        ask(capsys, *line, "--out", tmp_path / f"run{seed}")
    for seed in (0, 1):  # as on two machines
        ranked = ask(capsys, "leaderboard", tmp_path / f"run{seed}")
        (tmp_path / f"{seed}.json").write_text(json.dumps(ranked))
    assert main(["leaderboard", *(str(tmp_path / f"{seed}.json") for seed in (0, 1))]) == 0
    assert "More than one row is called logistic, demo: " in capsys.readouterr().err
    (tmp_path / "card").mkdir()
    shutil.copy(tmp_path / "run1" / "card.json", tmp_path / "card")
    assert main(["leaderboard", str(tmp_path / "run0"), str(tmp_path / "card")]) == 0
    said = capsys.readouterr()
    assert "More than one row" not in said.err
    assert said.out.count("logistic, demo") == 1
    board = ask(capsys, "leaderboard", tmp_path / "run0", tmp_path / "run1", "--data", faces_file)
    assert [row["seeds"] for row in board["rows"]] == [[0, 1]]
    assert board["checksum"] == Splits.load(faces_file).val.checksum
    assert board["rows"][0]["leak_free"] == pytest.approx(board["rows"][0]["accuracy"])  # drawn faces don't leak
    splits = Splits.load(faces_file)
    Splits(splits.train[1:], splits.val, splits.test).save(tmp_path / "fewer.npz")
    assert main(["leaderboard", str(tmp_path / "run0"), "--data", str(tmp_path / "fewer.npz")]) == 0
    assert f"Learned from other training faces, or with other targets, than {tmp_path / 'fewer.npz'}" in (
        capsys.readouterr().err
    )
    assert main(["leaderboard", "small:int8"]) == 1
    assert "one file of a network, and its card tells of the whole: name small." in capsys.readouterr().err
    assert main(["leaderboard", str(tmp_path / "run0"), "--data", str(tmp_path / "none.npz")]) == 1


def test_faces_that_stand_in_training_too_are_left_out(
    capsys: pytest.CaptureFixture[str], faces_file: Path, tmp_path: Path
) -> None:
    """Three training faces are put into val, under other labels: none of them can be answered right by heart."""
    splits, places = Splits.load(faces_file), [5, 50, 200]
    copies = splits.train[places]
    images = np.concatenate([splits.val.images[:20], copies.images, splits.val.images[20:]])
    labels = np.concatenate([splits.val.labels[:20], (copies.labels + 1) % 7, splits.val.labels[20:]])
    data = tmp_path / "leaky.npz"
    Splits(splits.train, FaceSet(images, labels), splits.test).save(data)
    run = tmp_path / "run"
    line = ("train", "logistic", "--data", data, "--preset", "demo", "--epochs", "2", "--lr", "0.02", "--out", run)
    trained = ask(capsys, *line)
    whole = ask(capsys, "evaluate", run, "--data", data)
    kept = ask(capsys, "evaluate", run, "--data", data, "--without-leaks")
    assert (whole["n"], kept["n"]) == (66, 63)
    alone = library.evaluate(library.Net(run), splits.val, split="val")
    assert kept == alone.as_json()
    assert kept["accuracy"] != whole["accuracy"] == trained["after"]["val"]["accuracy"]
    assert main(["evaluate", str(run), "--data", str(data), "--without-leaks"]) == 0
    assert "3 faces of val stand in train, too, and are left out" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--data", str(data), "--without-leaks", "--split", "train"]) == 2
    [row] = ask(capsys, "leaderboard", run, "--data", data)["rows"]
    assert (row["accuracy"], row["leak_free"]) == (whole["accuracy"], kept["accuracy"])


def test_a_leaderboard_of_runs_that_are_elsewhere(
    capsys: pytest.CaptureFixture[str], faces_file: Path, tmp_path: Path
) -> None:
    boards = []
    for model in ("logistic", "feedforward"):
        line = ("train", model, "--data", faces_file, "--preset", "demo", "--epochs", "1")
        ask(capsys, *line, "--out", tmp_path / model)
        boards.append(ask(capsys, "leaderboard", tmp_path / model))
    there = tmp_path / "there.json"
    there.write_text(json.dumps(boards[0]))
    both = ask(capsys, "leaderboard", there, tmp_path / "feedforward")
    assert both["rows"] == sorted(boards[0]["rows"] + boards[1]["rows"], key=lambda row: -row["accuracy"])
    assert main(["leaderboard", str(there), "--data", str(faces_file)]) == 2
    assert "none was named" in capsys.readouterr().err
    assert main(["leaderboard", str(there), str(tmp_path / "logistic")]) == 1
    assert "count twice" in capsys.readouterr().err
    there.write_text(json.dumps(boards[0] | {"checksum": "of others"}))
    assert main(["leaderboard", str(there), str(tmp_path / "feedforward")]) == 1
    assert "different validation faces" in capsys.readouterr().err
    there.write_text('{"rows": [{"name": 3}]}')
    assert main(["leaderboard", str(there)]) == 1
    assert "rows.0.name" in capsys.readouterr().err
    assert main(["leaderboard", str(tmp_path / "none.json")]) == 1
    assert "can't be read" in capsys.readouterr().err


def test_robustness_of_a_run(
    finished: Path, faces_file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- robustness: made by `mien robustness`, don't edit -->\n<!-- /robustness -->\n")
    document = ask(
        capsys, "robustness", finished, "--data", faces_file, "--figure", tmp_path / "curves.svg",
        "--examples", tmp_path / "examples.png", "--into", page,
    )  # fmt: skip
    (found,) = document["networks"].values()
    assert found["clean"] == ask(capsys, "evaluate", finished, "--data", faces_file)["accuracy"]
    assert len({level["kind"] for level in found["levels"]}) == 8
    assert f"| mean of all corruptions |  | {found['mean']:.3f} |" in page.read_text()
    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")
    assert kind_and_width(tmp_path / "examples.png")[0] == "PNG"
    page.write_bytes("für".encode("latin-1"))  # before anything is measured
    assert main(["robustness", str(finished), "--data", str(tmp_path / "none.npz"), "--into", str(page)]) == 1
    assert "not a text in UTF-8" in capsys.readouterr().err


class Asked(Exception):
    """What was called, with what."""


def asked(*given: Any, **options: Any) -> None:
    raise Asked(dict(enumerate(given)) | options)


@pytest.mark.parametrize(
    ("line", "called", "how"),
    [
        ("predict PHOTO --no-detect --certain 0.3 --smooth 0.7 --max-pixels 9 --device cuda",
         "recognition.recognizer Recognizer",
         {"detect": False, "certain": 0.3, "smooth": 0.7, "max_pixels": 9, "device": "cuda"}),
        ("explain PHOTO --label sad --method saliency --orders 23 --seed 4", "explain explain",
         {"label": "sad", "method": "saliency", "orders": 23, "seed": 4}),
        ("robustness small --data FACES --seed 3", "evaluation.robustness robustness", {"seed": 3}),
        ("sweep cnn --field lr=1,2 --data FACES --spare 3 --device cpu", "sweep Sweep", {"spared": 3, "device": "cpu"}),
        ("data doctor FACES --folds 4 --seed 5 --skip mislabels --device cpu", "doctor.examine examine",
         {"folds": 4, "seed": 5, "skip": ["mislabels"], "device": "cpu"}),
        ("data doctor FACES --votes a.csv --skip-bad-rows", "data.ferplus load_ferplus", {"skip_bad_rows": True}),
        ("score s3://a --out b --no-detect --column c --endpoint d --workers 3 --ray e --rows 7 --again",
         "score.run score", {0: Job("s3://a", detect=False, column="c", endpoint="d"), "workers": 3, "ray": "e",
                             "rows": 7, "again": True}),
    ],
    ids=lambda part: part.partition(" ")[0] if isinstance(part, str) else "",
)  # fmt: skip
def test_an_option_arrives_where_it_has_its_effect(
    line: str, called: str, how: dict[Any, Any], photo: Path, faces_file: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    module, _, name = called.partition(" ")
    monkeypatch.setattr(import_module(f"mien.{module}"), name, asked)
    with pytest.raises(Asked) as caught:
        main([{"PHOTO": str(photo), "FACES": str(faces_file)}.get(word, word) for word in line.split()])
    assert {key: caught.value.args[0].get(key) for key in how} == how


@pytest.mark.parametrize(
    "verb",
    [
        "train cnn", "ladder", "sweep cnn --field lr=1,2", "data show", "data convert faces.csv out.npz",
        "evaluate RUN", "show RUN", "calibrate RUN", "leaderboard RUN", "robustness RUN",
    ],
)  # fmt: skip
def test_a_verb_reads_the_faces_as_it_is_told(
    verb: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mien.data.load.load_faces", asked)
    line = [str(finished) if word == "RUN" else word for word in verb.split()]
    line += ["--votes", "votes.csv", "--groups", "who.csv", "--skip-bad-rows"]
    line += [] if "convert" in line else ["--data", "faces.csv"]
    line += [] if "RUN" in verb else ["--size", "24", "--rgb"]  # a network has its own
    with pytest.raises(Asked) as caught:
        main(line)
    told = caught.value.args[0]
    assert [told[name] for name in ("path", "votes", "groups", "skip_bad_rows")] == [
        "faces.csv", "votes.csv", "who.csv", True,
    ]  # fmt: skip
    assert "RUN" in verb or (told["size"], told["rgb"]) == (24, True)
