"""Sweeps of real, small trainings: what is tried, what is cut short, and what is refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial

from mien.data.drawn import drawn_faces
from mien.errors import CheckpointError, RecipeError
from mien.space import read_space
from mien.sweep import Sweep
from mien.training.recipe import recipe

RECIPE = recipe("logistic", "demo", epochs=3, batch=32)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lr", "'lr' isn't FIELD=LOW..HIGH"),
        ("rate=0.1..0.2", "There is no field 'rate' to sweep; there are epochs, batch,"),
        ("model=cnn,resnet", "There is no field 'model' to sweep"),
        (
            "seed=0..9",
            "seed isn't swept: the best of several is luck. Train the recipe with each, `mien train --seed`,",
        ),
        ("optimiser=0..1", "optimiser isn't a number and has no range '0..1'; name its values, optimiser=ONE,ANOTHER."),
        ("flip=0..1", "flip isn't a number"),
        ("optimiser=sgd,rmsprop", "The recipe's optimiser can't be 'rmsprop'"),
        ("lr=0.3..0.01", "a range goes from the lower to the higher number"),
        ("lr=0..0.3", "The recipe's lr can't be '0'"),
        ("lr=0.1..inf", "The recipe's lr can't be 'inf'"),
        ("lr=a..0.3", "The recipe's lr can't be 'a'"),
        ("lr=0.01..0.3:ln", "a range ends with nothing or with :log, not with ':ln'"),
        ("erase=0..0.6:log", "a logarithmic range begins above 0"),
        ("batch=16.5..64", "The recipe's batch can't be '16.5'"),
        ("batch=64", "batch=64: name two values or more"),
        ("batch=64,64", "each once"),
    ],
)
def test_what_cannot_be_swept_is_said(text: str, said: str) -> None:
    with pytest.raises(RecipeError) as error:
        read_space([text], RECIPE)
    assert said in str(error.value)


def test_a_space_is_read_in_the_fields_own_types() -> None:
    space = read_space(["lr=0.01..0.3:log", "batch=16..64", "weight-decay=0,0.1", "flip=true,false"], RECIPE)
    lr, batch, decay, flip = (space[name].to_internal_repr for name in ("lr", "batch", "weight_decay", "flip"))
    assert (lr(0.01), batch(16), decay(0.1), flip(False)) == (0.01, 16, 1, 1)
    assert [type(space[name]).__name__ for name in space] == [
        *("FloatDistribution", "IntDistribution", "CategoricalDistribution", "CategoricalDistribution")
    ]
    with pytest.raises(RecipeError, match="given twice"):
        read_space(["lr=0.1..0.2", "lr=0.1,0.2"], RECIPE)
    with pytest.raises(RecipeError, match="at least one field"):
        read_space([], RECIPE)


def test_hopeless_and_diverging_trials_end_early_and_rank_last(tmp_path: Path) -> None:
    splits = drawn_faces(420)
    space = read_space(["lr=1e-9,0.02,0.021,2e-9,0.022,1e30,2e30"], RECIPE)
    search = Sweep(tmp_path / "a ?#% name", splits, RECIPE, space, spared=2)
    first = search.trials(1)
    next(first)
    with pytest.raises(CheckpointError, match="another process is at work on this sweep"):
        next(Sweep(search.folder, splits, RECIPE, space, spared=2).trials(1))
    first.close()  # what it proposed is the first trial of the next
    trained = {trial.number: [epoch.val_accuracy for epoch in search.run(trial)] for trial in search.trials(7)}
    ranked = search.ranked()
    assert len(ranked) == len(trained) == 7
    assert {trial.status for trial in ranked} == {"finished", "pruned", "diverged"}
    assert ranked[0].values["lr"] in (0.02, 0.021, 0.022)
    assert len({trial.values["lr"] for trial in ranked}) == 7
    finished = [trial for trial in ranked if trial.status == "finished"]
    assert list(ranked[: len(finished)]) == sorted(finished, key=lambda trial: -max(trained[trial.number]))
    for trial in ranked:
        assert trial.accuracy == max(trained[trial.number], default=None)
        assert trial.epochs == len(trained[trial.number])
        assert (trial.folder / "card.json").exists() == (trial.status == "finished")
        assert (trial.status == "diverged") == (trial.values["lr"] >= 1e30)
        assert trial.values["lr"] > 1e-8 or (trial.status, trial.epochs) == ("pruned", 1)
    assert list(search.trials(7)) == []
    assert list(search.trials(9)) == []  # there are no others

    with pytest.raises(CheckpointError, match="begun with other recipe and fields"):
        Sweep(search.folder, splits, RECIPE.model_copy(update={"seed": 1}), read_space(["lr=0.1,0.2"], RECIPE))
    with pytest.raises(CheckpointError, match="begun with other data"):
        Sweep(search.folder, drawn_faces(140), RECIPE, space)
    (search.folder / "sweep.db").write_bytes(b"no database " * 99)
    with pytest.raises(CheckpointError, match=r"sweep\.db: can't go on"):
        Sweep(search.folder, splits, RECIPE, space)


def test_a_database_that_cant_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits, space = drawn_faces(70), read_space(["lr=0.01..1"], RECIPE)
    with Sweep(tmp_path, splits, RECIPE, space)._storage.engine.connect() as ours:
        assert ours.exec_driver_sql("PRAGMA busy_timeout").scalar() == 60_000  # milliseconds
    monkeypatch.setattr("mien.sweep.WAIT", 0.05)
    search = Sweep(tmp_path, splits, RECIPE, space)
    trial = next(search.trials(1))
    other = sqlite3.connect(tmp_path / "sweep.db", isolation_level=None)
    said = r"sweep\.db: can't go on with this sweep \(database is locked\)\.$"
    with closing(other):
        other.execute("BEGIN IMMEDIATE")  # it reads, and nobody else may write
        with pytest.raises(CheckpointError, match=said):
            list(search.run(trial))
        other.execute("ROLLBACK")
        other.execute("BEGIN EXCLUSIVE")  # and nobody else may read, either
        with pytest.raises(CheckpointError, match=said):
            search.ranked()
        with pytest.raises(CheckpointError, match=said):
            next(search.trials(2))
        with pytest.raises(CheckpointError, match=said):
            Sweep(tmp_path, splits, RECIPE, space)
        other.execute("ROLLBACK")
        assert len(list(search.run(trial))) == RECIPE.epochs - 1  # it goes on
        assert [one.status for one in search.ranked()] == ["finished"]
        other.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    with pytest.raises(CheckpointError, match=r"can't go on with this sweep \(The runtime optuna version"):
        Sweep(tmp_path, splits, RECIPE, space)
    for damage in ("[" * 100_000, "[]", "{"):
        (tmp_path / "sweep.json").write_text(damage)
        with pytest.raises(CheckpointError, match=r"sweep\.json: can't go on"):
            Sweep(tmp_path, splits, RECIPE, space)


def test_it_searches_where_recipes_did_well(tmp_path: Path) -> None:
    search = Sweep(tmp_path, drawn_faces(70), RECIPE, read_space(["lr=0.01..1"], RECIPE))
    tried = [number / 12 for number in range(1, 13)]  # the larger, the better
    search._study.add_trials(create_trial(params={"lr": lr}, distributions=search.space, value=lr) for lr in tried)
    assert next(search.trials(13)).values["lr"] > 0.8


def test_a_trial_that_cannot_be_ends_as_failed_and_says_why(tmp_path: Path) -> None:
    cnn = recipe("cnn", "demo", epochs=1, options={"widths": [4] * 4, "depths": [1] * 4})
    search = Sweep(tmp_path, drawn_faces(70), cnn, read_space(["start-size=8,12"], cnn))
    for trial in search.trials(2):
        assert list(search.run(trial)) == []
    assert [(trial.status, trial.accuracy) for trial in search.ranked()] == [("failed", None)] * 2
    assert all("can't take faces of" in trial.why for trial in search.ranked())
    assert search.ranked()[0].as_json()["why"] == search.ranked()[0].why


def test_a_trial_isnt_trained_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "trial-000").symlink_to(tmp_path / "other")
    sweep = Sweep(tmp_path / "sweep", drawn_faces(140), RECIPE, read_space(["lr=0.02,0.03"], RECIPE))
    with pytest.raises(CheckpointError, match="trial-000: a link"):
        list(sweep.run(next(sweep.trials(1))))
    assert not list((tmp_path / "other").iterdir())


def test_rare_classes_are_made_up_for_once(tmp_path: Path) -> None:
    fields = ["class_weights=none,balanced", "sampling=shuffled,balanced"]
    search = Sweep(tmp_path, drawn_faces(70), RECIPE, read_space(fields, RECIPE), spared=4)
    for trial in search.trials(4):
        assert bool(list(search.run(trial))) == (set(trial.values.values()) != {"balanced"})
    [failed] = [trial for trial in search.ranked() if trial.status == "failed"]
    assert failed.values == {"class_weights": "balanced", "sampling": "balanced"}
    assert "class_weights and sampling are both balanced" in failed.why


def test_a_long_course_is_not_held_against_the_end_of_a_short_one(tmp_path: Path) -> None:
    search = Sweep(tmp_path, drawn_faces(70), RECIPE, read_space(["epochs=3,6"], RECIPE), spared=1)
    short = {"state": TrialState.COMPLETE, "value": 1.0, "intermediate_values": {1: 0.0, 2: 0.999, 3: 1.0}}
    search._study.add_trial(create_trial(params={"epochs": 3}, distributions=search.space, **short))
    assert [len(list(search.run(trial))) for trial in search.trials(2)] == [
        4
    ]  # at epoch 2, a third, it is held against epoch 1; at 4 against 2
    assert search.ranked()[-1].status == "pruned"


def test_a_trial_is_pruned_by_its_own_epochs(tmp_path: Path) -> None:
    """Not by those of the recipe that the sweep was begun with."""
    longer = RECIPE.model_copy(update={"epochs": 30})
    space = read_space(["lr=1e-9,2e-9,0.02,0.03", "epochs=3,6"], longer)
    search = Sweep(tmp_path, drawn_faces(420), longer, space, spared=1)
    pruned = []
    for trial in search.trials(8):
        epochs = len(list(search.run(trial)))
        if epochs < trial.recipe.epochs:
            pruned.append((trial.recipe.epochs, epochs))
    assert pruned
    assert all(3 * done >= of for of, done in pruned)
