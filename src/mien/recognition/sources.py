"""Photos, folders, videos and cameras -> Frames, one at a time, in constant memory."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from numbers import Integral
from pathlib import Path
from threading import Lock
from typing import Any, TypeGuard

import cv2
import numpy as np
from numpy.typing import NDArray

from mien import images
from mien.errors import DataError, MediaError
from mien.recognition.films import film, length
from mien.recognition.kinds import HEAD, head_of, is_animated, kind_of
from mien.recognition.named import camera_of, files_of, is_named_so, kind_at, same, top_of, what_is_wrong
from mien.recognition.records import Frame
from mien.recognition.signed import is_signed

Name = str | os.PathLike[str] | int
"""A path, a pattern, or the number of a camera."""

Undecoded = Callable[[], Frame]
"""A photo that is decoded when this is called."""

_COUNTING = Lock()
"""Held while animations are counted, by threads that decode photos; a lock in each Sources couldn't be pickled."""

COUNTED = 500
"""Of more videos the lengths aren't asked beforehand, as each is opened for that."""

ONLY_DRAWN = "no photo and no video there but what mien drew itself; to read a drawing, name it."


class Sources:
    """The frames of all photos, videos and cameras that are named.

    Args:
        names: paths of photos and videos, folders (searched with all their subfolders), glob patterns, or numbers of
            cameras; one or several.
        every: of a video or camera, only every so many'th frame.
        after: for a source, the last frame that is done already, or None where all of it is; these frames are skipped,
            and counted in `passed`.
        max_pixels: refuse larger pictures before decoding them.
        outputs: files and folders that the run will write to. No source may be one of them or lie directly in one, and
            no folder that is searched may be one or lie in one. What is put there meanwhile isn't read.

    What can't be read comes as a Frame with an `error`, and the rest goes on. Of the files in folders some are left
    out: those that are neither photo nor video by content or by name, counted in `others`, and what mien drew itself,
    counted in `drawn`, which is read only if the file itself is named. Of `animations` (GIF and such, TIFFs of several
    pages) the first picture is read. A file that several names stand for is read once.

    Raises:
        MediaError: (at once) there is nothing under one of the names, or nothing to read in a folder; or it is no name.
        DataError: (at once) one of the outputs might overwrite a source, or `every` is no whole number from 1 on.
    """

    def __init__(
        self,
        names: Name | Iterable[Name],
        *,
        every: int = 1,
        after: Mapping[str, int | None] | None = None,
        max_pixels: int = images.MAX_PIXELS,
        outputs: Sequence[Path] = (),
    ) -> None:
        check_every(every)
        self.every, self.after, self.max_pixels = every, dict(after or {}), max_pixels
        self.outputs = outputs
        self.names = [str(name) for name in names_of(names)]
        self.others = self.drawn = self.animations = self.videos = self.photos = self.passed = 0
        self.total: int | None = None
        """How many frames will come, as far as that can be told beforehand; for progress."""
        self.cameras = frozenset(name for name in self.names if camera_of(name) is not None)
        self.live = bool(self.cameras)
        self._count()

    def _found(self, name: str, known: dict[tuple[str, str], str]) -> Iterator[tuple[Path, str, bool]]:
        """The files that a name stands for, the kind of each ("image", "video", "drawn" by mien, "" for others), and
        whether it is new: no earlier name has it, or it was left out of a folder and is now named itself."""
        named = Path(name)
        for path in files_of(name):
            asked = path == named
            place = (os.path.realpath(path.parent), path.name) if len(self.names) > 1 else ("", "")
            kind = known.get(place, "")
            new = place not in known or (asked and kind in ("", "drawn"))
            if new:
                kind = kind_at(path, asked=asked)
                if kind and not asked and is_signed(path):
                    kind = "drawn"
                if len(self.names) > 1:
                    known[place] = kind
            yield path, kind, new

    def some_photos(self, most: int) -> list[str]:
        """The paths of up to so many photos, from all parts of the folders. Cameras and videos have none."""
        known: dict[tuple[str, str], str] = {}
        named = (self._found(name, known) for name in self.names if name not in self.cameras)
        photos = (path for found in named for path, kind, new in found if new and kind == "image" and path.is_file())
        paths = [os.path.abspath(path) for path in photos]  # "0" alone would be a camera
        return paths[:: max(1, -(-len(paths) // most))]

    def check_photos(self) -> None:
        """Raise DataError if there are videos or cameras, whose many frames show few people: for a prior of photos."""
        if there := self.videos or len(self.cameras):
            what = ("video" if self.videos else "camera") + "s" * (there > 1)
            raise DataError(
                f"A prior is found for photos of many people, and there {'is' if there == 1 else 'are'} {there:,} "
                f"{what}, too, with many frames of few, of whom the network may be wrong throughout. Name only photos, "
                "as in 'album/*.jpg', or take the prior even, or shares of your own."
            )

    def _count(self) -> None:
        videos, count = [], 0
        known: dict[tuple[str, str], str] = {}
        for name in self.names:
            if name in self.cameras:
                continue
            kinds = set()
            for path, kind, new in self._found(name, known):
                kinds.add(kind)
                self.drawn += new and kind == "drawn"
                if not new or kind in ("", "drawn"):
                    continue
                if output := self._output(path):
                    raise DataError(f"{output}: {path} is read, and could be overwritten there. Name another place.")
                count += 1
                videos += [path] if kind == "video" else []
            if kinds <= {"", "drawn"} or not (os.path.exists(name) or glob.has_magic(name)):
                raise MediaError(f"{name}: {ONLY_DRAWN if 'drawn' in kinds else what_is_wrong(name, self.names)}")
            if output := self._around(name):
                raise DataError(f"{output}: {name} is read, and drawings would lie among it. Name another folder.")
        self.videos, self.photos = len(videos), count - len(videos)
        if self.live:
            return
        if len(videos) <= COUNTED:
            lengths = [self._length(path) for path in videos]
            self.total = None if 0 in lengths else self.photos + sum(lengths)

    def _length(self, path: Path) -> int:
        """How many frames a video says that it has, of those taken; 0 where it doesn't say."""
        try:
            return -(-length(str(path)) // self.every)
        except (MediaError, OSError, cv2.error):  # said later, in the place of one frame
            return 1

    def __iter__(self) -> Iterator[Frame]:
        return (one if isinstance(one, Frame) else one() for one in self.undecoded())

    def undecoded(self) -> Iterator[Frame | Undecoded]:
        """The frames, but each photo as a function that decodes it, so that threads can do that side by side."""
        self.others = self.passed = self.animations = 0
        known: dict[tuple[str, str], str] = {}
        for name in self.names:
            if (camera := camera_of(name)) is not None:
                yield from film(name, camera, every=self.every, max_pixels=self.max_pixels)
                continue
            for path, kind, new in self._found(name, known):
                if not new or kind == "drawn" or (kind and self._output(path)):  # an output: put there meanwhile
                    continue
                if kind == "video":
                    last = self.after.get(str(path), -1)
                    self.passed += self._length(path) if last is None else last // self.every + 1
                    if last is None:  # to decode it all and find nothing would take long
                        continue
                    yield from film(str(path), str(path), every=self.every, last=last, max_pixels=self.max_pixels)
                elif not kind:
                    self.others += 1
                elif str(path) in self.after:
                    self.passed += 1
                elif path.is_file():
                    yield partial(self._photo, path)
                else:  # at once: a pipe may never end, and threads that decode side by side are waited for
                    yield self._photo(path)

    def _output(self, path: Path) -> Path | None:
        """The output that this file is, or lies directly in, links followed or not."""
        places = [path, path.parent]
        if self.outputs and path.is_symlink():
            places.append(Path(os.path.realpath(path)).parent)
        return next((output for output in self.outputs if any(same(place, output) for place in places)), None)

    def _around(self, name: str) -> Path | None:
        """The output that is the folder that a name is searched for in, or above it; one below is fine."""
        if os.path.exists(name) and not os.path.isdir(name):
            return None
        top = Path(os.path.realpath(top_of(name)))
        folders = [output for output in self.outputs if output.is_dir()]
        return next((output for output in folders if any(same(place, output) for place in (top, *top.parents))), None)

    def _photo(self, path: Path) -> Frame:
        if path.is_dir():
            return Frame(str(path), None, error="this folder can't be read.")
        piped = path.exists() and not path.is_file()
        try:
            pixels = images.decode(_piped(path) if piped else path, gray=False, max_pixels=self.max_pixels)
        except MediaError as error:
            said = str(error).removeprefix(f"{path}: ").removeprefix("the image: ")
            known = piped or kind_of(head_of(path)) or is_named_so(path)  # a pipe can't be read twice
            if said.startswith("not an image") and not known:
                said = "neither a photo nor a video that is read."
            return Frame(str(path), None, error=said)
        if is_animated(path):
            with _COUNTING:
                self.animations += 1
        return Frame(str(path), pixels)


def _piped(path: Path) -> bytes:
    """What comes through a pipe, up to the most that a photo may have. Raises MediaError for a video."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
            if kind_of(head) == "video":
                raise MediaError("a video through a pipe isn't read; save it to a file first.")
            return head + file.read(images.MAX_BYTES + 1 - len(head))
    except OSError as error:
        raise MediaError(f"can't read this file ({error.strerror}).") from None


def check_every(every: int) -> None:
    """Raise DataError where `every` is no whole number from 1 on."""
    if not isinstance(every, Integral) or every < 1:
        raise DataError(f"every is {every}; each frame is 1, each third 3.")


def names_of(given: Any) -> list[Name]:
    """One name or several, as a list. Raises MediaError for what is no name."""
    several = isinstance(given, Iterable) and not isinstance(given, (str, bytes, os.PathLike))
    names: list[Name] = list(given) if several else [given]
    for name in names:
        if not isinstance(name, (str, os.PathLike, int)):
            raise MediaError(
                "What is streamed is a path, a pattern, the number of a camera, or several of these, not "
                f"{type(name).__name__}; arrays come with their seconds, (array, seconds), or are for Recognizer.read."
            )
    return names


def called(picture: Any) -> str:
    """The `source` of a picture's Frame."""
    if isinstance(picture, (str, os.PathLike)):
        return picture if _is_address(picture) else str(Path(os.fsdecode(picture)))
    if isinstance(picture, np.ndarray):
        return "array"
    return "bytes" if isinstance(picture, (bytes, bytearray, memoryview)) else ""


def _is_address(picture: Any) -> TypeGuard[str]:
    """Whether it is an address, of which `Path` would drop a slash."""
    return isinstance(picture, str) and "://" in picture and not os.path.exists(picture)


def as_frame(picture: Any, *, max_pixels: int = images.MAX_PIXELS) -> Frame:
    """One picture as a Frame: a path, a file's bytes, or an array, uint8 `(H, W)` gray or `(H, W, 3)` RGB.

    Raises:
        MediaError: it isn't one, or larger than the limit.
    """
    if not isinstance(picture, (str, os.PathLike, bytes, bytearray, memoryview, np.ndarray)):
        raise images.no_picture(picture)
    if isinstance(picture, np.ndarray):
        return Frame(called(picture), _rgb(picture))
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return Frame(called(picture), images.decode(bytes(picture), gray=False, max_pixels=max_pixels))
    if _is_address(picture):
        raise MediaError(f"{picture}: {what_is_wrong(picture)}")
    path = Path(os.fsdecode(picture))
    if path.is_file() and kind_of(head_of(path)) == "video":
        raise MediaError(f"{path}: a video; use Recognizer.stream, or `mien predict`.")
    return Frame(called(path), images.decode(path, gray=False, max_pixels=max_pixels))


def _rgb(array: NDArray[Any]) -> NDArray[np.uint8]:
    images.check_array(array)
    images.check_size(array.shape[1], array.shape[0])
    return np.ascontiguousarray(array if array.ndim == 3 else np.repeat(array[..., None], 3, 2))
