"""A folder of images, one folder for each class, or RAF-DB or AffectNet as they are handed out -> Splits."""

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mien.data.affectnet import lies_in, list_affectnet
from mien.data.faces import UNLABELLED
from mien.data.groups import Groups
from mien.data.listing import SIZE, TEST, TRAIN, VAL, Listed, Listing, Tick
from mien.data.origin import DataPath
from mien.data.rafdb import list_rafdb, numbers_of
from mien.data.split import VAL_SHARE
from mien.data.splits import Splits
from mien.errors import DataError
from mien.folders import files_below
from mien.images import SUFFIXES
from mien.labels import FER2013, FERPLUS, SPLITS, expression
from mien.names import composed, is_text, litter

_SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "public", "publictest"), VAL),
    **dict.fromkeys(("test", "testing", "private", "privatetest"), TEST),
}
_LIKE_SPLIT = re.compile(r"(train|val|test)|.*[^a-z](train(ing)?|val(id(ation)?)?|test(ing)?)$")
"""Names in lower case that stand for splits where all folders have such names: train_set, TestData, seg_train."""

_KAGGLE_NAME = re.compile(r"(Training|PublicTest|PrivateTest)_")
_KAGGLE_SPLITS = {"Training": TRAIN, "PublicTest": VAL, "PrivateTest": TEST}


_RESULTS = ({"card.json"}, {"recipe.json"}, {"counts.png", "samples.png", "means.png", "batch.png"})
"""Files that together tell a run, or the pictures of `mien data show`, from a folder of faces."""


class _File(NamedTuple):
    split: int
    folder: str
    path: Path


def load_folder(
    path: str | os.PathLike[str],
    *,
    val_share: float = VAL_SHARE,
    seed: int = 0,
    size: int = SIZE,
    rgb: bool = False,
    groups: str | os.PathLike[str] | None = None,
    skip_bad_rows: bool = False,
    tick: Tick | None = None,
) -> Splits:
    """Read a folder of images: `happy/1.jpg`, or `train/happy/1.jpg` with `val` and `test` beside `train`.

    The copy of FER2013 on Kaggle keeps both tests in one `test` folder; there the file names (`PublicTest_1.jpg`,
    `PrivateTest_1.jpg`) tell them apart again. RAF-DB and AffectNet are read as they are handed out. Where there is
    no validation split by folder or by name, a seeded, stratified share of the training images becomes it.

    Folders may have any names. When all are names of FER2013's or FER+'s expressions (or "anger", "happiness" and
    such), or all are numbers 0..6, the classes are FER2013's (or FER+'s) in their usual order; else the folders'
    names, sorted.

    Args:
        path: the folder.
        val_share: the share for the validation split where there is none; 0 for none at all.
        seed: chooses which images those are.
        size: pixels; each image's middle square is resized to `size` × `size` with antialiasing.
        rgb: keep the colours.
        groups: a CSV file of `file,subject`; then the share is one of whole subjects (`mien.data.split.grouped`).
        skip_bad_rows: leave out files that are no readable image and count them in `left_out`, rather than raise.
        tick: called with (files read, all files).

    Returns:
        Splits; `rows` are places in the sorted list of all files.

    Raises:
        DataError: a `size` below 1; no such folder or no images in it; a class in `val` or `test` that `train` lacks;
            folders that can't be told apart, hold a run of mien's, or whose name isn't UTF-8; a subject in two splits;
            unreadable images and other files in class folders (names ten, counts all).
    """
    if size < 1:
        raise DataError(f"size is {size}; it is the side of the faces in pixels, 1 or more.")
    listing = list_folder(path, val_share=val_share, seed=seed, groups=groups)
    splits = listing.read(size=size, rgb=rgb, skip_bad_rows=skip_bad_rows, tick=tick)
    if (val_share, seed) != (VAL_SHARE, 0):
        return splits
    origin = DataPath(path, None, skip_bad_rows, size, rgb, groups)
    return replace(splits, origin=origin.from_root())


def list_folder(
    path: str | os.PathLike[str],
    *,
    val_share: float = VAL_SHARE,
    seed: int = 0,
    groups: str | os.PathLike[str] | None = None,
) -> Listing:
    """The files of a folder with their splits and classes, as `load_folder` reads them; no picture is opened."""
    subjects = Groups.read(groups) if groups is not None else None
    try:
        root = _root(Path(path))
        listing = list_rafdb(root) or list_affectnet(root) or _list_classes(root)
    except OSError as error:  # of a folder that may be listed but not entered, say
        raise DataError(f"{path}: this folder can't be read ({error.strerror}: {error.filename}).") from None
    if not listing.files:
        raise DataError(f"{path}: no images in it. Images are expected in a folder for each class.")
    return listing.with_val(val_share, seed, subjects)


def _list_classes(root: Path) -> Listing:
    files = _with_kaggle_splits(sorted(_files(root), key=lambda file: file.path.relative_to(root).as_posix()))
    if files and not any(file.folder for file in files):
        raise DataError(
            f"{root}: its images lie in no folder. Images are expected in a folder for each class; photos without a "
            "label are for `mien predict`."
        )
    classes, numbers = _classes(root, files)
    return Listing(root, classes, [_listed(file, numbers) for file in files])


