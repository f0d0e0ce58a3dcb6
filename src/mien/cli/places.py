"""Where results go: what can't be written there, or mustn't, is said before the work rather than after it."""

import os
from errno import EISDIR
from pathlib import Path
from tempfile import NamedTemporaryFile

from mien.cli.faces import of_images
from mien.errors import DataError


def check_out(out: Path, data: str | os.PathLike[str] | None) -> None:
    """Raise DataError where results would lie in the folder of images: they would be a class at the next reading."""
    if not of_images(data):
        return
    images = Path(os.path.realpath(data))
    if Path(os.path.realpath(out)).is_relative_to(images):
        taken = "lie among them" if out.suffix.lower() in (".png", ".svg") else "be taken for one of the classes"
        raise DataError(
            f"{out} lies in the folder of the pictures, {data}, where it would {taken}. Say "
            f"where else it shall go, such as {_from_here(images.parent / 'runs' / out.name)}."
        )


def _from_here(path: Path) -> str:
    try:
        return os.path.relpath(path)
    except ValueError:  # Windows: it lies on another drive
        return str(path)


def check_place(path: Path, *, folder: bool = False) -> None:
    """Make the folder that a file is to go into, or with `folder` the one that is named, and try to write there.

    Raises:
        DataError: that can't be done.
    """
    home = path if folder else path.parent
    try:
        home.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=home, prefix=".mien-"):
            pass
        if not folder and path.is_dir():
            raise IsADirectoryError(EISDIR, "a folder is called like that")
        if os.name == "nt" and not folder and path.exists():
            path.open("r+b").close()  # another program may hold it, as Excel does what it shows
    except OSError as error:
        raise DataError(f"{path}: it can't be written there ({error.strerror}). Name another place.") from None
