"""One door to all data: whatever the path holds -> Splits."""

import os
from pathlib import Path

from mien.data.drawn import drawn_faces
from mien.data.faces import Splits
from mien.data.fer2013 import load_fer2013
from mien.data.ferplus import load_ferplus
from mien.data.folder import load_folder
from mien.errors import DataError


def load_faces(
    path: str | os.PathLike[str] | None = None,
    votes: str | os.PathLike[str] | None = None,
    skip_bad_rows: bool = False,
) -> Splits:
    """Read faces from wherever they are.

    Args:
        path: None for drawn faces, which need no file; a `.npz` that `Splits.save` wrote; a folder of images, a
            folder per class; else a CSV file of FER2013, packed or not.
        votes: FER+'s `fer2013new.csv`, to be joined to FER2013's rows.
        skip_bad_rows: leave bad rows out and count them in `left_out`, rather than raise.

    Raises:
        DataError: no such file, or what the reader of that kind of file found wrong with it.
    """
    if path is None:
        if votes is not None:
            raise DataError(f"{votes}: votes belong to the rows of FER2013; say where its CSV file is.")
        return drawn_faces()
    path = Path(path)
    if votes is not None:
        return load_ferplus(votes, path, skip_bad_rows=skip_bad_rows)
    if path.is_dir():
        return load_folder(path, skip_bad_rows=skip_bad_rows)
    if path.suffix.lower() == ".npz":
        return Splits.load(path)
    return load_fer2013(path, skip_bad_rows=skip_bad_rows)
