"""What a sweep searches: fields of a recipe, and for each a range or a few values."""

from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from mien.errors import RecipeError
from mien.training.recipe import Recipe, read_recipe

_FIXED = ("model", "preset", "options", "init", "teachers", "distil", "seed")

FIELDS = tuple(name for name in Recipe.model_fields if name not in _FIXED)
"""The fields that can be swept."""

Space = dict[str, BaseDistribution]


def read_space(texts: Sequence[str], recipe: Recipe) -> Space:
    """The range or values of each field, from texts such as `lr=0.01..0.3:log`, `erase=0..0.6`, `batch=64,128`.

    Raises:
        RecipeError: no such field, a range for what isn't a number, or a value that a recipe can't have.
    """
    space: Space = {}
    for text in texts:
        name, _, values = (part.strip() for part in text.partition("="))
        name = name.replace("-", "_")
        if not values:
            raise RecipeError(f"{text!r} isn't FIELD=LOW..HIGH, FIELD=LOW..HIGH:log or FIELD=ONE,ANOTHER.")
        if name == "seed":
            raise RecipeError(
                "seed isn't swept: the best of several is luck. Train the recipe with each, `mien train --seed`, and "
                "see their mean in `mien leaderboard`."
            )
        if name not in FIELDS:
            raise RecipeError(f"There is no field {name!r} to sweep; there are {', '.join(FIELDS)}.")
        if name in space:
            raise RecipeError(f"The field {name} is given twice.")
        space[name] = (_range if ".." in values else _choices)(name, values, recipe)
    if not space:
        raise RecipeError("Name at least one field to sweep, such as lr=0.01..0.3:log.")
    return space


def _range(name: str, text: str, recipe: Recipe) -> BaseDistribution:
    kind = Recipe.model_fields[name].annotation
    if kind not in (int, float):
        raise RecipeError(f"{name} isn't a number and has no range {text!r}; name its values, {name}=ONE,ANOTHER.")
    ends, _, scale = text.partition(":")
    if scale not in ("", "log"):
        raise RecipeError(f"{name}={text}: a range ends with nothing or with :log, not with {':' + scale!r}.")
    low, high = (_value(name, end, recipe) for end in ends.split("..", 1))
    if low >= high:
        raise RecipeError(f"{name}={text}: a range goes from the lower to the higher number.")
    if scale and low <= 0:
        raise RecipeError(f"{name}={text}: a logarithmic range begins above 0.")
    return (IntDistribution if kind is int else FloatDistribution)(low, high, log=bool(scale))


def _choices(name: str, text: str, recipe: Recipe) -> BaseDistribution:
    choices = [_value(name, choice, recipe) for choice in text.split(",")]
    if len(set(choices)) < max(2, len(choices)):
        raise RecipeError(f"{name}={text}: name two values or more, each once, or a range LOW..HIGH.")
    return CategoricalDistribution(choices)


def _value(name: str, text: str, recipe: Recipe) -> Any:
    """The text as that field's value. Raises RecipeError for one that a recipe can't have."""
    return getattr(read_recipe({**recipe.model_dump(), name: text.strip()}), name)
