"""A dry run of every stage of the release training, through the command line, with votes and with shards."""

import json
import os
import re
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.budgets import SHARE, Plan, plan
from mien.cards import CARD, STATE, Card, TrainedOn, checksum
from mien.checkpoint import load_run, load_state, save_weights
from mien.cli import main
from mien.cli.options import check_finished
from mien.cli.sharded import Shards, sharded
from mien.data.arrays import load_arrays, save_arrays
from mien.data.drawn import draw, drawn_faces
from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.errors import CheckpointError, RecipeError
from mien.evaluation.scores import evaluate, score
from mien.labels import FERPLUS
from mien.models import create_model, summarise
from mien.net import WEIGHTS
from mien.release import OutOfTime, _Clock, _other_head, release, spare
from mien.runs import held
from mien.shards import INDEX, pack, unpack
from mien.teachers import PROBABILITIES, leave_probabilities, taught
from mien.training.learner import _changes
from mien.training.recipe import Recipe, recipe

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
    assert json.loads(first.stdout)["finished"] is True  # this stage
    assert "teacher-0 is asked about the training faces" in first.stderr
    assert all(path.stat().st_size <= 1_000_000 for path in (tmp_path / "one").iterdir())
    unpack(tmp_path / "one", tmp_path / "state")
    known = load_arrays(tmp_path / "state" / "teacher-1" / "probabilities.npz")
    assert known["train"].shape == (294, 7)
    assert known["train"].dtype == "float16"
    for number in (0, 1):  # the votes are learned beside the labels, and faces may be enlarged
        assert Card.read(tmp_path / "state" / f"teacher-{number}").options["second"] == len(FERPLUS)
    assert Card.read(tmp_path / "state" / "teacher-0").options["enlarge"] == 56
    assert not list((tmp_path / "state").rglob("*.safetensors"))  # teachers leave what they know, not their weights
    assert not list((tmp_path / "state").rglob("*.onnx"))
    assert not list((tmp_path / "state").rglob("figures"))

    early = mien(tmp_path, *line, "--stage", "ship", "--state", "one", "--out", "none")
    assert early.returncode == 1
    assert "run the stage students first" in early.stderr

    second = mien(tmp_path, *line, "--stage", "students", "--state", "one", "--out", "half")
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["finished"] is True
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
    assert not list((tmp_path / "done").glob("*/model.onnx"))  # made again of the weights for the box
    assert len(list((tmp_path / "done").glob("box/*/model.onnx"))) == 2
    judged = evaluate(load_run(tmp_path / "done" / "small")[0], val)
    assert load_run(tmp_path / "done" / "small-ferplus")[0].classes == FERPLUS
    boxed = Card.read(tmp_path / "done" / "box" / "small")
    assert boxed.calibration["n"] == len(val)
    assert boxed.temperature == boxed.calibration["temperature"] != 1
    assert (
        "0.7 of each of its training targets is the mean answer of 2: flagship, seed 0; flagship_small, seed 1."
        in boxed.notes
    )
    twin = Card.read(tmp_path / "done" / "box" / "small-ferplus")
    assert twin.classes == FERPLUS
    train = Splits.load(faces[0])["train"]
    said = [load_arrays(tmp_path / "state" / f"teacher-{n}" / "probabilities.npz")["train"] for n in (0, 1)]
    learned = 0.7 * np.mean(said, (0, 1), np.float64) + 0.3 * np.array([*train.counts.values()]) / len(train)
    assert boxed.prior == pytest.approx(learned, abs=1e-3)
    voted = dict(zip(FERPLUS, twin.prior, strict=True))
    assert 0 < voted["contempt"] < min(share for name, share in voted.items() if name != "contempt")
    assert twin.data.checksums["val"] != boxed.data.checksums["val"]  # judged by other labels: on no board together
    assert not [path for path in (tmp_path / "two").iterdir() if path.is_dir()]  # what travels is shards alone
    again = ("--budget", "toy", "--stage", "ship", "--data", str(faces[0]), "--votes", str(faces[1]), "--shard-mb", "1")
    assert main(["release", *again, "--state", str(tmp_path / "two"), "--out", str(tmp_path / "two")]) == 0
    for name in ("small", "small-ferplus"):  # ready to be copied, without unpacking anything
        assert Card.read(tmp_path / "two" / "box" / name) == Card.read(tmp_path / "done" / "box" / name)
        Card.read(tmp_path / "two" / "box" / name).verify(tmp_path / "two" / "box" / name)
    assert judged.accuracy == pytest.approx(told["networks"][0]["accuracy"], abs=1e-6)


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
    splits = Splits.load(faces[0])
    teacher = np.full((len(splits.train), 7), 1 / 7, np.float16)
    (tmp_path / "teacher-0").mkdir()
    save_arrays(tmp_path / "teacher-0" / "probabilities.npz", {"train": teacher, "val": teacher[:2]})
    mixed = taught(splits, [tmp_path / "teacher-0"], 0.7).train
    assert (mixed.labels == splits.train.labels).all()
    np.testing.assert_allclose(mixed.targets.max(1), 0.3 + 0.7 / 7, atol=1e-3)


