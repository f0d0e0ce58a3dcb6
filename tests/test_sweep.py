"""Sweeps of real, small trainings: what is tried, what is cut short, and what is refused."""

import pytest

from mien.errors import RecipeError
from mien.sweep import read_space
from mien.training.recipe import recipe

RECIPE = recipe("logistic", "demo", epochs=3, optimiser="sgd", batch=32)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lr", "'lr' isn't FIELD=LOW..HIGH"),
        ("rate=0.1..0.2", "There is no field 'rate' to sweep; there are epochs, batch,"),
        ("model=cnn,resnet", "There is no field 'model' to sweep"),
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
