"""RAF-DB's basic expressions as they are handed out -> Listing. Li, Deng and Du, 2017.

Two layouts: its own, `EmoLabel/list_patition_label.txt` beside `Image/aligned/train_0001_aligned.jpg`; and the copy on
Kaggle, `DATASET/train/1..7`. Both hold 100×100 RGB crops, `train` and `test`.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from mien.data.faces import UNLABELLED
from mien.data.listing import TEST, TRAIN, Listed, Listing
from mien.errors import DataError
from mien.labels import FER2013
from mien.names import litter

LABELS = dict(zip("1234567", ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"), strict=True))
"""RAF-DB's numbers, which count from 1 and in an order of their own."""

LIST = Path("EmoLabel", "list_patition_label.txt")  # the archive spells it so

_NAME = re.compile(r"(train|test)_\d+(_aligned)?\.\w+")
_SPLITS = {"train": TRAIN, "test": TEST}


def numbers_of(folders: Sequence[str], files: Sequence[Path]) -> dict[str, int] | None:
    """The class number of each folder when folders and file names are those of the Kaggle copy, else None.

    Folders `1` to `7` alone don't tell: the file names, `train_00001_aligned.jpg`, have to be RAF-DB's, too.
    """
    if not folders or not set(folders) <= set(LABELS) or not all(_NAME.fullmatch(file.name) for file in files):
        return None
    return {folder: FER2013.index(LABELS[folder]) for folder in folders}


def list_rafdb(root: Path) -> Listing | None:
    """The listing when this folder has RAF-DB's own layout, else None; of the aligned crops where there are some.

    Raises:
        DataError: no such picture folder, or a picture that the list doesn't name. A line that is no "name label" is
            listed with its problem.
    """
    root = next((folder for folder in (root, root / "basic") if (folder / LIST).is_file()), root)
    if not (root / LIST).is_file():
        return None
    aligned = (root / "Image" / "aligned").is_dir()
    pictures = root / "Image" / ("aligned" if aligned else "original")
    if not pictures.is_dir():
        raise DataError(f"{root}: RAF-DB's list of labels, but no pictures: there is no Image/aligned beside EmoLabel.")
    files: list[Listed] = []
    for number, line in enumerate((root / LIST).read_text("utf-8", errors="replace").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        problem = f"line {number:,} of {LIST.name}: {line.strip()[:60]!r} is no name and label 1..7"
        if not _NAME.fullmatch(words[0]):
            files.append(Listed(TRAIN, UNLABELLED, root / LIST, problem=problem))
            continue
        name = Path(words[0])
        path = pictures / (f"{name.stem}_aligned{name.suffix}" if aligned else name)
        split = _SPLITS[words[0].partition("_")[0]]
        if len(words) == 2 and words[1] in LABELS:
            files.append(Listed(split, FER2013.index(LABELS[words[1]]), path))
        else:
            files.append(Listed(split, UNLABELLED, path, problem=problem))
    there = {path.name for path in pictures.iterdir() if path.is_file() and not litter(path.name)}
    if unlisted := there - {file.path.name for file in files}:
        raise DataError(f"{root}: {len(unlisted):,} pictures that the list doesn't name, such as {min(unlisted)}.")
    return Listing(root, FER2013, sorted(files, key=lambda file: file.path.name))
