"""Batches that suit the number of faces: those of the presets are for tens of thousands."""

from typing import TYPE_CHECKING, Any

from mien.cli.options import note
from mien.cli.tables import counted

if TYPE_CHECKING:
    from mien.data.origin import DataPath
    from mien.training.recipe import Recipe

STEPS = 20
"""An epoch of fewer steps teaches little."""


def suits(source: "DataPath", preset: str | None, fields: dict[str, Any]) -> bool:
    """Whether the line leaves the batch and the learning rate to mien, so that they may be suited to the faces."""
    return bool(source.path) and preset is None and fields["batch"] is None and fields["lr"] is None


def suited(recipe: "Recipe", faces: int) -> "Recipe":
    """The recipe as `fitted`; says what changed, as the options that would change it."""
    now = fitted(recipe, faces)
    changed = [name for name in ("batch", "lr") if getattr(now, name) != getattr(recipe, name)]
    if changed:
        given = " ".join(f"--{name} {getattr(now, name):g}" for name in changed)
        was = " and ".join(f"{getattr(recipe, name):g}" for name in changed)
        note(
            f"{counted(faces, 'face')} to learn from: {given} rather than the preset's {was}, so that an epoch has "
            "more steps."
        )
    return now


def fitted(recipe: "Recipe", faces: int) -> "Recipe":
    """The recipe with a batch that is small enough for `STEPS` steps in an epoch of so many faces.

    SGD's learning rate goes down with it (Goyal et al., 2017).
    """
    batch = max(16, 1 << (max(faces // STEPS, 1).bit_length() - 1))
    if batch >= recipe.batch:
        return recipe
    lr = recipe.lr * batch / recipe.batch if recipe.optimiser == "sgd" else recipe.lr
    return recipe.model_copy(update={"batch": batch, "lr": lr})
