"""Figures into files, where the extra that draws them is installed."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import typer

from mien.cli.options import note
from mien.errors import MissingExtra


def write_picture(path: Path, draw: Callable[[ModuleType], bytes], *, asked: bool) -> str | None:
    """Write the picture that `draw` makes with `mien.evaluation.figures`; returns its path.

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
    return str(path)


def picture_kind(path: Path | None) -> None:
    """Raise typer.BadParameter for a picture whose name doesn't end in .png."""
    if path is not None and path.suffix.lower() != ".png":
        raise typer.BadParameter(f"{path}: pictures are PNG files; let the name end in .png.", param_hint="--out")
