"""Where FER2013 and FER+ come from, fetching them when the person has access, and checking what came."""

import hashlib
import os
import shutil
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import FaceSet
from mien.data.fer2013 import load_fer2013
from mien.data.ferplus import load_ferplus
from mien.data.splits import Splits
from mien.errors import DataError, MienError, first_line
from mien.files import replacing

CONTEST = "challenges-in-representation-learning-facial-expression-recognition-challenge"
CSV_COPY = "deadskull7/fer2013"
VOTES_URL = "https://raw.githubusercontent.com/microsoft/FERPlus/master/fer2013new.csv"

_MOST_VOTES = 8 << 20
"""Bytes. The votes file has 1.6 MB."""

COUNTS = {
    "train": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "val": (467, 56, 496, 895, 653, 415, 607),
    "test": (491, 55, 528, 879, 594, 416, 626),
}
"""How many faces of each class FER2013 has: 28,709, 3,589 and 3,589 in all."""


@dataclass(frozen=True)
class _Stretch:
    """Rows (from 0) of the original file, with the SHA-256 of their labels and pixels, and of their votes."""

    split: str
    first: int
    n: int
    faces: str
    votes: str


_STRETCHES = (
    _Stretch(
        "train",
        26898,
        1703,
        "a49189a2f44b682d378bed4a99641f3c37e68e32a2cc9548270d87a15cd1daa3",
        "27b3f27e57c055c8bb5ae573e22b35474e57a7dfa5c903260a9a78d68f079fdc",
    ),
    _Stretch(
        "val",
        28709,
        738,
        "ec9b1ca74236b289e70df97dcf8df1909154dff35652c69834fe35942933fce2",
        "ce967a1b93d7ada2db6584b315ef91e10ab00063ce739358fdd9935dac17e166",
    ),
)

WHERE = (
    f"FER2013: 28,709 + 3,589 + 3,589 faces, https://www.kaggle.com/c/{CONTEST} (also https://www.kaggle.com/datasets/"
    f"{CSV_COPY}; as images msambare/fer2013). Terms: the contest's rules, which you accept there, for research and "
    "teaching; the photos were found on the web and carry no licence of their own.\n"
    f"FER+: ten votes for each of these faces, {VOTES_URL}. Terms: MIT (Microsoft).\n"
    f"SHA-256 of labels and pixels, rows 26,898..28,600: {_STRETCHES[0].faces}; rows 28,709..29,446: "
    f"{_STRETCHES[1].faces}."
)
"""Three lines for people: sources, terms, checksums."""

BY_HAND = (
    f"By hand: sign in at https://www.kaggle.com/c/{CONTEST}/data, accept the rules, download icml_face_data.csv "
    f"(zip or not), and FER+'s votes from {VOTES_URL}; then give their paths as data and votes. "
    "Or go on without: the drawn faces need no download."
)


@dataclass(frozen=True)
class Fetched:
    """The two files that were fetched, and what was checked of them, one sentence each."""

    images: Path
    votes: Path
    checked: tuple[str, ...]


def fetch(dest: str | os.PathLike[str], *, votes_url: str = VOTES_URL) -> Fetched:
    """Fetch FER2013 from Kaggle and FER+'s votes from GitHub into a folder, and check both.

    Files that are there already are checked and kept.

    Raises:
        MienError: no kagglehub, no Kaggle account set up on this machine, the rules not accepted, or no network; says
            what to do by hand.
        DataError: what came isn't FER2013 or FER+.
    """
    dest = Path(dest)
    images, votes = dest / "fer2013.csv", dest / "fer2013new.csv"
    if not images.exists():
        fetch_images(images)
    if votes.exists():
        return Fetched(images, votes, verify(images, votes))
    with replacing(votes) as beside:  # what isn't the votes is gone again, so that the next call fetches them
        beside.write_bytes(fetch_votes(votes_url))
        try:
            checked = verify(images, beside)
        except DataError as error:
            raise DataError(str(error).replace(str(beside), str(votes))) from None
    return Fetched(images, votes, checked)


