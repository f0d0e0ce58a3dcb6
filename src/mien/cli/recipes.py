"""The fields of a Recipe as options of the command line, and the recipe that a line asks for."""

import inspect
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from mien.cli.faces import of_images
from mien.cli.options import check_finished
from mien.errors import MienError, MissingExtra, RecipeError, UnknownModel
from mien.training.recipe import TIMM, Recipe, recipe

if TYPE_CHECKING:
    from mien.data.origin import DataPath

NOT_OPTIONS = ("model", "preset", "options", "teachers")
"""Fields that verbs give another way."""

PRESETS = "article|tuned|demo|finetune"

Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar=PRESETS,
        help="The recipe. article: that of the article which mien implements. tuned: the best known for FER2013. demo: "
        "quick, for drawn faces. finetune: to train on from --init. Default: finetune with --init, tuned with "
        "--data, else demo.",
    ),
]
Model = Annotated[
    str | None,
    typer.Argument(metavar="MODEL", help="A name from `mien models`, such as cnn; with --init that network's."),
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


def need_torch() -> None:
    """Raise MissingExtra without torch: asked before the faces are read or drawn, which takes a while."""
    if find_spec("torch") is None:
        raise MissingExtra("torch", "train", "This")


def in_one_process(verb: str) -> None:
    """Raise MienError where torchrun started several processes for a verb that doesn't share its work among them."""
    if (processes := int(os.environ.get("WORLD_SIZE", "1"))) > 1:
        raise MienError(
            f"mien {verb} trains in one process; torchrun started {processes}. Run it without torchrun: only mien "
            "train is shared by several."
        )


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
        metavar=choices or (None if kind is bool else "NAME" if kind is str else "N"),
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


def asked(
    model: str | None,
    preset: str | None,
    source: "DataPath",
    rgb: bool | None,
    fields: dict[str, Any],
    option: Sequence[str],
) -> tuple[Recipe, "DataPath"]:
    """The recipe that a line asks for, and its faces: with `--init` in the size and colours that network takes."""
    from mien.cards import Card
    from mien.models import list_models
    from mien.models.backbone import import_timm
    from mien.models.registry import OWN
    from mien.shipped import find, shipped

    kept = None
    if fields["init"] and fields["init"] != TIMM:
        fields["init"] = trained(fields["init"])
        kept = Card.read(find(fields["init"]))
    model = model or (kept.model if kept else None)
    if model is None:
        raise typer.BadParameter(
            "name a model, such as cnn (`mien models` lists them), or a network to start from, such as --init small."
        )
    preset = preset or ("finetune" if fields["init"] else "tuned" if source.path else "demo")
    recipe = make_recipe(model, preset, fields, option)
    if model not in (known := list_models(unlisted=True)):  # said before minutes of reading
        if model in shipped():
            raise UnknownModel(f"{model} is a trained network in the box. To train on from it: --init {model}")
        raise UnknownModel(f"There is no model {model!r}; the models are {', '.join(known)}. {OWN}")
    if model == "backbone":
        import_timm()
    if kept:  # the network is what it was; the preset's options are for a new one
        recipe = recipe.model_copy(update={"options": {**_shapeless(kept.options), **options_of(option)}})
        if of_images(source.path):
            colours = kept.input_shape[0] == 3 if rgb is None else rgb
            source = replace(source, size=source.size or kept.input_shape[1], rgb=colours)
    return recipe, source


def trained(name: str) -> str:
    """A trained network as a recipe names it: by its absolute path, for a run may be resumed from another folder."""
    from mien.cards import Card
    from mien.shipped import find

    check_finished(Path(name))
    Card.read(find(name))
    return os.path.abspath(name) if find(name) == Path(name) else name


def _shapeless(options: dict[str, Any]) -> dict[str, Any]:
    """A card's options without those that follow from the data, and no second head: nothing would train it."""
    kept = {name: value for name, value in options.items() if name not in ("classes", "channels", "size")}
    return {**kept, "second": 0} if "second" in kept else kept
