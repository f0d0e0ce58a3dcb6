"""Where `mien predict` sends what it reads besides the terminal: annotated pictures and videos, and figures."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mien.cli.options import note
from mien.cli.pictures import figure_kind
from mien.errors import DataError
from mien.files import atomic_write

if TYPE_CHECKING:
    from mien.recognition.records import Frame, Reading
    from mien.recognition.sources import Sources

Sink = Callable[["Frame", "Reading"], None]

LONGEST = 245
"""Bytes of a drawing's name without its ending and a number: file systems take 255."""


def check_films(annotate: Path | None, timeline: Path | None, media: "Sources") -> None:
    """Raise DataError where what is read isn't what an output is drawn of."""
    from mien.recognition.video import VIDEOS

    videos = media.videos + len(media.cameras)
    if annotate and annotate.suffix.lower() in VIDEOS and media.photos:
        raise DataError(f"{annotate}: a video is drawn from a video; for photos name a folder.")
    if annotate and annotate.suffix.lower() in VIDEOS and videos > 1:
        raise DataError(f"{annotate}: it is drawn from one video; for several name a folder.")
    if timeline and not videos:
        raise DataError(f"{timeline}: a timeline is drawn of a video; there is none among what is read.")


def annotator(path: Path, stack: ExitStack, names: Sequence[str] = (), classes: Sequence[str] = ()) -> Sink:
    """Draws every picture: into a folder, a file for each photo or video, or all frames into one video. Which of the
    `classes` can't be written into them is said.

    In the folder a drawing lies as its source does below the one of `names` that it was found by. There a drawing takes
    the place of an earlier one of the same source, and of no other file. A video's is in place when its last frame has
    come.
    """
    import numpy as np

    from mien.images import SUFFIXES
    from mien.recognition.annotate import annotate, save_picture
    from mien.recognition.letters import missing
    from mien.recognition.named import VIDEO_SUFFIXES, below
    from mien.recognition.signed import signed_for
    from mien.recognition.video import VIDEOS, VideoWriter

    if not path.is_dir() and path.suffix.lower() in (SUFFIXES | VIDEO_SUFFIXES) - frozenset(VIDEOS):
        raise DataError(
            f"{path}: drawings of photos go into a folder; those of a video may go into {', '.join(VIDEOS)}."
        )
    if lost := missing(classes):
        none = f"no font here has all letters of {', '.join(lost)}: they are drawn as boxes"
        note(f"{path}: {none}. Install a font that has them, such as one of Noto's.")
    one = stack.enter_context(VideoWriter(path)) if path.suffix.lower() in VIDEOS else None
    taken: dict[str, int] = {}
    now = stack.enter_context(ExitStack())  # the video that is being drawn
    source, film = "", None

    def draw(frame: "Frame", reading: "Reading") -> None:
        nonlocal source, film
        if frame.source != source:
            now.close()
            source, film = frame.source, None
        if frame.pixels is None:
            return
        drawn = annotate(frame.pixels, reading)
        if one is not None:
            one.write(np.asarray(drawn), frame.time or 0)  # of the one video that `check_films` found
        elif frame.time is None:
            save_picture(drawn, place(".jpg"), signed_for(source))
        else:
            film = film or now.enter_context(VideoWriter(place(".webm"), signed_for(source)))
            film.write(np.asarray(drawn), frame.time)

    def place(ending: str) -> Path:
        return _free(path / below(source, names), ending, signed_for(source), taken)

    return draw


def undrawn(path: Path, sources: Iterable[str], names: Sequence[str]) -> set[str]:
    """Of these sources those whose drawing by `annotator` isn't there."""
    from mien.recognition.named import below
    from mien.recognition.signed import is_signed, signed_for
    from mien.recognition.video import VIDEOS

    if path.suffix.lower() in VIDEOS:
        return set() if is_signed(path) else set(sources)
    return {
        source
        for source in sources
        if not any(is_signed(file, signed_for(source)) for file in _places(_cut(path / below(source, names))))
    }


def _places(path: Path) -> Iterator[Path]:
    """Where a drawing may lie: the names that `_free` would have given, as far as there are files."""
    for ending in (".jpg", ".webm"):
        file, number = Path(f"{path}{ending}"), 1
        while os.path.lexists(file):
            yield file
            number += 1
            file = Path(f"{path}-{number}{ending}")


def _cut(path: Path) -> Path:
    if len(os.fsencode(path.name)) > LONGEST:
        return path.with_name(os.fsencode(path.name)[:LONGEST].decode(errors="ignore"))
    return path


def _free(path: Path, ending: str, signature: str, taken: dict[str, int]) -> Path:
    """A name that no drawing of this run has, and no file that is there, but for a drawing of the same source; one that
    would be too long is cut.

    >>> names = {}
    >>> [_free(Path(stem), ".jpg", "", names).name for stem in ("a", "a", "A-2", "a")]
    ['a.jpg', 'a-2.jpg', 'A-2-2.jpg', 'a-3.jpg']
    """
    from mien.recognition.signed import is_signed

    def is_anothers(file: Path) -> bool:
        return os.path.lexists(file) and not is_signed(file, signature)

    path = _cut(path)
    key, name = str(path).casefold(), str(path)  # some file systems take A for a
    number = taken.get(key, 1)
    while name.casefold() in taken or is_anothers(Path(name + ending)):
        number += 1
        name = f"{path}-{number}"
    taken[key] = number
    taken.setdefault(name.casefold(), 1)
    return Path(name + ending)


def figure(path: Path, what: str, stack: ExitStack, last: Mapping[str, int]) -> Sink:
    """Collects faces for a figure, `what` = "timeline" or "sheet", and writes it when the stack is left; `last` as
    `RowWriter` has it."""
    from mien.recognition.figures import Sheet, Timeline

    kind = figure_kind(path, f"--{what}")
    drawing = Timeline() if what == "timeline" else Sheet()
    begun = False

    def add(frame: "Frame", reading: "Reading") -> None:
        nonlocal begun
        begun = begun or reading.frame > last.get(reading.source, -1)
        drawing.add(frame, reading)

    def put(error: object, *_: object) -> None:
        if begun or error is None:  # what went wrong before anything new replaces nothing
            atomic_write(path, drawing.picture(kind))

    stack.push(put)
    return add
