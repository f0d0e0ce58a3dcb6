"""A dry run of every stage of the release training, through the command line, with votes and with shards."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.budgets import plan
from mien.cards import Card
from mien.checkpoint import load_run
from mien.data.arrays import load_arrays
from mien.data.drawn import drawn_faces
from mien.data.faces import FaceSet, Splits
from mien.evaluation.scores import score
from mien.labels import FERPLUS
from mien.release import done as release_done
from mien.release import release
from mien.shards import unpack

USAGES = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Drawn faces as .npz, with rows as in one file, and a file of votes for those rows."""
    folder = tmp_path_factory.mktemp("release")
    splits = drawn_faces(420)
    at, lines = 0, ["Usage,Image name," + ",".join((*FERPLUS, "unknown", "NF"))]
    for name, part in splits:
        part.rows[:] = range(at, at + len(part))
        at += len(part)
        for label in part.labels:
            votes = [7 if place == label else 1 for place in range(8)]
            lines.append(",".join([USAGES[name], "", *map(str, votes), "1", "1"]))
    splits.save(folder / "faces.npz")
    (folder / "votes.csv").write_text("\n".join(lines))
    return folder / "faces.npz", folder / "votes.csv"


def test_every_stage_runs_and_goes_on_from_its_shards(mien, faces: tuple[Path, Path], tmp_path: Path) -> None:
    line = ("release", "--budget", "toy", "--data", faces[0], "--votes", faces[1], "--shard-mb", "1", "--json")

    # no time at all: it ends by itself, with nothing done
    early = mien(tmp_path, *line, "--stage", "teachers", "--minutes", "0", "--out", "none")
    assert early.returncode == 0, early.stderr
    assert json.loads(early.stdout)["finished"] is False
    assert "go on with the same command" in early.stderr.lower()

    first = mien(tmp_path, *line, "--stage", "teachers", "--minutes", "9", "--out", "one")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["finished"] is False
    assert "teacher-0 is asked about the training faces" in first.stderr
    assert all(path.stat().st_size <= 1_000_000 for path in (tmp_path / "one").iterdir())
    unpack(tmp_path / "one", tmp_path / "state")
    known = load_arrays(tmp_path / "state" / "teacher-1" / "probabilities.npz")
    assert known["train"].shape == (294, 7)
    assert known["train"].dtype == "float16"
    assert not list((tmp_path / "state").rglob("*.safetensors"))  # teachers leave what they know, not their weights

    early = mien(tmp_path, *line, "--stage", "ship", "--state", "one", "--out", "none")
    assert early.returncode == 1
    assert "run the stage students first" in early.stderr

    second = mien(tmp_path, *line, "--stage", "students", "--state", "one", "--out", "half")
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["finished"] is False
    second = mien(tmp_path, *line, "--stage", "ship", "--state", "half", "--out", "two")
    assert second.returncode == 0, second.stderr
    told = json.loads(second.stdout)
    assert told["finished"] is True
    known = [load_arrays(tmp_path / "state" / f"teacher-{n}" / "probabilities.npz")["val"] for n in (0, 1)]
    val = Splits.load(faces[0])["val"].judged
    assert told["ensemble"]["accuracy"] == pytest.approx(
        np.mean(np.mean(known, 0, np.float32).argmax(1) == val.labels), abs=1e-6
    )
    assert told["ensemble"]["n"] == len(val)
    assert [network["name"] for network in told["networks"]] == ["small", "small-ferplus", "teacher-0", "teacher-1"]
    assert unpack(tmp_path / "two", tmp_path / "done")
    judged = mien(tmp_path, "evaluate", "done/small", "--data", faces[0], "--json")
    ferplus = mien(tmp_path, "evaluate", "done/small-ferplus", "--data", faces[0], "--votes", faces[1], "--json")
    assert [row["name"] for row in json.loads(ferplus.stdout)["per_class"]] == list(FERPLUS)
    boxed = Card.read(tmp_path / "done" / "box" / "small")
    assert boxed.calibration["n"] == json.loads(judged.stdout)["n"]
    assert boxed.temperature == boxed.calibration["temperature"] != 1
    assert "0.7 of each of its training targets is the mean answer of 2: flagship_small, seed 0;" in boxed.notes
    twin = Card.read(tmp_path / "done" / "box" / "small-ferplus")
    assert twin.classes == FERPLUS
    assert twin.data.checksums["val"] != boxed.data.checksums["val"]  # judged by other labels: on no board together
    (tmp_path / "done" / "box" / "small-ferplus" / "card.json").unlink()
    assert not release_done(plan("toy", second=8), tmp_path / "done")
    assert json.loads(judged.stdout)["accuracy"] == pytest.approx(told["networks"][0]["accuracy"], abs=1e-6)


def test_students_without_their_teachers_are_refused(mien, faces: tuple[Path, Path], tmp_path: Path) -> None:
    done = mien(tmp_path, "release", "--budget", "toy", "--data", faces[0], "--stage", "students", "--out", "o")
    assert done.returncode == 1
    assert "run the stage teachers first" in done.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("option", [("--budget", "huge"), ("--stage", "dinner")])
