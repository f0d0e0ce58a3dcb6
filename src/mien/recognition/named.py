"""What the names on a command line stand for: files, folders, patterns, cameras."""

import glob
import os
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from mien import images
from mien.folders import files_below, matching
from mien.recognition.kinds import head_of, kind_of

WINDOWS = os.name == "nt"

VIDEO_SUFFIXES = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".m2ts", ".wmv", ".flv", ".ogv"),
        *(".h264", ".264", ".h265", ".265", ".hevc", ".mjpeg", ".mjpg", ".dv", ".mxf"),  # streams as cameras give them
    )
)
"""Of videos; .ts and .mts are TypeScript, too, so these are known by their content alone."""

JPEGS = (".mjpeg", ".mjpg")
"""Of videos that are one JPEG photo after another, and so begin as photos do."""


def kind_at(path: Path, *, asked: bool = False) -> str:
    """What to take a file for: by its content, or where that says nothing by its name, so that its error is told."""
    if path.is_dir() and not asked:  # a folder that can't be read; of others the files come
        return "image"
    if path.exists() and not path.is_file():  # a pipe or a device: reading uses it up, and it may never end
        return "image" if asked else ""
    if (kind := kind_of(head_of(path))) and path.suffix.lower() not in JPEGS:
        return kind
    return "video" if path.suffix.lower() in VIDEO_SUFFIXES else "image" if asked or is_named_so(path) else ""


def camera_of(name: str) -> int | None:
    """The number of the camera that a name stands for; None where it is another name, or a file's."""
    return int(name) if name.isdecimal() and len(name) < 4 and not os.path.exists(name) else None


def files_of(name: str) -> Iterator[Path]:
    """The files that a name stands for, in order of their names, without hidden ones."""
    if os.path.isdir(name):
        unread: list[Path] = []
        yield from files_below(name, unread=lambda error: unread.append(Path(error.filename)))
        yield from unread
    elif os.path.exists(name) or not glob.has_magic(name):
        yield Path(name)
    else:
        gone: set[tuple[str, str]] = set()  # `**` gives folders as well as what lies in them
        for path in sorted(matching(name, unread=lambda error: None)):
            for found in files_of(path) if os.path.isdir(path) else [Path(path)]:
                if (place := (os.path.realpath(found.parent), found.name)) not in gone:
                    gone.add(place)
                    yield found


def below(source: str, names: Sequence[str]) -> Path:
    """A file's path below the folder that was named, or below the fixed part of a pattern; without its suffix.

    >>> below("crops/a/0.jpg", ["crops"]).as_posix(), below("crops/a/0.jpg", ["crops/*/*.jpg"]).as_posix()
    ('a/0', 'a/0')
    >>> below("crops/a/0.jpg", ["crops/a/0.jpg"]).as_posix()
    '0'
    """
    path = Path(source)
    for name in names if source not in names else ():
        top = top_of(name)
        if path != top and path.is_relative_to(top) and ".." not in path.relative_to(top).parts:
            return path.relative_to(top).parent / path.stem
    return Path(path.stem)


def top_of(name: str) -> Path:
    """The folder that is named, or the fixed part of a pattern."""
    parts = Path(name).parts
    return Path(*parts if os.path.isdir(name) else takewhile(lambda part: not glob.has_magic(part), parts))


def is_named_so(path: Path) -> bool:
    """Whether a file's name ends as photos' do."""
    return path.suffix.lower() in images.SUFFIXES


LIVE = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "srt")


def what_is_wrong(name: str, names: Sequence[str] = ()) -> str:
    """Why there is nothing to read under this name, one of `names`, and what to do about it."""
    if os.path.isdir(name):
        return "no photo and no video in this folder."
    scheme, address, _ = name.partition("://")
    if address and scheme.lower() in LIVE:
        return "a live address, which isn't read; decode it and give the frames to Recognizer.stream."
    if address:
        return "an address; download it first, then name the file."
    if name == "-":
        return "name a file" + (
            "; what comes through a pipe is /dev/stdin (photos only)." if os.path.lexists("/dev/stdin") else "."
        )
    if '"' in name and WINDOWS:  # where no file's name may have one
        return "no such file or folder. After a \\ a closing quote counts as part of the name: leave the last \\ off."
    if name.endswith(","):
        return "no such file or folder; names are separated by spaces."
    if whole := _torn(name, names):
        return f'no such file or folder. A name with spaces goes into quotes: "{whole}".'
    return "nothing has a name like that." if glob.has_magic(name) else "no such file or folder."


def _torn(name: str, names: Sequence[str]) -> str:
    """The name with spaces that this one is a piece of, the shell having taken it apart; "" if there is none."""
    at = names.index(name) if name in names else len(names)
    for start in range(max(at - 8, 0), at + 1):
        for stop in range(max(at, start + 1) + 1, min(at + 9, len(names)) + 1):
            if os.path.exists(whole := " ".join(names[start:stop])):
                return whole
    return ""


def same(one: Path, other: Path) -> bool:
    """Whether both are one file; False where one isn't there."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False