def _listed(file: _File, numbers: dict[str, int]) -> Listed:
    if not file.folder:
        return Listed(file.split, UNLABELLED, file.path, problem="an image outside of all class folders.")
    return Listed(file.split, numbers[file.folder], file.path)


def _root(path: Path) -> Path:
    """The folder itself, or the one in it that holds everything (archives often unpack to fer2013/fer2013/...)."""
    if not os.path.isdir(path):
        raise DataError(f"{path}: {'not a folder' if os.path.exists(path) else 'no such folder'}.")
    inside = _folders(path)
    if len(inside) != 1 or lies_in(path) or not _folders(inside[0]):
        return path
    if inside[0].name.lower() in _SPLIT_FOLDERS or expression(inside[0].name) in FERPLUS:
        return path
    beside = sorted(name for name in os.listdir(path) if Path(name).suffix.lower() in SUFFIXES and not litter(name))
    if beside:
        raise DataError(
            f"{path}: {beside[0]} lies beside {inside[0].name}, which seems to hold the folders of the classes. Move "
            f"it into one of these, or name {inside[0]}."
        )
    return _root(inside[0])


def _folders(path: Path) -> list[Path]:
    _, names, _ = next(os.walk(path, onerror=_unread))  # which passes over a link that leads to itself
    return sorted(path / name for name in names if not litter(name))


def read_as(splits: Splits) -> dict[str, str]:
    """What the folders of the classes became, {"Anger": "angry"}, where they were taken for known expressions.

    Empty where the classes have the folders' own names, and where the faces come from no such folder.
    """
    if splits.classes not in (FER2013, FERPLUS):
        return {}
    found: dict[str, str] = {}
    for _, faces in splits:
        for row, label in zip(faces.rows.tolist(), faces.labels.tolist(), strict=True):
            parts = (splits.file(row) or "").split("/")
            inside = parts[1:-1] if parts[0].lower() in _SPLIT_FOLDERS else parts[:-1]
            if inside and label != UNLABELLED:
                found[inside[0]] = splits.classes[label]
    known = all(name.isdigit() or expression(name) == label for name, label in found.items())
    return dict(sorted(found.items())) if known else {}  # else they are those of RAF-DB or AffectNet


def _files(root: Path) -> Iterable[_File]:
    """Every file in a class folder, however deep, and images that lie outside of all class folders."""
    top = _folders(root)
    splits = [folder for folder in top if folder.name.lower() in _SPLIT_FOLDERS]
    if not splits:
        if len(top) > 1 and all(_LIKE_SPLIT.match(folder.name.lower()) and _folders(folder) for folder in top):
            raise DataError(
                f"{root}: {', '.join(repr(folder.name) for folder in top)} look like splits, but would be the classes. "
                "Call splits train, val and test."
            )
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
        if entry.is_file() and not litter(entry.name) and entry.suffix.lower() in SUFFIXES:
            yield _File(split, "", entry)
    for of_class in _folders(folder):
        if not is_text(of_class.name):  # a trained network's card has to hold it
            raise DataError(f"{folder}: the name of the class folder {of_class.name!r} isn't text in UTF-8. Rename it.")
        inside = [each.name for each in _folders(of_class)]
        if inside and all(name.lower() in _SPLIT_FOLDERS for name in inside):
            raise DataError(
                f"{of_class}: its folders are splits ({', '.join(inside)}), which would be read as one. Put the "
                f"classes into the splits instead: {inside[0]}/{of_class.name}."
            )
        names: dict[Path, set[str]] = {}
        for file in files_below(of_class, unread=_unread):
            names.setdefault(file.parent, set()).add(file.name)
            yield _File(split, composed(of_class.name), file)
        if results := [place for place, inside in names.items() if any(its <= inside for its in _RESULTS)]:
            raise DataError(
                f"{results[0]}: what mien wrote lies among the pictures here, and {of_class.name!r} would be a class. "
                "Move it elsewhere."
            )
        if not names and split == TRAIN:
            raise DataError(f"{of_class}: a folder for a class, with nothing in it. Put images there, or remove it.")


def _unread(error: OSError) -> None:
    raise DataError(f"{error.filename}: this folder can't be read ({error.strerror}).") from None


def _with_kaggle_splits(files: list[_File]) -> list[_File]:
    """The splits that Kaggle's file names say where folders don't: of both tests in `test`, or of all files."""
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
    if rafdb := numbers_of(folders, [file.path for file in files]):
        classes, numbers = FER2013, rafdb
    elif all(folder in map(str, range(len(FER2013))) for folder in folders):
        classes, numbers = FER2013, {folder: int(folder) for folder in folders}
    elif set(names.values()) <= set(FERPLUS):
        classes = FER2013 if set(names.values()) <= set(FER2013) else FERPLUS
        numbers = {folder: classes.index(name) for folder, name in names.items()}
    for split, inside in zip(SPLITS, of_split, strict=True):
        if len({numbers[folder] for folder in inside}) < len(inside):
            raise DataError(f"{root}: two folders of {split} mean the same class: {', '.join(sorted(inside))}.")
        learned = {numbers[folder] for folder in of_split[TRAIN]}
        unknown = sorted(folder for folder in inside if numbers[folder] not in learned)
        if learned and unknown:
            known = ", ".join(sorted(of_split[TRAIN]))
            raise DataError(f"{root}: unknown class folder {unknown[0]!r} in {split}; train has {known}.")
    return classes, numbers
