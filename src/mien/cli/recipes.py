"""The fields of a Recipe as options of the command line."""

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from mien.errors import RecipeError
from mien.training.recipe import Recipe, recipe

NOT_OPTIONS = ("model", "preset", "options", "teachers")
"""Fields that verbs give another way."""

PRESETS = "article|tuned|demo|finetune"

Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar=PRESETS,
        help="article: as the article did it. tuned: the best known for FER2013. demo: seconds, for drawn faces. "
        "finetune: continues from --init. Without it: finetune with --init, tuned with --data, else demo.",
    ),
]
NetworkOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option", metavar="KEY=VALUE", help="An option of the network, such as widths=[32,64,128]. Repeatable."
    ),
]


def recipe_options(*names: str, without: Sequence[str] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: give a verb that takes `**fields` an option for each of these fields; by default for all, `without`
    some."""

    def add(verb: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(verb)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        fields = names or tuple(name for name in Recipe.model_fields if name not in (*NOT_OPTIONS, *without))
        added = [_parameter(name, Recipe.model_fields[name]) for name in fields]
        verb.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
        return verb

    return add


def make_recipe(model: str, preset: str, fields: dict[str, Any], options: Sequence[str] = ()) -> Recipe:
    """The recipe that a command line asks for; `fields` that are None weren't given.

    Raises:
        typer.BadParameter: a value that a recipe can't have.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return recipe(model, preset, **given, options=options_of(options))
    except RecipeError as error:
        raise typer.BadParameter(str(error)) from None


def options_of(texts: Sequence[str]) -> dict[str, Any]:
    """The network's options that a command line gives as KEY=VALUE."""
    return dict(map(_option, texts))


def _option(text: str) -> tuple[str, Any]:
    """`depth=3` -> ("depth", 3): the value as JSON where it is JSON, else as text."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise typer.BadParameter(f"{text!r} isn't KEY=VALUE.", param_hint="--option")
    try:
        return key.strip(), json.loads(value)
    except ValueError:
        return key.strip(), value


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    flag = "--" + name.replace("_", "-")
    kind = field.annotation if field.annotation in (int, float, bool) else str
    choices = "|".join(map(str, get_args(field.annotation))) if get_origin(field.annotation) is Literal else None
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if kind is bool else flag,
        help=f"{(field.description or name).strip()}{_bounds(field)}",
        metavar=choices,
        show_default=False,
        rich_help_panel="Recipe (any field, in place of the preset's)",
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _bounds(field: FieldInfo) -> str:
    """What pydantic will insist on, in words: " (0 or more, below 1)"."""
    words = {"ge": "{} or more", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
    said = [
        text.format(getattr(bound, name))
        for bound in field.metadata
        for name, text in words.items()
        if getattr(bound, name, None) is not None
    ]
    return f" ({', '.join(said)})" if said else ""
