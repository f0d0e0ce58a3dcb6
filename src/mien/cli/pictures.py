"""Figures into files, where the extra that draws them is installed."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import typer

from mien.cli.options import note
from mien.errors import MissingExtra

if TYPE_CHECKING:
    from mien.evaluation.figures import Kind


def write_picture(path: Path, draw: Callable[[ModuleType], bytes], *, asked: bool, say: bool = False) -> str | None:
    """Write the picture that `draw` makes with `mien.evaluation.figures`, and with `say` where; returns its path.

    Without matplotlib: None and a note, or MissingExtra when the picture was `asked` for by name.
    """
    from mien.files import atomic_write

    try:
        from mien.evaluation import figures
    except MissingExtra as missing:
        if asked:
            raise
        note(f"No picture was drawn. {missing}")
        return None
    atomic_write(path, draw(figures))
    if say:
        note(f"The picture is {path}.")
    return str(path)


def figure_kind(path: Path | None, option: str = "--out") -> "Kind":
    """Which kind of picture that file is, "png" where none is named. Raises typer.BadParameter for another ending."""
    kinds: dict[str, Kind] = {".png": "png", ".svg": "svg"}
    if path is None:
        return "png"
    if (ending := path.suffix.lower()) not in kinds:
        raise typer.BadParameter(f"{path}: figures are .svg or .png files.", param_hint=option)
    return kinds[ending]
