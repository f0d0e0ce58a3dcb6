"""A run folder: what stands in it after a training that was stopped at a bad moment."""

import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mien.cards import CARD, Card, checksum
from mien.checkpoint import load_run, load_state, load_weights, save_state, save_weights
from mien.data.drawn import drawn_faces
from mien.data.faces import FaceSet
from mien.errors import CheckpointError, DataError, Diverged, RecipeError, TooLittleMemory
from mien.evaluation.report import Report
from mien.evaluation.scores import evaluate
from mien.experiment import train
from mien.models import create_model
from mien.net import WEIGHTS
from mien.runs import begin, history, read_note, write_history
from mien.starting import fresh
from mien.training.distributed import Team
from mien.training.recipe import recipe


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs after which a state was saved."""
    epochs: list[int] = []

    def save(state: dict[str, Any], path: Path) -> None:
        save_state(state, path)
        epochs.append(state["fit"]["epoch"])

    monkeypatch.setattr("mien.experiment.save_state", save)
    return epochs


def stop(share: float) -> None:
    """As Ctrl-C after the first step."""
    raise KeyboardInterrupt


def test_weights_of_an_epoch_that_was_never_recorded_dont_stay(tmp_path: Path) -> None:
    splits, made = drawn_faces(140), recipe("logistic", "demo", epochs=2)
    for _ in train(tmp_path, splits, made, device="cpu"):
        break
    state = load_state(tmp_path / "state.pt")
    state["fit"]["accuracy"] = 1.0  # the epoch that is done again won't be a better one
    save_state(state, tmp_path / "state.pt")
    weights = fresh(recipe("logistic", "demo", seed=5), splits).state_dict()
    save_weights(weights, tmp_path / "weights.safetensors")  # killed after it
    assert len(list(train(tmp_path, splits, made, device="cpu", resume=True))) == 1
    model, _ = load_run(tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state["fit"]["best"][name]), name


def test_a_history_that_another_program_holds_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Excel does on Windows with what it shows."""
    tries: list[int] = []

    def held(folder: Path, rows: Any) -> None:
        tries.append(len(rows))
        if len(tries) < 4:
            raise PermissionError(13, "The process cannot access the file")
        write_history(folder, rows)

    monkeypatch.setattr("mien.experiment.write_history", held)
    monkeypatch.setattr("mien.experiment.SAVING", 0)
    assert len(list(train(tmp_path, drawn_faces(140), recipe("logistic", "demo", epochs=3), device="cpu"))) == 3
    assert tries == [1, 2, 3, 3]
    assert [row["epoch"] for row in history(tmp_path)] == [1, 2, 3]


def test_teachers_are_read_by_their_names_and_the_card_names_them(tmp_path: Path) -> None:
    splits, teacher = drawn_faces(140), tmp_path / "some" / "teacher"
    list(train(teacher, splits, recipe("logistic", "demo", epochs=2, seed=5), device="cpu"))
    made = recipe("logistic", "demo", epochs=2, teachers=[str(teacher), "flagship"], distil=0.9)
    list(train(tmp_path / "taught", splits, made, device="cpu"))
    for _ in train(tmp_path / "stopped", splits, made, device="cpu"):
        break
    assert len(list(train(tmp_path / "stopped", splits, made, device="cpu", resume=True))) == 1
    list(train(tmp_path / "alone", splits, recipe("logistic", "demo", epochs=2), device="cpu"))
    known = [load_run(tmp_path / name)[0].linear.weight for name in ("taught", "stopped", "alone")]
    assert torch.equal(known[0], known[1])
    assert not torch.allclose(known[0], known[2], atol=1e-3)
    card = Card.read(tmp_path / "taught")
    assert "0.9 of each of its training targets is the mean answer of 2: teacher; flagship." in card.notes
    sums = [Card.read(name).checksums[WEIGHTS][:8] for name in (teacher, "flagship")]
    assert card.recipe["teachers"] == [
        f"teacher {sums[0]}",
        f"flagship {sums[1]}",
    ]
    for _ in train(tmp_path / "replaced", splits, made, device="cpu"):
        break
    shutil.rmtree(teacher)
    list(train(teacher, splits, recipe("logistic", "demo", epochs=2, seed=6), device="cpu"))
    with pytest.raises(CheckpointError, match="begun with other weights of its teachers"):
        next(train(tmp_path / "replaced", splits, made, device="cpu", resume=True))
    shutil.rmtree(teacher)
    assert list(train(tmp_path / "taught", splits, made, device="cpu", resume=True)) == []
    with pytest.raises(CheckpointError, match="teacher"):
        next(train(tmp_path / "none", splits, made, device="cpu"))
    assert not (tmp_path / "none").exists()


