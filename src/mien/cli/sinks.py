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


def annotator(path: Path, stack: ExitStack, done: Iterable[str] = ()) -> Sink:
    """Draws every picture: into a folder, a file for each photo or video, or all frames into one video.

    `done` are the sources that an earlier run drew into the folder; their drawings stay.
    """
    from mien.images import SUFFIXES
    from mien.recognition.annotate import VIDEOS, VideoWriter, annotate, save_picture
    from mien.recognition.sources import VIDEO_SUFFIXES

    if not path.is_dir() and path.suffix.lower() in (SUFFIXES | VIDEO_SUFFIXES) - frozenset(VIDEOS):
        raise DataError(
            f"{path}: drawings of photos go into a folder; those of a video may go into {', '.join(VIDEOS)}."
        )
    one = stack.enter_context(VideoWriter(path)) if path.suffix.lower() in VIDEOS else None
    filmed: set[str] = set()
    taken: dict[str, int] = {}
    for source in done:
        _free(Path(source).stem, taken)
    videos: dict[str, VideoWriter] = {}

    def draw(frame: "Frame", reading: "Reading") -> None:
        if frame.pixels is None:
            return
        drawn = annotate(frame.pixels, reading)
        if one is not None:
            if frame.time is None:
                raise DataError(f"{path}: a video is drawn from a video; for photos name a folder.")
            filmed.add(frame.source)
            if len(filmed) > 1:
                raise DataError(f"{path}: it is drawn from one video; for several name a folder.")
            one.write(drawn, frame.time)
        elif frame.time is None:
            save_picture(drawn, path / f"{_free(Path(frame.source).stem, taken)}.jpg")
        else:
            if frame.source not in videos:
                name = _free(Path(frame.source).stem, taken)
                videos[frame.source] = stack.enter_context(VideoWriter(path / f"{name}.webm"))
            videos[frame.source].write(drawn, frame.time)

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
    stack.callback(lambda: atomic_write(path, drawing.picture(kind)))
    return drawing.add