def test_faces_that_nobody_is_judged_by_are_taught_too(tmp_path: Path) -> None:
    drawn, model = drawn_faces(70), create_model("logistic")
    shares = np.eye(7, dtype=np.float32)[drawn.train.labels]
    shares[3] = 1 / 7  # annotators in a tie: learned from, and no one's mistake
    marks = ["tie" if place == 5 else "" for place in range(len(shares))]
    splits = replace(drawn, train=FaceSet(drawn.train.images, shares, marks=marks))
    home = tmp_path / "teacher-0"
    home.mkdir()
    save_weights(model.state_dict(), home / WEIGHTS)
    known = {"options": model.options, "recipe": recipe("logistic", "demo").model_dump()}
    card = Card(model="logistic", classes=splits.classes, checksums={WEIGHTS: checksum(home / WEIGHTS)}, **known)
    card.write(home / CARD)

    def late(share: float) -> None:
        raise OutOfTime

    with pytest.raises(OutOfTime):  # it ends in time, and begins anew in the next call
        leave_probabilities(home, splits, "cpu", late)
    assert {path.name for path in home.iterdir()} == {CARD, WEIGHTS}
    leave_probabilities(home, splits, "cpu", lambda share: None)
    assert {path.name for path in home.iterdir()} == {CARD, PROBABILITIES}
    given = score(model, drawn.train, views=10).probabilities
    lessons = taught(splits, [home], 0.7).train.targets
    np.testing.assert_allclose(lessons, 0.3 * shares + 0.7 * given, atol=1e-3)
    with pytest.raises(CheckpointError, match=r"teacher-0/probabilities\.npz: answers for .* Delete .*teacher-0 and"):
        taught(replace(splits, train=splits.train[:9]), [home], 0.7)


