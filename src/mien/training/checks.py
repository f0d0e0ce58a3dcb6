"""Checks before a training begins: whether it can be done with these faces, this network and this memory."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from traceback import clear_frames
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mien.data.faces import UNLABELLED, FaceSet, check_untransformed
from mien.errors import DataError, RecipeError, TooLittleMemory, check_kind, first_line
from mien.evaluation.scores import warn_of_probabilities
from mien.modes import in_eval_mode, unwrapped
from mien.training.distributed import Team
from mien.training.learner import side
from mien.training.norms import trained_norms
from mien.training.recipe import Recipe


def check_faces(train: FaceSet, val: FaceSet, second: FaceSet | None = None) -> None:
    """Raise DataError where `fit` can't train on these faces. Quick, so that it comes before anything is written."""
    for name, faces in (("train", train), ("val", val)):
        check_kind(
            faces, FaceSet, DataError,
            f"fit takes a FaceSet as {name}, such as splits.{name}; with a DataLoader's batches train in a loop of "
            "your own (lesson 1).",
        )  # fmt: skip
        check_untransformed(faces)
        if len(set(faces.images.shape[1:3])) > 1:  # `augment` would squeeze them, and val would be judged as it is
            pixels = "×".join(map(str, faces.images.shape[1:3]))
            raise DataError(
                f"The faces must be square; those in {name} have {pixels} pixels. Resize or pad them first."
            )
    known = train.labels != UNLABELLED, val.sure
    for name, usable, purpose in (("train", known[0], "learn from"), ("val", known[1], "judge by")):
        if not len(usable):
            raise DataError(
                f"The set to {purpose} ({name}) is empty: its source has no such faces. splits[{name!r}] says which "
                "splits there are."
            )
        if not usable.any():
            raise DataError(f"There are no labelled faces to {purpose} ({name}).")
    if len(of := np.unique(train.labels[known[0]])) < 2:
        only = train.classes[of[0]]
        raise DataError(f"All faces to learn from (train) are {only!r}; it takes two classes or more to tell apart.")
    if train.classes != val.classes:
        raise DataError(f"train has the classes {', '.join(train.classes)}; val has {', '.join(val.classes)}.")
    if train.images.shape[1:] != val.images.shape[1:]:
        found = ("×".join(map(str, faces.images.shape[1:])) for faces in (train, val))
        raise DataError("The faces of train are {}, those of val {}: bring them to one size and kind.".format(*found))
    if second is not None and not (second.soft and np.array_equal(second.images, train.images)):
        raise DataError("The second labelling must be shares of classes for the very faces of train, in their order.")


