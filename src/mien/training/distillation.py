"""Knowledge distillation: trained networks, the teachers, whose mean answer for a face is part of its target."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mien.data.faces import FaceSet
from mien.errors import DataError, RecipeError, check_kind, first_line
from mien.evaluation.scores import warn_of_probabilities
from mien.modes import classes_of, in_eval_mode, unwrapped
from mien.training.device import arrange
from mien.training.recipe import Recipe


class Teachers:
    """Copies of the teachers on the training's device, in eval mode; the caller's networks stay as they are."""

    def __init__(self, networks: Sequence[nn.Module], train: FaceSet, where: torch.device) -> None:
        channels, side = train.pixels.shape[1:3]
        self.networks = [copy.deepcopy(network).eval() for network in networks]
        self.sides = [_side_of(network, side) for network in networks]
        self.columns: list[Tensor] = []  # of the classes in each teacher's logits
        for network, its in zip(self.networks, self.sides, strict=True):
            arrange(network, where, (channels, its, its))
            names = _classes_of(network, train.classes)
            # on the device: to index by a list would copy it there in every step, and wait until the GPU is idle
            self.columns.append(torch.tensor([names.index(name) for name in train.classes], device=where))

    def __len__(self) -> int:
        return len(self.networks)

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """`(B, K)`: the teachers' mean probabilities. Each sees the faces at the size that it was trained on."""
        shown = {side: _resized(pixels, side) for side in self.sides}
        answers = [
            network(shown[side]).float()[:, columns].softmax(1)
            for network, side, columns in zip(self.networks, self.sides, self.columns, strict=True)
        ]
        return torch.stack(answers).mean(0)


@torch.no_grad()  # not inference_mode, as in `check_network`
def check_teachers(teachers: Sequence[nn.Module], train: FaceSet, recipe: Recipe) -> None:
    """Raise DataError where a teacher doesn't answer for the classes of `train`, RecipeError where those that the
    recipe names aren't here."""
    if isinstance(teachers, nn.Module):
        raise DataError("fit takes a list of teachers, such as [mien.load_run('flagship')[0]].")
    if recipe.teachers and len(teachers) != len(recipe.teachers):
        raise RecipeError(
            f"The recipe's teachers are {', '.join(recipe.teachers)}; fit takes the networks themselves, such as "
            f"teachers=[mien.load_run({recipe.teachers[0]!r})[0]]. mien.train reads them by itself."
        )
    for number, teacher in enumerate(teachers):
        check_kind(teacher, nn.Module, DataError, "A teacher is a network, such as mien.load_run('flagship')[0].")
        name, names = getattr(teacher, "name", type(teacher).__name__), _classes_of(teacher, train.classes)
        if not set(names) >= set(train.classes):
            raise DataError(
                f"Teacher {number}, a {name}, tells apart {', '.join(names)}; the faces are "
                f"{', '.join(train.classes)}. A teacher has to know all of these."
            )
        parameter, size = next(teacher.parameters(), None), _side_of(teacher, train.images.shape[1])
        where = "cpu" if parameter is None else parameter.device
        faces = torch.zeros(2, train.pixels.shape[1], size, size, dtype=torch.uint8, device=where)
        try:
            with in_eval_mode(teacher):
                given = teacher(faces)
        except (RuntimeError, AssertionError) as error:
            raise DataError(
                f"Teacher {number}, a {name}, fails on uint8 faces of shape {tuple(faces.shape)}: {first_line(error)}"
            ) from None
        if not isinstance(given, Tensor) or given.shape != (2, len(names)):
            found = f"shape {tuple(given.shape)}" if isinstance(given, Tensor) else f"a {type(given).__name__}"
            raise DataError(
                f"Teacher {number}, a {name}, gives {found} for 2 faces; it must give logits of shape "
                f"(2, {len(names)})."
            )
        warn_of_probabilities(given, f"Teacher {number}, a {name},")


def _classes_of(network: nn.Module, otherwise: Sequence[str]) -> list[str]:
    """The classes that a network answers for, in the order of its answers: its `classes`, if these are names."""
    own = classes_of(network)
    return list(otherwise if own is None else own)


def _side_of(network: nn.Module, otherwise: int) -> int:
    """Side of the faces that a network learned: its `options` say it, if it is one of `create_model`'s."""
    options = getattr(unwrapped(network), "options", None)
    own = options.get("size") if isinstance(options, dict) else None
    return own if isinstance(own, int) else otherwise


def _resized(pixels: Tensor, size: int) -> Tensor:
    if pixels.shape[-1] == size:
        return pixels
    return nn.functional.interpolate(pixels, (size, size), mode="bilinear", antialias=size < pixels.shape[-1])
