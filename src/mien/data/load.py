"""One door to all data: whatever the path holds -> Splits."""

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from mien.data.drawn import drawn_faces
from mien.data.fer2013 import load_fer2013
from mien.data.ferplus import load_ferplus
from mien.data.folder import load_folder
from mien.data.groups import Groups
from mien.data.listing import SIZE, Tick
from mien.data.mapped import is_mapped, load_mapped
from mien.data.split import apart
from mien.data.splits import Splits
from mien.errors import DataError
from mien.labels import SPLITS


def load_faces(
    path: str | os.PathLike[str] | None = None,
    votes: str | os.PathLike[str] | None = None,
    skip_bad_rows: bool = False,
    *,
    size: int | None = None,
    rgb: bool = False,
    groups: str | os.PathLike[str] | None = None,
    only: Collection[str] = SPLITS,
    tick: Tick | None = None,
) -> Splits:
    """Read faces from wherever they are.

    Args:
        path: None for drawn faces, which need no file; a `.npz` that `Splits.save` wrote, or a `.faces` folder of
            `mien data convert`; a folder of images, a folder per class, or RAF-DB or AffectNet; else a CSV file of
            FER2013, packed or not.
        votes: FER+'s `fer2013new.csv`, to be joined to FER2013's rows.
        skip_bad_rows: leave bad rows out and count them in `left_out`, rather than raise.
        size: the side in pixels that image files are brought to; default 48.
        rgb: keep the colours of image files.
        groups: a CSV file that says who is in each picture (`file,subject`; of other data `row,subject`), so that
            nobody stands in two splits.
        only: the splits that are looked at. Of drawn faces the others come empty; files are read whole.
        tick: called with (files read, all files) while a folder is read; with (faces drawn,
            all of them) while they are drawn.

    Raises:
        DataError: no such file, or what the reader of that kind of file found wrong with it; a size or colours that
            data other than image files doesn't have; a subject in two splits.
    """
    if isinstance(path, str) and not path:  # as a path it would be the folder that one is in
        raise DataError('The name of the data is empty, ""; the folder that you are in is ".", drawn faces are None.')
    if votes is not None and path is None:
        raise DataError(f"{votes}: votes belong to the rows of FER2013; say where its CSV file is.")
    if groups is not None and path is None:
        raise DataError(f"{groups}: drawn faces have no subjects; say where your data is.")
    if path is not None and votes is None and os.path.isdir(path) and not is_mapped(Path(path)):
        return load_folder(
            path, size=SIZE if size is None else size, rgb=rgb, groups=groups, skip_bad_rows=skip_bad_rows, tick=tick
        )
    splits = drawn_faces(only=only, tick=tick) if path is None else _load(path, votes, skip_bad_rows, groups)
    shape = splits.train.images.shape[1:]
    if (size is not None and size != shape[0]) or (rgb and len(shape) == 2):
        kind = "RGB" if len(shape) == 3 else "gray"
        raise DataError(
            f"{splits.source or 'Drawn faces'}: these faces are {kind} of {shape[0]} pixels and stay so; another size "
            "or colours can be asked for where image files are read."
        )
    if groups is not None:
        parts = [faces.rows for _, faces in splits]
        numbers = [at for at, rows in enumerate(parts) for _ in rows]
        subjects = Groups.read(groups).of_rows([int(row) for rows in parts for row in rows])
        apart(numbers, subjects, str(groups))
        if splits.origin:
            splits = replace(splits, origin=replace(splits.origin, groups=groups).from_root())
    return splits


def _load(
    path: str | os.PathLike[str],
    votes: str | os.PathLike[str] | None,
    skip_bad_rows: bool,
    groups: str | os.PathLike[str] | None,
) -> Splits:
    if votes is not None:
        return load_ferplus(votes, path, skip_bad_rows=skip_bad_rows)
    if os.path.isdir(path):
        return load_mapped(path)
    if Path(path).suffix.lower() == ".npz":
        return Splits.load(path)
    return load_fer2013(path, skip_bad_rows=skip_bad_rows, groups=groups)