def test_a_teacher_of_other_classes_begins_no_run(tmp_path: Path) -> None:
    splits = drawn_faces(140)
    names = [*splits.classes[:-1], "bored"]
    other = replace(splits, **{name: faces.replaced(classes=names) for name, faces in splits})
    with pytest.raises(DataError, match="Teacher 0, a flagship, tells apart angry"):
        next(train(tmp_path / "run", other, recipe("logistic", "demo", teachers=["flagship"]), device="cpu"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["figures", "tensorboard"])
def test_a_run_writes_nothing_where_a_link_in_its_folder_leads(tmp_path: Path, name: str) -> None:
    splits, made = drawn_faces(140), recipe("logistic", "demo", epochs=1)
    run, other = tmp_path / "run", tmp_path / "other"
    other.mkdir()
    (other / "curves.svg").write_text("mine")
    for _ in train(run, splits, made, device="cpu"):
        break
    (run / name).symlink_to(other)
    with pytest.raises(CheckpointError, match=rf"{name}: a link to .*other, whose files"):
        list(train(run, splits, made, device="cpu", resume=True))
    assert [(file.name, file.read_text()) for file in other.iterdir()] == [("curves.svg", "mine")]


def test_a_history_that_the_kill_came_before_is_written(tmp_path: Path) -> None:
    splits, made = drawn_faces(70), recipe("logistic", "demo", epochs=2)
    for _ in train(tmp_path, splits, made, device="cpu"):
        break
    (tmp_path / "history.csv").unlink()
    with pytest.raises(KeyboardInterrupt):
        list(train(tmp_path, splits, made, device="cpu", resume=True, tick=stop))
    assert [row["epoch"] for row in history(tmp_path)] == [1]


def test_notes_of_a_run_that_cant_be_read_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("epoch\n" + "1" * 200_000)
    with pytest.raises(CheckpointError, match=r"history\.csv: can't read"):
        history(tmp_path)
    (tmp_path / "recipe.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match=r"no run of mien's in this folder \(recipe\.json"):
        read_note(tmp_path / "recipe.json")


def test_the_callers_random_numbers_stay_as_they_are(tmp_path: Path) -> None:
    splits, made = drawn_faces(70), recipe("logistic", "demo", seed=1)
    before = torch.get_rng_state()
    next(train(tmp_path, splits, made, device="cpu"))
    load_run("small")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_training_that_a_variable_holds_is_ended_by_its_close(tmp_path: Path) -> None:
    splits, made = drawn_faces(70), recipe("logistic", "demo", epochs=2)
    going = train(tmp_path, splits, made, device="cpu")
    for _ in going:
        break
    with pytest.raises(CheckpointError, match=r"another training is under way.*\.close\(\)"):
        next(train(tmp_path, splits, made, device="cpu", resume=True))
    going.close()
    assert next(train(tmp_path, splits, made, device="cpu", resume=True)).epoch == 2


def test_what_cannot_be_trained_writes_nothing(tmp_path: Path) -> None:
    made = recipe("cnn", "demo", start_size=8, options={"widths": [4] * 4, "depths": [1] * 4})
    with pytest.raises(RecipeError, match="start_size"):
        next(train(tmp_path / "run", drawn_faces(70), made, device="cpu"))
    assert not (tmp_path / "run").exists()


def test_too_little_memory_to_judge_it_before_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def full(*_: object, batch: int, **__: object) -> None:
        asked.append(batch)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr("mien.experiment.evaluate", full)
    for batch, parts in ((400, 1), (32, 1), (400, 16)):  # the parts of a step are all that needs to have room
        made = recipe("logistic", "demo", batch=batch, accumulate=parts)
        with pytest.raises(TooLittleMemory, match=r"memory of cpu is too small for .* choose a smaller batch"):
            next(train(tmp_path / f"{batch} {parts}", drawn_faces(140), made, device="cpu"))
    assert asked == [256, 32, 25]


def test_a_network_is_judged_by_as_few_faces_at_a_time_as_one_process_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Pretended(Team):  # the other process isn't there
        def wait(self) -> None: ...
        def agree(self, number: int, what: str) -> None: ...

    def noted(*given: Any, batch: int, **more: Any) -> Report:
        asked.append(batch)
        return evaluate(*given, batch=batch, **more)

    monkeypatch.setattr("mien.experiment.join", lambda device: Pretended(rank=0, size=2))
    monkeypatch.setattr("mien.experiment.evaluate", noted)
    made = recipe("logistic", "demo", epochs=1, batch=32, accumulate=2)
    list(train(tmp_path / "run", drawn_faces(140), made, device="cpu", export=False))
    assert asked == [8, 8]  # before and after


def test_a_run_with_a_second_labelling_goes_on_with_it_alone(tmp_path: Path) -> None:
    splits = drawn_faces(70)
    made = recipe("flagship_small", "demo", options={"stem": 4, "widths": [4, 8], "depths": [1, 1], "second": 2})
    faces = splits.train

    def votes(shares: list[float]) -> FaceSet:
        return FaceSet(faces.images, [shares] * len(faces), classes=("yes", "no"))

    steps = train(tmp_path, splits, made, device="cpu", second=votes([0.5, 0.5]))
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    with pytest.raises(CheckpointError, match="Go on with the `mien release` that began it"):
        next(train(tmp_path, splits, made, device="cpu", resume=True))
    with pytest.raises(CheckpointError, match="begun on other data"):
        begin(tmp_path, splits, made, votes([0.25, 0.75]))
    begin(tmp_path, splits, made, votes([0.5, 0.5]))
    begin(tmp_path / "plain", splits, made)
    with pytest.raises(CheckpointError, match="begun on other data"):
        begin(tmp_path / "plain", splits, made, votes([0.5, 0.5]))


def test_what_a_run_started_from_may_be_gone_when_it_goes_on(tmp_path: Path) -> None:
    splits, first = drawn_faces(70), tmp_path / "first"
    model = create_model("cnn", widths=[4, 8], depths=[1, 1])
    save_weights(model.state_dict(), first / WEIGHTS)
    sums = {WEIGHTS: checksum(first / WEIGHTS)}
    Card(model="cnn", options=model.options, classes=splits.classes, checksums=sums).write(first / CARD)
    made = recipe("cnn", "finetune", epochs=2, init=str(first))
    for _ in train(tmp_path / "run", splits, made, device="cpu"):
        break
    shutil.rmtree(first)
    with pytest.raises(KeyboardInterrupt):
        list(train(tmp_path / "run", splits, made, device="cpu", resume=True, tick=stop))
    assert len(list(train(tmp_path / "run", splits, made, device="cpu", resume=True))) == 1
    assert Card.read(tmp_path / "run").init == sums[WEIGHTS]  # what it went on from is known by that


QUICK = recipe("cnn", "demo", epochs=6, batch=16, lr=0.03, ema=0.5, options={"widths": [4, 8], "depths": [1, 1]})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checksum of the weights of a training that nothing stops."""
    folder = tmp_path_factory.mktemp("whole")
    list(train(folder, drawn_faces(140), QUICK, device="cpu", export=False))
    return checksum(folder / WEIGHTS)


def test_slow_epochs_are_each_saved_before_they_are_yielded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.experiment.SAVING", 0)
    for epoch in train(tmp_path, drawn_faces(140), QUICK, device="cpu", export=False):
        assert load_state(tmp_path / "state.pt")["fit"]["epoch"] == len(history(tmp_path)) == epoch.epoch


@pytest.mark.parametrize(("takes", "expected"), [(5.0, [1, 2, 3, 4, 5, 6]), (0.6, [1, 3, 5, 6]), (0.3, [1, 5, 6])])
def test_saving_takes_a_tenth_of_the_time_at_most(
    tmp_path: Path, saved: list[int], monkeypatch: pytest.MonkeyPatch, takes: float, expected: list[int]
) -> None:
    now = [0.0]

    def written(*what: Any) -> None:
        write_history(*what)
        now[0] += 0.1

    def tick(share: float) -> None:
        now[0] += takes * (share == 1)

    monkeypatch.setattr("mien.experiment.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("mien.experiment.write_history", written)
    list(train(tmp_path, drawn_faces(140), QUICK, device="cpu", export=False, tick=tick))
    assert saved == expected


@pytest.mark.parametrize("how", ["left", "closed", "interrupted", "diverged"])
def test_what_is_stopped_among_quick_epochs_has_them_all_and_goes_on_exactly(
    tmp_path: Path, saved: list[int], monkeypatch: pytest.MonkeyPatch, whole: str, how: str
) -> None:
    splits = drawn_faces(140)
    monkeypatch.setattr("mien.experiment.SAVING", 1e9)
    rows: list[float] = []
    errors = {"interrupted": KeyboardInterrupt, "diverged": Diverged}

    def tick(share: float) -> None:
        if len(rows) == 4 and how in errors:
            raise errors[how]("in the middle of the fifth epoch")

    going = train(tmp_path / "parts", splits, QUICK, device="cpu", export=False, tick=tick)
    with pytest.raises(errors[how]) if how in errors else nullcontext():
        for epoch in going:
            rows.append(epoch.val_accuracy)
            if len(rows) == 4 and how not in errors:
                break
    if how == "left":
        del going
    else:
        going.close()
    assert saved == [1, 4]
    assert [row["val_accuracy"] for row in history(tmp_path / "parts")] == rows
    best = load_state(tmp_path / "parts" / "state.pt")["fit"]["best"]
    model = fresh(QUICK, splits)
    load_weights(model, tmp_path / "parts" / WEIGHTS)
    assert all(torch.equal(value, best[name]) for name, value in model.state_dict().items())
    list(train(tmp_path / "parts", splits, QUICK, device="cpu", export=False, resume=True))
    assert checksum(tmp_path / "parts" / WEIGHTS) == whole


def test_quick_epochs_that_a_kill_lost_are_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: str
) -> None:
    splits = drawn_faces(140)
    monkeypatch.setattr("mien.experiment.SAVING", 1e9)
    going = train(tmp_path / "run", splits, QUICK, device="cpu", export=False)
    for _ in range(3):
        next(going)
    shutil.copytree(tmp_path / "run", tmp_path / "killed")  # what a kill would leave
    going.close()
    again = list(train(tmp_path / "killed", splits, QUICK, device="cpu", export=False, resume=True))
    assert [epoch.epoch for epoch in again] == [2, 3, 4, 5, 6]
    assert checksum(tmp_path / "killed" / WEIGHTS) == whole
    assert [row["epoch"] for row in history(tmp_path / "killed")] == [1, 2, 3, 4, 5, 6]