def test_a_trained_network_teaches(
    mien, faces: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("release", "--budget", "toy", "--stage", "students", "--data", faces[0], "--json", "--out", "taught")
    words = ("train", "logistic", "--preset", "demo", "--data", faces[0], "--epochs", "1", "--out", "good")
    assert mien(tmp_path, *words).returncode == 0
    students = mien(tmp_path, *line, "--teacher", "good")
    assert students.returncode == 0, students.stderr
    assert (tmp_path / "good" / "weights.safetensors").exists()  # it is only asked
    card = Card.read(tmp_path / "taught" / "small")
    assert card.recipe["smoothing"] == 0
    assert card.recipe["teachers"] == [f"good {Card.read(tmp_path / 'good').checksums[WEIGHTS][:8]}"]
    assert "0.7 of each of its training targets is the mean answer of 1: good." in card.notes

    monkeypatch.chdir(tmp_path)
    for words, said in (
        (("--teacher", "small"), "begun with another recipe (teachers)"),
        (("--teacher", "nobody"), "nobody"),
        (("--init", "good"), "starts from nothing, not from good"),
    ):
        assert main([*map(str, line), *words]) == 1
        assert said in capsys.readouterr().err


def left(home: Path, made: Recipe, splits: Splits) -> None:
    """What a teacher that was trained there leaves, as far as it is looked at by the next call."""
    trained_on = TrainedOn(checksums={"val": splits.val.checksum})
    home.mkdir(parents=True, exist_ok=True)
    Card(model=made.model, classes=splits.classes, recipe=made.model_dump(), data=trained_on).write(home / CARD)
    save_arrays(home / PROBABILITIES, {name: np.full((len(splits[name]), 7), 1 / 7) for name in ("train", "val")})


def test_a_budget_with_other_seeds() -> None:
    first, second = ([*chosen.teachers, *chosen.students.values()] for chosen in (plan("gpu"), plan("gpu", seed=1)))
    seeds = [{one.seed for one in chosen} for chosen in (first, second)]
    assert seeds[0] == set(range(4))
    assert not seeds[0] & seeds[1]
    assert [plan("cpu", seed=seed).students["flagship"].seed for seed in (0, 1, 2)] == [0, 1, 2]
    with pytest.raises(RecipeError, match="seed can't be"):
        plan("cpu", seed=2**31)


@pytest.mark.parametrize("second", [0, 8])
def test_the_dry_run_does_what_the_gpu_budget_does(second: int) -> None:
    """Every kind of network and every field of a recipe but sizes and rates."""

    def paths(budget: str) -> set[str]:
        chosen = plan(budget, second=second)
        used = set()
        for one in (*chosen.teachers, *chosen.students.values()):
            used |= {one.model, *(name for name, value in one.model_dump().items() if value not in (0, "", "none"))}
            used |= {f"option {name}" for name, value in one.options.items() if value}
        return used

    missing = paths("gpu") - paths("toy")
    assert missing == set()
    assert ("option second" in paths("toy")) == (second > 0)


def test_what_another_network_knows_is_not_taken(
    faces: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["release", "--budget", "toy", "--data", str(faces[0]), "--stage", "students", "--out", str(tmp_path)]
    seeds = plan("toy").teachers
    left(tmp_path / "teacher-0", seeds[0].model_copy(update={"epochs": 9}), Splits.load(faces[0]))
    trained = "teacher-0 holds the answers of the flagship of seed 0, but the flagship of seed"
    for words, said in (
        (["--seed", "7"], f"{trained} 21 is asked for (other epochs, seed): take another folder"),
        ([], f"{trained} 0 is asked for (other epochs)"),
    ):
        assert main([*line, *words]) == 1
        assert said in capsys.readouterr().err
    left(tmp_path / "teacher-0", seeds[0], Splits.load(faces[0]))
    assert main(line) == 1
    assert "not done yet: teacher-1" in capsys.readouterr().err


def test_a_release_keeps_to_its_data_and_votes(tmp_path: Path) -> None:
    splits, chosen = drawn_faces(140), plan("toy")
    others = replace(splits, val=draw(len(splits.val), seed=9))
    shares = {name: np.eye(8, dtype=np.float32)[part.labels] for name, part in splits}
    votes = replace(
        splits, **{name: FaceSet(part.images, shares[name], classes=FERPLUS) for name, part in splits}
    )  # fmt: skip
    with pytest.raises(CheckpointError, match="run the stage students first"):
        next(release(chosen, others, tmp_path, stage="ship"))
    for step in release(chosen, splits, tmp_path, stage="teachers"):
        assert step.name == "teacher-0"
        break
    with pytest.raises(CheckpointError, match=r"isn't finished\. Go on with the `mien release` that began it"):
        check_finished(tmp_path / "teacher-0")
    with pytest.raises(CheckpointError, match="begun on other data"):
        next(release(chosen, others, tmp_path))
    with pytest.raises(CheckpointError, match="begun on other votes"):
        next(release(plan("toy", second=8), splits, tmp_path, votes=votes))
    noted = (tmp_path / "release.json").read_text()
    for damage in ("[" * 100_000, "[1]", "{"):
        (tmp_path / "release.json").write_text(damage)
        with pytest.raises(CheckpointError, match=r"release\.json: damaged"):
            next(release(chosen, splits, tmp_path))
    (tmp_path / "release.json").write_text(noted)
    with pytest.raises(OutOfTime):
        next(release(chosen, splits, tmp_path, minutes=0))


def test_where_a_state_comes_from_and_goes(
    faces: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["release", "--budget", "toy", "--data", str(faces[0]), "--minutes", "0"]
    one, two = tmp_path / "one", tmp_path / "two"
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "note.txt").write_text("what was done so far")
    pack(tmp_path / "work", one, 1000)
    assert main([*line, "--state", str(one), "--out", str(two)]) == 2
    assert "it goes with --shard-mb" in capsys.readouterr().err
    line += ["--shard-mb", "1"]
    assert main([*line, "--state", str(tmp_path / "won"), "--out", str(two)]) == 1
    assert "won: no earlier call left its state in this folder" in capsys.readouterr().err
    (tmp_path / "file").write_text("mine")
    assert main([*line, "--out", str(tmp_path / "file")]) == 1
    assert "file: it can't be written there" in capsys.readouterr().err
    assert main([*line, "--state", str(one), "--out", str(two)]) == 0
    assert f"the same command, but with --state {two} and another --out." in capsys.readouterr().err
    assert unpack(two, tmp_path / "again")
    assert (tmp_path / "again" / "note.txt").exists()
    assert main([*line, "--out", str(two)]) == 0
    assert "Go on with the same command." in capsys.readouterr().err
    (two / INDEX).write_text("{")  # damaged; but what is there isn't asked for
    assert main([*line, "--state", str(one), "--out", str(two)]) == 0
    assert unpack(two, tmp_path / "once more")


def test_an_epoch_may_take_half_as_long_again_as_the_last() -> None:
    _Clock(1).check(39)
    with pytest.raises(OutOfTime):
        _Clock(1).check(41)


def test_time_is_kept_for_what_follows_the_last_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock = _Clock(9)
    clock.check(323, last=True)  # at first a tenth of it all, at most a minute
    with pytest.raises(OutOfTime):
        clock.check(325, last=True)
    clock.mark()
    monkeypatch.setattr(time, "monotonic", lambda: now + 120)
    clock.finished()  # two minutes, so the next one is given as much
    clock.check(199, last=True)
    with pytest.raises(OutOfTime):
        clock.check(201, last=True)


def test_faces_whose_label_is_in_doubt_are_learned_from(tmp_path: Path) -> None:
    splits = drawn_faces(140)
    doubtful = np.where(np.arange(len(splits.train)) % 9, "", "tie")
    train = FaceSet(splits.train.images, splits.train.targets, marks=doubtful)
    steps = list(release(plan("toy"), replace(splits, train=train), tmp_path, stage="teachers"))
    assert [step.name for step in steps] == ["teacher-0", "teacher-0", "teacher-1", "teacher-1"]
    assert len(load_arrays(tmp_path / "teacher-0" / "probabilities.npz")["train"]) == len(train)
    assert list(release(plan("toy"), replace(splits, train=train), tmp_path, stage="students"))


def test_the_other_head_is_judged_where_the_training_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits, asked = drawn_faces(70), []
    model = create_model("flagship_small", stem=4, widths=[4, 8], depths=[1, 1], squeeze=False, second=8)
    save_weights(model.state_dict(), tmp_path / "small" / "weights.safetensors")
    sums = {"weights.safetensors": checksum(tmp_path / "small" / "weights.safetensors")}
    how = recipe("flagship_small").model_dump(mode="json")
    Card(model="flagship_small", options=model.options, classes=splits.classes, recipe=how, checksums=sums).write(
        tmp_path / "small" / CARD
    )
    voted = {
        name: FaceSet(part.images, np.eye(8, dtype=np.float32)[part.labels], classes=FERPLUS) for name, part in splits
    }
    monkeypatch.setattr("mien.release.pick_device", lambda device: asked.append(device) or "cpu")
    _other_head(tmp_path / "small", tmp_path / "other", replace(splits, **voted), "cuda")
    assert asked == ["cuda"]
    other = Card.read(tmp_path / "other")
    assert other.classes == FERPLUS
    assert other.prior == pytest.approx(np.mean(voted["train"].targets, 0).tolist(), abs=1e-5)


def test_a_killed_call_keeps_what_was_packed_and_sigterm_ends_it_in_order(
    faces: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = ["release", "--budget", "toy", "--stage", "teachers", "--data", str(faces[0]), "--out", str(out)]
    line += ["--shard-mb", "1"]
    kept, pack_now = [], Shards.pack

    def packed(shards: Shards) -> None:
        pack_now(shards)
        if not kept:  # what a SIGKILL would leave from here on; then SIGTERM
            unpack(out, tmp_path / "killed")
            kept.append(shards.work)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Shards, "pack", packed)
    assert main(line) == 130
    said = capsys.readouterr().err
    assert "teacher-1    epoch" not in said  # it was packed as soon as it was saved
    assert "every finished epoch is saved. Go on with: " in said
    assert (tmp_path / "killed" / "teacher-0" / PROBABILITIES).exists()
    assert (tmp_path / "killed" / "teacher-1" / "state.pt").exists()
    assert not (tmp_path / "killed" / "teacher-1" / "weights.safetensors").exists()  # its state has them
    assert not kept[0].exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_when_the_minutes_are_over_quick_epochs_are_saved_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.experiment.SAVING", 1e9)
    epochs: list[float] = []

    def check(clock: _Clock, seconds: float, *, last: bool = False) -> None:
        epochs.extend([seconds] if seconds else [])
        if len(epochs) == 4:
            raise OutOfTime

    monkeypatch.setattr(_Clock, "check", check)
    chosen = Plan((), {"small": recipe("logistic", "demo", epochs=9)})
    with pytest.raises(OutOfTime):
        list(release(chosen, drawn_faces(140), tmp_path, stage="students"))
    assert load_state(tmp_path / "small" / STATE)["fit"]["epoch"] == 4


def test_what_is_in_a_state_neednt_travel_beside_it_but_a_finished_network_s_weights_do(tmp_path: Path) -> None:
    for name in ("small/state.pt", "small/weights.safetensors", "flagship/weights.safetensors", "flagship/state.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "flagship" / "card.json").touch()  # it ended before its state was removed
    (tmp_path / "flagship" / "model.onnx").touch()
    (tmp_path / "small" / "run.lock").touch()  # Windows lets nobody read it while it is held
    names = ("small/weights.safetensors", "small/run.lock", "flagship/model.onnx")
    assert spare(tmp_path) == {tmp_path / name for name in names}


def test_what_cant_be_packed_stays_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("no folder")
    with sharded(tmp_path / "state", tmp_path / "out", 1) as carried:
        (carried.work / "note.txt").write_text("what was done so far")
        with pytest.raises(CheckpointError, match=r"out: can't put the state there \(File exists\)"):
            carried.pack()
    [work] = re.findall(r"The state is in (\S+): go on with --out \1, without --shard-mb", capsys.readouterr().err)
    assert (Path(work) / "note.txt").exists()
    shutil.rmtree(work)


def test_one_command_at_a_time(faces: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["release", "--budget", "toy", "--data", str(faces[0]), "--out", str(tmp_path), "--shard-mb", "1"]
    with held(tmp_path):
        assert main(line) == 1
    assert "another training is under way in this folder" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"run.lock"}


@pytest.mark.parametrize("line", ["release --budget toy --out out --data x.csv", "ladder --out out", "sweep cnn"])
def test_what_one_process_does_isnt_shared(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(line.split()) == 1
    said = f"error: mien {line.split()[0]} trains in one process; torchrun started 2. Run it without torchrun:"
    assert said in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_the_page_says_what_each_network_of_the_gpu_budget_costs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "RELEASE.md").read_text(encoding="utf-8")
    chosen = plan("gpu")
    for one in (*chosen.teachers, *chosen.students.values()):
        cost = summarise(create_model(one.model, **one.options))
        assert (
            f"{one.epochs} epochs, {cost.parameters / 1e6:.1f} M parameters, {cost.macs / 1e6:,.0f} M multiply-adds"
            in page
        )
        assert not (one.start_size and one.options.get("enlarge"))  # it would save no time


def test_the_again_budgets_go_on_from_what_is_said() -> None:
    chosen = plan("again-flagship", teachers=("runs/a", "flagship"), init="runs/a")
    student = chosen.students["flagship"]
    assert (student.teachers, student.distil, student.init) == (["runs/a", "flagship"], 0.9, "runs/a")
    for name, budget in (("flagship", "again-flagship"), ("small", "again")):
        student = plan(budget).students[name]
        assert (student.init, student.teachers) == (name, ["flagship", "small"])
        first, last = (_changes(student, epoch) for epoch in (0, student.epochs - 1))
        assert first.rotate > 0 < first.blur
        assert (last.shift, last.scale, last.rotate, last.blur, last.noise) == (0, 0, 0, 0, 0)
        assert last.flip
        assert last.erase > 0


@pytest.mark.parametrize("budget", ["gpu", "toy"])
def test_named_teachers_take_the_place_of_a_budgets_own(budget: str) -> None:
    chosen = plan(budget, teachers=("flagship",))
    assert (chosen.teachers, chosen.distil) == ((), 0)
    assert {student.distil for student in chosen.students.values()} == {SHARE}
