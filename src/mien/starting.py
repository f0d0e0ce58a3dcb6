"""The network that a training starts from."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mien.cards import CARD, STATE, Card
from mien.checkpoint import load_run, load_state, start_from
from mien.data.splits import Splits
from mien.errors import CheckpointError
from mien.export import export_onnx
from mien.models import create_model, summarise
from mien.models.backbone import Backbone
from mien.net import MODEL, WEIGHTS
from mien.training.recipe import TIMM, Recipe


def starting(folder: Path, recipe: Recipe, splits: Splits) -> nn.Module:
    """The network of the training in this run folder; where one was stopped, its weights are still to be loaded."""
    kept = _options(folder) if recipe.init else None
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):  # the caller's random numbers stay as they are
        return create_model(recipe.model, **kept) if kept else fresh(recipe, splits)


def fresh(recipe: Recipe, splits: Splits) -> nn.Module:
    """The network that a training by `recipe` on `splits` starts from: untrained, or with the weights of `recipe.init`.

    Raises:
        CheckpointError: `recipe.init` holds another model.
    """
    images = splits["train"].images
    channels = 1 if images.ndim == 3 else 3
    torch.default_generator.manual_seed(recipe.seed)  # a GPU's numbers aren't drawn from, and are left alone
    shape = {"classes": len(splits.classes), "channels": channels, "size": images.shape[1]}
    if not recipe.init:
        return create_model(recipe.model, **shape, **recipe.options)
    if recipe.init == TIMM:
        model = create_model(recipe.model, **shape, **recipe.options)
        if not isinstance(model, Backbone):
            raise CheckpointError(f"timm has no weights for a {recipe.model}, only for a backbone.")
        model.load_pretrained()
        return model
    earlier, card = load_run(recipe.init)
    if card.model != recipe.model:
        raise CheckpointError(
            f"{recipe.init} is a {card.model}; it can't be where a {recipe.model} starts from: train a {card.model}."
        )
    model = create_model(recipe.model, **{**card.options, **recipe.options, **shape})
    start_from(model, earlier, same_classes=not has_new_head(recipe, splits.classes))
    return model


def has_new_head(recipe: Recipe, classes: Sequence[str]) -> bool:
    """Whether what `recipe.init` names answers for other classes, or, from timm, has no head: another is needed."""
    return recipe.init == TIMM or (recipe.init != "" and Card.read(recipe.init).classes != tuple(classes))


def _options(folder: Path) -> dict[str, Any] | None:
    """The options of the network in this folder, None before the first epoch is saved.

    They make what it started from, which may be gone by then, unnecessary.
    """
    if (folder / CARD).exists():
        return Card.read(folder).options
    return load_state(folder / STATE)["options"] if (folder / STATE).exists() else None


def init_of(recipe: Recipe) -> str:
    """The checksum of the weights that `recipe.init` names; "" of none, and of timm's."""
    return "" if recipe.init in ("", TIMM) else Card.read(recipe.init).checksums[WEIGHTS]


def rehearse(model: nn.Module, recipe: Recipe, splits: Splits) -> None:
    """Raise CheckpointError where a network of somebody else's can't be counted or exported: now, not after hours."""
    if type(model).__module__.startswith("mien.") and not isinstance(model, Backbone):
        return
    summarise(model)
    options: Any = model.options
    shape = (options["channels"], options["size"], options["size"])
    card = Card(model=recipe.model, options=options, classes=splits.classes, input_shape=shape)
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        export_onnx(model, Path(folder, MODEL), card)