def test_a_wrong_name_lists_what_there_is(
    mien, faces: tuple[Path, Path], tmp_path: Path, option: tuple[str, str]
) -> None:
    done = mien(tmp_path, "release", "--data", faces[0], "--out", "o", *option)
    assert done.returncode == 1
    assert "are " in done.stderr


def test_the_labels_weigh_beside_the_teachers(faces: tuple[Path, Path], tmp_path: Path) -> None:
    from mien.data.arrays import save_arrays
    from mien.teachers import taught as taught_by

    splits = Splits.load(faces[0])
    teacher = np.full((len(splits.train), 7), 1 / 7, np.float16)
    (tmp_path / "teacher-0").mkdir()
    save_arrays(tmp_path / "teacher-0" / "probabilities.npz", {"train": teacher, "val": teacher[:2]})
    taught = taught_by(splits, [tmp_path / "teacher-0"], 0.7).train
    assert (taught.labels == splits.train.labels).all()
    np.testing.assert_allclose(taught.targets.max(1), 0.3 + 0.7 / 7, atol=1e-3)


def test_a_trained_network_teaches(mien, faces: tuple[Path, Path], tmp_path: Path) -> None:
    line = ("release", "--budget", "toy", "--stage", "students", "--data", faces[0], "--json", "--out", "taught")
    for name in ("good", "other"):
        words = ("train", "logistic", "--preset", "demo", "--data", faces[0], "--epochs", "1", "--out", name)
        assert mien(tmp_path, *words).returncode == 0
    teachers = mien(tmp_path, *line, "--stage", "teachers", "--teacher", "good")
    assert teachers.returncode == 0, teachers.stderr
    known = load_arrays(tmp_path / "taught" / "teacher-0" / "probabilities.npz")["val"]
    network, _ = load_run(tmp_path / "good")
    splits = Splits.load(faces[0])
    np.testing.assert_allclose(known, score(network, splits["val"], views=10).probabilities, atol=1e-3)
    assert (tmp_path / "good" / "weights.safetensors").exists()  # it is only asked
    students = mien(tmp_path, *line, "--teacher", "good")
    assert students.returncode == 0, students.stderr
    card = Card.read(tmp_path / "taught" / "small")
    assert card.recipe["smoothing"] == 0
    assert "0.7 of each of its training targets is the mean answer of 1: good." in card.notes

    other = mien(tmp_path, *line, "--teacher", "other")
    assert other.returncode == 1
    assert "teacher-0 has what good knows, not other" in other.stderr
    nobody = mien(tmp_path, *line, "--teacher", "nobody")
    assert nobody.returncode == 1
    assert "nobody" in nobody.stderr
    afresh = mien(tmp_path, *line, "--init", "good")
    assert afresh.returncode == 1
    assert "starts from nothing, not from good" in afresh.stderr


def test_a_budget_with_other_seeds(mien, faces: tuple[Path, Path], tmp_path: Path) -> None:
    line = ("release", "--budget", "toy", "--data", faces[0], "--out", "o")
    done = mien(tmp_path, *line, "--seed", "7")
    assert done.returncode == 0, done.stderr
    cards = [Card.read(tmp_path / "o" / name) for name in ("teacher-0", "teacher-1", "small")]
    assert [card.recipe["seed"] for card in cards] == [7, 8, 7]
    other = mien(tmp_path, *line)
    assert other.returncode == 1
    assert "teacher-0 has what the network of seed 7 that was trained there knows, not" in other.stderr
    foreign = mien(tmp_path, *line, "--teacher", "small")
    assert foreign.returncode == 1
    assert "of seed 7 that was trained there knows, not small" in foreign.stderr


def test_faces_whose_label_is_in_doubt_are_learned_from(tmp_path: Path) -> None:
    splits = drawn_faces(140)
    doubtful = np.where(np.arange(len(splits.train)) % 9, "", "tie")
    train = FaceSet(splits.train.images, splits.train.targets, marks=doubtful)
    steps = list(release(plan("toy"), replace(splits, train=train), tmp_path, stage="teachers"))
    assert [step.name for step in steps] == ["teacher-0", "teacher-0", "teacher-1", "teacher-1"]
    assert len(load_arrays(tmp_path / "teacher-0" / "probabilities.npz")["train"]) == len(train)
    assert list(release(plan("toy"), replace(splits, train=train), tmp_path, stage="students"))


def test_the_again_budgets_go_on_from_what_is_said() -> None:
    chosen = plan("again-flagship", teachers=("runs/a", "flagship"), init="runs/a")
    assert chosen.teachers == ("runs/a", "flagship")
    assert chosen.students["flagship"].init == "runs/a"
    assert plan("again-flagship").students["flagship"].init == "flagship"


def test_a_look_of_the_teachers_ends_in_time(mien, faces: tuple[Path, Path], tmp_path: Path) -> None:
    line = ("release", "--budget", "taught", "--data", faces[0], "--minutes", "0", "--out", "o", "--json")
    done = mien(tmp_path, *line)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["finished"] is False
    assert not (tmp_path / "o").exists()
