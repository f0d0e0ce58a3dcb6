"""A folder of images, one folder for each class -> Splits."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import FaceSet, Splits
from mien.data.names import expression
from mien.data.split import VAL_SHARE, split_off
from mien.errors import BadRow, DataError, MediaError
from mien.images import SUFFIXES, decode
from mien.labels import FER2013, FERPLUS

TRAIN, VAL, TEST = range(3)

_SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "public", "publictest"), VAL),
    **dict.fromkeys(("test", "testing", "private", "privatetest"), TEST),
}
_KAGGLE_NAME = re.compile(r"(Training|PublicTest|PrivateTest)_")
_KAGGLE_SPLITS = {"Training": TRAIN, "PublicTest": VAL, "PrivateTest": TEST}
_LITTER = {"thumbs.db", "desktop.ini", "__macosx"}


class _File(NamedTuple):
    split: int
    folder: str
    path: Path


def load_folder(
    path: str | os.PathLike[str],
    *,
    val_share: float = VAL_SHARE,
    seed: int = 0,
    size: int = 48,
    skip_bad_rows: bool = False,
) -> Splits:
    """Read a folder of images: `happy/1.jpg`, or `train/happy/1.jpg` with `val` and `test` beside `train`.

    The copy of FER2013 on Kaggle keeps both tests in one `test` folder; there the file names (`PublicTest_1.jpg`,
    `PrivateTest_1.jpg`) tell them apart again. Where there is no validation split by folder or by name, a seeded,
    stratified share of the training images becomes it.

    Folders may have any names. When all are names of FER2013's or FER+'s expressions (or "anger", "happiness" and
    such), or all are numbers 0..6, the classes are FER2013's (or FER+'s) in their usual order; else the folders'
    names, sorted.

    Args:
        path: the folder.
        val_share: the share for the validation split where there is none; 0 for none at all.
        seed: chooses which images those are.
        size: pixels; each image's middle square is resized to `size` × `size`, gray, with antialiasing.
        skip_bad_rows: leave out files that are no readable image and count them in `left_out`, rather than raise.

    Returns:
        Splits; `rows` are places in the sorted list of all files.

    Raises:
        DataError: no such folder or no images in it; a class in `val` or `test` that `train` lacks; folders that
            can't be told apart; unreadable images and other files in class folders (names ten, counts all).
    """
    root = _root(Path(path))
    files = _with_kaggle_splits(sorted(_files(root), key=lambda file: file.path.relative_to(root).as_posix()))
    if not files:
        raise DataError(f"{path}: no images in it. Images are expected in a folder for each class.")
    classes, numbers = _classes(root, files)
    sets, bad = _read(root, files, classes, numbers, size)
    if bad and not skip_bad_rows:
        raise DataError.of_rows(str(path), bad)
    if not any(map(len, sets)):
        raise DataError(f"{path}: none of its {len(files):,} files is a readable image.\n  {bad[0]}")
    train, val, test = sets
    source = str(path)
    if val_share and len(train) and not any(file.split == VAL for file in files):
        train, val = split_off(train, val_share, seed)
        source = f"{source} (a stratified {val_share:.0%} of train is the validation split, seed {seed})"
    return Splits(train, val, test, source, len(bad))


def _root(path: Path) -> Path:
    """The folder itself, or the one in it that holds everything (archives often unpack to fer2013/fer2013/...)."""
    if not path.is_dir():
        raise DataError(f"{path}: {'not a folder' if path.exists() else 'no such folder'}.")
    inside = _folders(path)
    if len(inside) == 1 and inside[0].name.lower() not in _SPLIT_FOLDERS and _folders(inside[0]):
        return _root(inside[0])
    return path


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not _litter(entry.name))


def _litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER


def _files(root: Path) -> Iterable[_File]:
    """Every file in a class folder, however deep, and images that lie outside of all class folders."""
    top = _folders(root)
    splits = [folder for folder in top if folder.name.lower() in _SPLIT_FOLDERS]
    if not splits:
        yield from _files_of_classes(root, TRAIN)
        return
    if len(splits) < len(top):
        other = next(folder.name for folder in top if folder not in splits)
        raise DataError(f"{root}: beside {splits[0].name!r} stands {other!r}, which is no split. Move it elsewhere.")
    named: dict[int, str] = {}
    for folder in splits:
        split = _SPLIT_FOLDERS[folder.name.lower()]
        if split in named:
            raise DataError(f"{root}: {named[split]!r} and {folder.name!r} are the same split. Keep one of them.")
        named[split] = folder.name
        yield from _files_of_classes(folder, split)


def _files_of_classes(folder: Path, split: int) -> Iterable[_File]:
    for entry in folder.iterdir():
        if entry.is_file() and not _litter(entry.name) and entry.suffix.lower() in SUFFIXES:
            yield _File(split, "", entry)
    for of_class in _folders(folder):
        for where, inside, names in os.walk(of_class):
            inside[:] = [name for name in inside if not _litter(name)]
            for name in names:
                if not _litter(name):
                    yield _File(split, of_class.name, Path(where, name))


def _with_kaggle_splits(files: list[_File]) -> list[_File]:
    """The splits that Kaggle's file names tell, where no folder tells them: both tests in `test`, or all together."""
    found = {file.split for file in files}
    mixed = TEST if found == {TRAIN, TEST} or found == {TEST} else TRAIN if found == {TRAIN} else None
    named = {file.path: _KAGGLE_NAME.match(file.path.name) for file in files if file.split == mixed}
    if not named or not all(named.values()):
        return files
    tell = {path: _KAGGLE_SPLITS[match[1]] for path, match in named.items() if match}
    if mixed == TEST and TRAIN in tell.values():
        return files
    return [file._replace(split=tell.get(file.path, file.split)) for file in files]