@torch.no_grad()  # not inference_mode: what a network makes and keeps there (lazy layers, caches) can't be trained with
def check_network(model: nn.Module, train: FaceSet, recipe: Recipe, second: FaceSet | None, team: Team) -> None:
    """Raise DataError or RecipeError where `fit` can't train this network so. Quick, like `check_faces`.

    Runs black faces of the smallest and of full size through it in eval mode, which changes nothing in it.
    """
    if recipe.class_weights == recipe.sampling == "balanced":  # either balances the classes; both together overdo it
        raise RecipeError(
            "class_weights and sampling are both balanced, so rare classes would count for more than common ones: one "
            "is enough. Leave out class_weights or sampling."
        )
    name = getattr(model, "name", type(model).__name__)
    forward = model if second is None else getattr(model, "joint", None)
    if forward is None:
        raise DataError(f"The {name} has no second head, so it can't learn a second labelling.")
    share = min(recipe.batch, sum(train.counts.values())) // team.size
    part = share // min(recipe.accumulate, max(share, 1))
    full, parameter = train.images.shape[1], next(model.parameters(), None)
    lone: list[bool] = []  # whether norms see one value per channel of a face; of a single face that has no variance
    with in_eval_mode(model), ExitStack() as hooks:
        for norm in trained_norms(model) if part == 1 else ():
            hooks.enter_context(
                norm.register_forward_pre_hook(lambda _, x: lone.append(x[0].numel() <= 2 * x[0].shape[1]))
            )
        try:
            for size in (full, side(recipe, full, 0)):
                where = "cpu" if parameter is None else parameter.device
                faces = torch.zeros(2, train.pixels.shape[1], size, size, dtype=torch.uint8, device=where)
                given = forward(faces)
        except (RuntimeError, AssertionError) as error:
            if no_memory(error):
                raise TooLittleMemory(f"There is no memory left for a single face ({first_line(error)}).") from None
            if size == full and not _takes_larger(forward, faces):  # what is wrong may be anything
                kind = torch.float32 if parameter is None else parameter.dtype
                said = f" Its weights are {kind}; fit trains float32 ones: model.float()."
                raise RecipeError(
                    f"The {name} fails on uint8 faces of shape {tuple(faces.shape)}: {first_line(error)}"
                    f"{said if kind != torch.float32 else ''}"
                ) from error
            larger = "larger ones (--size)" if size == full else "a larger start_size (--start-size)"
            raise RecipeError(
                f"The {name} can't take faces of {size} pixels; give it {larger}. ({first_line(error)})"
            ) from None
    if any(lone):
        raise RecipeError(
            f"The {name} has batch normalisation, which needs two faces or more at a time; a batch of {share} in "
            f"{recipe.accumulate} {'part' if recipe.accumulate == 1 else 'parts'} is fewer: raise batch (--batch), or "
            "lower accumulate (--accumulate)."
        )
    own, others = len(train.classes), len(second.classes) if second is not None else 0
    if not isinstance(given, Tensor) or given.ndim != 2 or len(given) != 2 or (not others and given.shape[1] != own):
        found = f"shape {tuple(given.shape)}" if isinstance(given, Tensor) else f"a {type(given).__name__}"
        raise DataError(
            f"The {name} gives {found} for 2 faces; it must give logits of shape (2, {own + others}), one for each "
            f"class: {', '.join(train.classes)}."
        )
    warn_of_probabilities(given[:, :own], f"The {name}")
    if second is not None and (heads := given.shape[1] - own) != others:
        raise DataError(
            f"The {name}'s second head answers for {heads} classes; the second labelling has {len(second.classes)}: "
            f"{', '.join(second.classes)}."
        )
    if odd := [key for key, value in model.state_dict().items() if not isinstance(value, Tensor)]:
        raise RecipeError(
            f"The {name}'s {odd[0]} isn't a tensor; fit keeps tensors alone: let its get_extra_state give one, or none."
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise RecipeError(
            f"The {name} has nothing to train: {'it has no parameters' if parameter is None else 'all of it is frozen'}"
            ". Thaw some of it, such as its last layer: model.linear.requires_grad_(True)."
        )


def no_memory(error: Exception) -> bool:
    """Whether the error says that memory ran out; for Apple's and NVIDIA's libraries torch has no class of errors."""
    said, known = str(error), ("out of memory", "ALLOC_FAILED", "DEVICE_ALLOCATION_FAILED")  # cuDNN 9 has the last
    return isinstance(error, torch.OutOfMemoryError) or any(words in said for words in known)


def _takes_larger(forward: Callable[[Tensor], Any], faces: Tensor) -> bool:
    try:
        forward(faces.repeat(1, 1, 3, 3))
    except Exception:
        return False
    return True


def warn_of_another(model: nn.Module, recipe: Recipe) -> None:
    """Warn where `create_model` built another network than the recipe's, or built it without the recipe's options.

    Options that were passed to `create_model` are meant that way; networks of one's own aren't compared.
    """
    model = unwrapped(model)
    name, own, chosen = (getattr(model, key, None) for key in ("name", "options", "chosen"))
    if chosen is None or not isinstance(own, dict):
        return
    found = [] if name == recipe.model else [f"it is a {name}, not a {recipe.model}"]
    for key, value in recipe.options.items():
        if key in own and key not in chosen and _listed(own[key]) != _listed(value):
            found.append(f"its {key} is {own[key]!r}, not {value!r}")
    if found:
        warnings.warn(
            f"The recipe is for another network than this one: {'; '.join(found)}. "
            f"mien.create_model({recipe.model!r}, **recipe.options) makes the recipe's.",
            UserWarning,
            stacklevel=3,
        )


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@contextmanager
def enough_memory(where: torch.device, recipe: Recipe, train: FaceSet) -> Iterator[None]:
    """Turn torch's error when the device runs out of memory into a TooLittleMemory that says what to change."""
    try:
        yield
    except RuntimeError as error:
        if not no_memory(error):
            raise
        clear_frames(error.__traceback__)  # a notebook keeps the last error, and all that its frames hold
        raise TooLittleMemory(
            f"The memory of {where} is too small for {min(recipe.batch, sum(train.counts.values()))} faces in "
            f"{recipe.accumulate} {'part' if recipe.accumulate == 1 else 'parts'}: choose a smaller batch (--batch) or "
            "more parts (--accumulate)." + _large(where, train)
        ) from None


def _large(where: torch.device, train: FaceSet) -> str:
    """More advice where the faces themselves take up much of a GPU."""
    size = train.images.nbytes / 1e9
    if where.type == "cpu" or size < 1:
        return ""
    return f" The faces alone take {size:.1f} GB there; as a .faces folder (`mien data convert`) they stay on the disk."