def fetch_images(to: Path) -> None:
    """Fetch FER2013's CSV file through kagglehub, checked before it is put in place."""
    try:
        import kagglehub
        from kagglehub.config import get_kaggle_credentials
    except ImportError:
        raise MienError(f'Fetching FER2013 needs kagglehub: pip install "mien[kaggle]". {BY_HAND}') from None
    try:
        account = get_kaggle_credentials()
    except ValueError as error:
        raise MienError(f"Kaggle's account file can't be read ({error}). {BY_HAND}") from None
    if account is None:
        raise MienError(
            "No Kaggle account is set up here: put the kaggle.json of your account into ~/.kaggle, or set "
            f"KAGGLE_USERNAME and KAGGLE_KEY. {BY_HAND}"
        )
    failed = []
    for download, handle in ((kagglehub.competition_download, CONTEST), (kagglehub.dataset_download, CSV_COPY)):
        try:
            folder = Path(download(handle))
        except Exception as error:  # kagglehub raises its own kinds, requests' and OSError, and changes them
            failed.append(f"{handle}: {_sentence(error)}")
            continue
        source = _csv_in(folder)
        if source is None:
            failed.append(f"{handle}: no fer2013.csv or icml_face_data.csv among what came")
            continue
        verify(source)
        with replacing(to) as beside:
            shutil.copyfile(source, beside)
        return
    raise MienError(f"Kaggle didn't give FER2013 ({'; '.join(failed)}). {BY_HAND}")


def fetch_votes(url: str) -> bytes:
    """FER+'s votes file. Raises MienError without network, or when what comes is far too large."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            content: bytes = answer.read(_MOST_VOTES + 1)
    except (OSError, HTTPException, ValueError) as error:  # URLError is an OSError; ValueError: no address at all
        raise MienError(f"FER+'s votes couldn't be fetched from {url} ({_sentence(error)}). {BY_HAND}") from None
    if len(content) > _MOST_VOTES:
        raise MienError(f"{url} sent more than {_MOST_VOTES:,} bytes, which can't be FER+'s votes. {BY_HAND}")
    return content


def verify(images: str | os.PathLike[str], votes: str | os.PathLike[str] | None = None) -> tuple[str, ...]:
    """Check a file of FER2013, and one of FER+ when given: rows, classes, and checksums of rows known to be original.

    Returns:
        What was checked and found right.

    Raises:
        DataError: it isn't the data set; says what was found instead.
    """
    splits = load_fer2013(images)
    for name, faces in splits:
        if tuple(faces.counts.values()) != COUNTS[name]:
            raise DataError(
                f"{images}: not FER2013: {name} has {', '.join(map(str, faces.counts.values()))} faces of the seven "
                f"classes instead of {', '.join(map(str, COUNTS[name]))}."
            )
    checked = ["FER2013: 28,709 + 3,589 + 3,589 faces, and of each class as many as there should be"]
    for known in _STRETCHES:
        part = _stretch(splits, known)
        _compare(images, known, _sum(part.labels.astype(np.uint8), part.images), known.faces)
        checked.append(f"FER2013: rows {known.first:,} to {known.first + known.n - 1:,} have the right SHA-256")
    if votes is None:
        return tuple(checked)
    joined = load_ferplus(votes, splits)
    for known in _STRETCHES:
        shares = np.rint(_stretch(joined, known).targets * 1000).astype("<u2")
        _compare(votes, known, _sum(shares), known.votes)
        checked.append(f"FER+: rows {known.first:,} to {known.first + known.n - 1:,} have the right SHA-256")
    return tuple(checked)


def _stretch(splits: Splits, known: _Stretch) -> FaceSet:
    faces = splits[known.split]
    return faces[(faces.rows >= known.first) & (faces.rows < known.first + known.n)]


def _sum(*arrays: NDArray[Any]) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def _compare(source: str | os.PathLike[str], known: _Stretch, found: str, expected: str) -> None:
    if found != expected:
        rows = f"rows {known.first:,} to {known.first + known.n - 1:,}"
        raise DataError(
            f"{source}: {rows} aren't the original ones (SHA-256 {found} instead of {expected}). "
            "The file was changed, or its rows stand in another order."
        )


def _csv_in(folder: Path) -> Path | None:
    """The table with all three splits among the files of a download."""
    found = (path for name in ("fer2013.csv", "icml_face_data.csv") for path in sorted(folder.rglob(name)))
    return next(found, None)


def _sentence(error: Exception) -> str:
    text = first_line(error)
    return text if len(text) <= 160 else text[:160] + "…"
