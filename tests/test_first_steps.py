"""What whoever begins does first: a wrong turn is told of where it is taken, with what to give instead."""

import inspect
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

import mien
from mien.data.drawn import draw
from mien.errors import DataError

TRAIN, VAL = draw(64, seed=3), draw(48, seed=4)
RECIPE = mien.recipe("logistic", "demo", epochs=1)


def fresh() -> Any:
    torch.manual_seed(0)
    return mien.create_model("logistic")


def test_a_transform_that_would_not_be_called_is_refused() -> None:
    faces = mien.FaceSet(TRAIN.images, TRAIN.targets, transform=lambda face: face[:, ::-1].copy())
    for ask in (
        lambda: mien.evaluate(fresh(), faces),
        lambda: list(mien.fit(fresh(), faces, VAL, RECIPE)),
        lambda: list(mien.fit(fresh(), TRAIN, faces[:32], RECIPE)),
    ):
        with pytest.raises(DataError, match=r"wouldn't call, as they read the pixels themselves.*DataLoader"):
            ask()
    batches = [pixels for pixels, _ in DataLoader(faces, 16)]  # where it is called
    assert torch.equal(torch.cat(batches), torch.from_numpy(TRAIN.images[:, :, ::-1].copy()))


LOADER = DataLoader(TRAIN, 16)
WRONG: dict[str, tuple[Any, type[mien.MienError], str]] = {
    "evaluate a loader": (
        lambda: mien.evaluate(fresh(), LOADER),
        DataError,
        r"asks about a FaceSet, such as splits\.val; .*loop of your own.*Found a DataLoader\.",
    ),
    "fit loaders": (lambda: list(mien.fit(fresh(), LOADER, LOADER, RECIPE)), DataError, r"splits\.train; .*DataLoader"),
    "fit all splits": (
        lambda: list(mien.fit(fresh(), mien.drawn_faces(70), VAL, RECIPE)),
        DataError,
        r"splits\.train; .*Found a Splits\.",
    ),
    "fit by a name": (
        lambda: list(mien.fit(fresh(), TRAIN, VAL, "article")),
        mien.RecipeError,
        r"such as mien\.recipe\('logistic'\)\. Found a str\.",
    ),
    "fit a name": (
        lambda: list(mien.fit("cnn", TRAIN, VAL, RECIPE)),
        mien.UnknownModel,
        r"such as mien\.create_model\('cnn'\)",
    ),
    "train on one set": (lambda: list(mien.train("never", TRAIN, RECIPE)), DataError, r"all three .*Found a FaceSet\."),
    "train by a name": (
        lambda: list(mien.train("never", mien.drawn_faces(70), "tuned")),
        mien.RecipeError,
        r"mien\.recipe\(\"cnn\"\)\. Found a str\.",
    ),
    "recognise with a module": (
        lambda: mien.Recognizer(fresh()),
        mien.CheckpointError,
        r"reads its network from a file: .*export_onnx.*Found a Logistic",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_another_kind_of_thing_is_answered_with_what_to_give_instead(case: str) -> None:
    ask, error, said = WRONG[case]
    with pytest.raises(error, match=said):
        ask()


def test_an_empty_set_is_not_called_unlabelled() -> None:
    nothing = replace(mien.drawn_faces(70), test=VAL[:0]).test
    nothing.source = "train.csv"
    with pytest.raises(DataError, match=r'set is empty: train\.csv has no such faces.*splits\["test"\] says which'):
        mien.evaluate(fresh(), nothing)
    with pytest.raises(DataError, match=r"\(val\) is empty"):
        list(mien.fit(fresh(), TRAIN, nothing, RECIPE))


def test_another_network_than_the_recipes_is_warned_of() -> None:
    article = mien.recipe("logistic", "article", epochs=1)
    other = mien.create_model("feedforward", hidden=[8])
    with pytest.warns(UserWarning, match=r"normalise is 'image', not 'none'.*\*\*recipe\.options"):
        list(mien.fit(fresh(), TRAIN, VAL, article))
    with pytest.warns(UserWarning, match="it is a feedforward, not a logistic"):
        list(mien.fit(other, TRAIN, VAL, RECIPE))


def test_the_recipes_own_network_and_ones_own_are_not_warned_of() -> None:
    article = mien.recipe("feedforward", "article", epochs=1, options={"hidden": [8]})
    list(mien.fit(mien.create_model("feedforward", **article.options | {"hidden": (8,)}), TRAIN, VAL, article))
    chosen = mien.create_model("feedforward", **article.options | {"hidden": [8, 8]})
    list(mien.fit(chosen, TRAIN, VAL, article))
    own = torch.nn.Sequential(mien.create_model("logistic"))
    own.options = {"normalise": "none"}  # a word that others use, too
    list(mien.fit(own, TRAIN, VAL, article))  # warnings are errors here


@pytest.mark.parametrize("name", ["fit", "train"])
def test_the_help_of_a_training_begins_with_the_loop_that_it_needs(name: str) -> None:
    first, second, *rest = (inspect.getdoc(getattr(mien, name)) or "").split("\n\n")
    assert "generator" in second
    assert f"history = list(mien.{name}(...))" in second
    assert "torchrun" in rest[-1]
    assert "torchrun" not in "".join([first, second, *rest[:-1]])
