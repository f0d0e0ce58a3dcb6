"""The models by name: @register puts one in, create_model builds one, list_models lists them."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

from mien.errors import MienError, UnknownModel, check_kind

M = TypeVar("M", bound=type[nn.Module])

PLAIN = (bool, int, float, str, tuple, list)
"""The types of options that a card can hold."""

_MODELS: dict[str, type[nn.Module]] = {}
_SIZES: dict[str, dict[str, Any]] = {}
"""The options in which a registered model differs from the defaults of its class."""
_UNLISTED: set[str] = set()

OWN = (
    "One of your own has to be registered in this process, in Python (mien.register); the command line reads its "
    "model.onnx."
)


def register(name: str, *, listed: bool = True, **sizes: Any) -> Callable[[M], M]:
    """Class decorator: make a network known under `name`; `listed=False` for one that can't be built by its name alone.

    Its `__init__` takes `classes`, `channels` and `size` and whatever else the network has as keywords; `sizes` are
    values of these in place of its defaults, so that one class can stand under several names. It follows the one
    contract: pixels 0..255 in, `(B, C, H, W)`, uint8 or float; logits out, `(B, K)`. What depends on the classes is
    the layer `linear`: a training that starts from these weights with other classes begins with a fresh one.

    The same class may be registered again, as when a notebook's cell is run once more. It is known in this process
    alone: the command line can only read its run's `model.onnx`, and its training is resumed in Python.

    Raises:
        MienError: another class has the name.
        UnknownModel: the name is empty, or what is decorated isn't an `nn.Module` class.

    ```python
    @mien.register("one-layer")
    class OneLayer(nn.Module):
        def __init__(self, *, classes=7, channels=1, size=48):
            super().__init__()
            self.linear = nn.Linear(channels * size * size, classes)

        def forward(self, pixels):
            return self.linear(pixels.float().flatten(1) / 255)
    ```
    """

    how = 'A network is registered under a name of its own, @mien.register("my-network").'
    check_kind(name, str, UnknownModel, how)
    if not name:
        raise UnknownModel(how)

    def put(model: M) -> M:
        if not (isinstance(model, type) and issubclass(model, nn.Module)):
            raise UnknownModel(
                f"{name!r} can't be {model!r:.80}: a network is a class that derives from torch.nn.Module."
            )
        known = _MODELS.get(name, model)
        if (known.__module__, known.__qualname__) != (model.__module__, model.__qualname__):
            raise MienError(f"A model called {name!r} is registered already ({known.__module__}).")
        _MODELS[name], _SIZES[name] = model, sizes
        (_UNLISTED.discard if listed else _UNLISTED.add)(name)
        return model

    return put


def list_models(*, unlisted: bool = False) -> list[str]:
    """The names that create_model knows, in the order of the ladder; `unlisted`: those that need more, too."""
    return [name for name in _MODELS if unlisted or name not in _UNLISTED]


def create_model(name: str, *, classes: int = 7, channels: int = 1, size: int = 48, **options: Any) -> nn.Module:
    """Build the network of that name with fresh float32 weights, from torch's global random state.

    Args:
        name: one of `list_models()`.
        classes: how many logits it gives.
        channels: 1 for gray input, 3 for RGB.
        size: height and width of the faces it takes.
        options: what else the network has, such as `widths`.

    Returns:
        The network, in training mode; `.name` and `.options` say what builds the same one again, `.chosen` which of
        the options were asked for here.

    Raises:
        UnknownModel: for another name, or an option that the model doesn't have.

    >>> import torch
    >>> from mien import create_model
    >>> create_model("logistic")(torch.zeros(2, 1, 48, 48, dtype=torch.uint8)).shape
    torch.Size([2, 7])
    """
    if name not in _MODELS:
        raise UnknownModel(f"There is no model {name!r}; the models are {', '.join(_MODELS)}. {OWN}")
    known: dict[str, Any] = {"classes": classes, "channels": channels, "size": size, **_SIZES[name], **options}
    try:
        model = _MODELS[name](**known)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:  # what layers raise at sizes they can't have
        takes = ", ".join(inspect.signature(_MODELS[name]).parameters)
        raise UnknownModel(f"The model {name!r} can't be built with {options}: {error}. It takes {takes}.") from None
    if torch.get_default_dtype() != torch.float32:  # the first layer gives float32, and `fit` trains it
        model.float()
    # with the defaults of today, so that a card still builds the same network when they have changed
    model.name, model.options = name, {**_defaults(_MODELS[name]), **known}  # type: ignore[assignment]
    model.chosen = tuple(options)  # type: ignore[assignment]
    return model


def _defaults(model: type[nn.Module]) -> dict[str, Any]:
    """The defaults in the signature of a network's `__init__`."""
    parameters = inspect.signature(model).parameters.values()
    found = {each.name: each.default for each in parameters if isinstance(each.default, PLAIN)}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}
