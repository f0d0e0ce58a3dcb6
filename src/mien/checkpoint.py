"""Run folder <-> network: the weights, the state that a training resumes from, and the card beside them."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from mien.cards import Card
from mien.errors import CheckpointError, UnknownModel, first_line
from mien.files import atomic_write, regular
from mien.models import create_model
from mien.models.stem import GRAY
from mien.net import WEIGHTS
from mien.shipped import find


def load_run(folder: str | os.PathLike[str]) -> tuple[nn.Module, Card]:
    """The trained network of a run folder or of a shipped name, on the CPU and in eval mode, and its card.

    The network has `classes`, and its logits are to be divided by `card.temperature`, as `mien.Net` does by itself:
    `mien.evaluate(model, faces, temperature=card.temperature)`.

    Raises:
        CheckpointError: no finished run there, or a file isn't the one that its card was written for.
    """
    folder = find(folder)
    card = Card.read(folder)
    card.verify(folder, [WEIGHTS])
    try:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):  # the caller's random numbers stay as they are
            model = create_model(card.model, **card.options)
    except (UnknownModel, TypeError) as error:
        raise CheckpointError(f"{folder}: its card asks for another model than mien has: {error}") from None
    load_weights(model, folder / WEIGHTS)
    if not hasattr(model, "classes"):  # somebody's own network may mean something else by it
        model.classes = card.classes  # type: ignore[assignment]
    return model.eval(), card


def save_weights(weights: Mapping[str, Tensor], path: str | os.PathLike[str], *, half: bool = False) -> None:
    """Write weights, such as a network's `state_dict()`, to a safetensors file, in one step; `half`: floats as fp16."""
    # a copy of each, for tied weights are one tensor under two names, which safetensors refuses
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    if half:
        tensors = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    atomic_write(path, save(tensors))  # save_file would leave it readable to its owner alone


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Put the weights of a safetensors file into `model`.

    Raises:
        CheckpointError: the file is missing, damaged, or holds another network's weights.
    """
    try:
        model.load_state_dict(load(Path(path).read_bytes()))  # its own reader of files takes paths in UTF-8 alone
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: can't read the weights ({error}).") from None
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: these weights belong to another network ({str(error).splitlines()[1].strip()})"
        ) from None


def start_from(model: nn.Module, earlier: nn.Module, *, same_classes: bool) -> None:
    """Put the weights of `earlier` into `model`; its heads stay as they are unless both answer for the same classes.

    A network of RGB faces may start from one of gray faces and the other way round: the filters that see the pixels are
    weighted or added up, so that it answers gray pictures as the earlier one did. Faces may have another size if the
    layers allow it; those of the first two rungs don't.

    Raises:
        CheckpointError: the networks differ in more than their heads and colours.
    """
    own = model.state_dict()
    given = {name: _recoloured(value, own.get(name)) for name, value in earlier.state_dict().items()}
    heads = {name for name in own if name.split(".")[0] in ("linear", "second")}
    if not heads and not same_classes:
        raise CheckpointError(
            "The network has no layer `linear`, so it isn't known what depends on the classes: rename its last layer, "
            "or train it on the same classes."
        )
    if same_classes:
        second = (name for name in heads if name.startswith("second."))
        heads = {name for name in second if name not in given or given[name].shape != own[name].shape}
    unlike = [name for name in own if name not in heads and (name not in given or given[name].shape != own[name].shape)]
    if unlike:
        raise CheckpointError(
            f"The earlier network has other layers ({unlike[0]} differs, and {len(unlike) - 1} more): give it no other "
            "options, and where it has no convolutions faces of the same size and colours (--size, --rgb)."
        )
    model.load_state_dict({name: value if name in heads else given[name] for name, value in own.items()})


def _recoloured(value: Tensor, own: Tensor | None) -> Tensor:
    """The first layer's filters `(out, 1 or 3, h, w)`, for as many colours as `own` has; other weights as they are."""
    if own is None or value.ndim != 4 or own.ndim != 4 or value.shape[2:] != own.shape[2:]:
        return value
    if (value.shape[1], own.shape[1]) == (1, 3):
        return value * torch.tensor(GRAY).view(1, 3, 1, 1)
    return value.sum(1, keepdim=True) if (value.shape[1], own.shape[1]) == (3, 1) else value


def save_state(state: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write what a training resumes from, in one step."""
    held = io.BytesIO()  # of a full disk, torch.save to a file says nothing that helps anybody
    torch.save(state, held)
    atomic_write(path, held.getvalue())


def load_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what `save_state` wrote; never unpickles anything but tensors and plain data.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        with open(path, "rb", opener=regular) as file:
            state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds, from its zip reader to its unpickler
        raise CheckpointError(
            f"{path}: can't read the training state ({first_line(error)}). Train again into another folder."
        ) from None
    if not (isinstance(state, dict) and {"fit", "history", "before", "options", "started", "teachers"} <= state.keys()):
        raise CheckpointError(f"{path}: not the state of a training of mien's. Train again into another folder.")
    return state
