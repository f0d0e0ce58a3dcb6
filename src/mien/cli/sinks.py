"""Where `mien predict` sends what it reads besides the terminal: annotated pictures and videos, and figures."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import DataError
from mien.files import atomic_write

if TYPE_CHECKING:
    from mien.recognition.records import Frame, Reading

Sink = Callable[["Frame", "Reading"], None]


def annotator(path: Path, stack: ExitStack, done: Iterable[str] = (), unfinished: str = "") -> Sink:
    """Draws every picture: into a folder, a file for each photo or video, or all frames into one video.

    `done` are the sources that an earlier run drew into the folder, in order; their drawings stay, but for that of
    `unfinished`, which is drawn again from its start. A video's drawing is in place when its last frame has come.
    """
    from mien.images import SUFFIXES
    from mien.recognition.annotate import VIDEOS, VideoWriter, annotate, save_picture
    from mien.recognition.named import VIDEO_SUFFIXES

    if not path.is_dir() and path.suffix.lower() in (SUFFIXES | VIDEO_SUFFIXES) - frozenset(VIDEOS):
        raise DataError(
            f"{path}: drawings of photos go into a folder; those of a video may go into {', '.join(VIDEOS)}."
        )
    one = stack.enter_context(VideoWriter(path)) if path.suffix.lower() in VIDEOS else None
    filmed: set[str] = set()
    taken: dict[str, int] = {}
    drawn = {source: _free(Path(source).stem, taken) for source in dict.fromkeys(done)}
    again = {unfinished: drawn[unfinished]} if unfinished in drawn else {}
    now = stack.enter_context(ExitStack())  # the video that is being drawn
    source, film = "", None

    def draw(frame: "Frame", reading: "Reading") -> None:
        nonlocal source, film
        if frame.source != source:
            now.close()
            source, film = frame.source, None
        if frame.pixels is None:
            return
        pixels = annotate(frame.pixels, reading)
        if one is not None:
            if frame.time is None:
                raise DataError(f"{path}: a video is drawn from a video; for photos name a folder.")
            filmed.add(source)
            if len(filmed) > 1:
                raise DataError(f"{path}: it is drawn from one video; for several name a folder.")
            one.write(pixels, frame.time)
        elif frame.time is None:
            save_picture(pixels, path / f"{name()}.jpg")
        else:
            film = film or now.enter_context(VideoWriter(path / f"{name()}.webm"))
            film.write(pixels, frame.time)

    def name() -> str:
        return again.pop(source, "") or _free(Path(source).stem, taken)

    return draw


def _free(stem: str, taken: dict[str, int]) -> str:
    """A name that no picture of this run has: photos of two folders may be called alike.

    >>> names = {}
    >>> [_free(stem, names) for stem in ("a", "a", "A-2", "a")]
    ['a', 'a-2', 'A-2-2', 'a-3']
    """
    key, name = stem.casefold(), stem  # some file systems take A for a
    number = taken.get(key, 1)
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}"
    taken[key] = number
    taken.setdefault(name.casefold(), 1)
    return name


def figure(path: Path, what: str, stack: ExitStack) -> Sink:
    """Gathers for a figure, `what` = "timeline" or "sheet", and writes it when the stack is left."""
    kind: Any = path.suffix.lower().removeprefix(".")
    if kind not in ("svg", "png"):
        raise DataError(f"{path}: figures are .svg or .png files.")
    from mien.recognition.figures import Sheet, Timeline

    drawing = Timeline() if what == "timeline" else Sheet()
    begun = False

    def add(frame: "Frame", reading: "Reading") -> None:
        nonlocal begun
        begun = True
        drawing.add(frame, reading)

    def put(error: object, *_: object) -> None:
        if begun or error is None:  # what went wrong before the first picture replaces nothing
            atomic_write(path, drawing.picture(kind))

    stack.push(put)
    return add