def _classes(root: Path, files: list[_File]) -> tuple[tuple[str, ...], dict[str, int]]:
    """The class names in order, and the number of each folder's class."""
    of_split = [{file.folder for file in files if file.folder and file.split == split} for split in range(3)]
    folders = sorted(set().union(*of_split))
    names = {folder: expression(folder) for folder in folders}
    classes: tuple[str, ...] = tuple(folders)
    numbers = {folder: at for at, folder in enumerate(folders)}
    if all(folder in map(str, range(len(FER2013))) for folder in folders):
        classes, numbers = FER2013, {folder: int(folder) for folder in folders}
    elif set(names.values()) <= set(FERPLUS):
        classes = FER2013 if set(names.values()) <= set(FER2013) else FERPLUS
        numbers = {folder: classes.index(name) for folder, name in names.items()}
    for split, inside in zip(("train", "val", "test"), of_split, strict=True):
        if len({numbers[folder] for folder in inside}) < len(inside):
            raise DataError(f"{root}: two folders of {split} mean the same class: {', '.join(sorted(inside))}.")
        learned = {numbers[folder] for folder in of_split[TRAIN]}
        unknown = sorted(folder for folder in inside if numbers[folder] not in learned)
        if learned and unknown:
            known = ", ".join(sorted(of_split[TRAIN]))
            raise DataError(f"{root}: unknown class folder {unknown[0]!r} in {split}; train has {known}.")
    return classes, numbers


def _read(
    root: Path, files: list[_File], classes: tuple[str, ...], numbers: dict[str, int], size: int
) -> tuple[list[FaceSet], list[BadRow]]:
    sets: list[FaceSet] = []
    bad: list[BadRow] = []
    for split in (TRAIN, VAL, TEST):
        mine = [(row, file) for row, file in enumerate(files) if file.split == split]
        images = np.empty((len(mine), size, size), np.uint8)
        rows: list[int] = []
        labels: list[int] = []
        for row, file in mine:
            try:
                images[len(rows)] = _face(file, size)
            except MediaError as error:
                found = str(error).removeprefix(f"{file.path}: ")
                bad.append(BadRow(f"row {row + 1:,} ({file.path.relative_to(root)})", found))
                continue
            rows.append(row)
            labels.append(numbers[file.folder])
        sets.append(FaceSet(images[: len(rows)], labels, classes=classes, rows=rows, source=str(root)))
    return sets, bad


def _face(file: _File, size: int) -> NDArray[np.uint8]:
    if not file.folder:
        raise MediaError("an image outside of all class folders.")
    if file.path.suffix.lower() not in SUFFIXES:
        raise MediaError("not an image file.")
    return decode(file.path, size=size)
