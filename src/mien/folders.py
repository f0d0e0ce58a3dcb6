"""Going through folders: the files below one, and what a pattern stands for."""

import glob
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path


def files_below(
    folder: str | os.PathLike[str], *, left_out: Callable[[str], bool], unread: Callable[[OSError], None]
) -> Iterator[Path]:
    """The files in a folder, then those of the folders in it, by their names; what `left_out` says of a name isn't
    looked at.

    Links to folders are followed, but each folder is gone through once, however many lead to it, so that a circle ends.
    `unread` is called for folders that can't be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as top:
    ...     Path(top, "a").mkdir()
    ...     for name in ("a/b.png", ".hidden.png", "c.png"):
    ...         Path(top, name).touch()
    ...     [path.name for path in files_below(top, left_out=lambda name: name.startswith("."), unread=print)]
    ['c.png', 'b.png']
    """
    gone: set[str] = set()
    for place, inner, names in os.walk(folder, followlinks=True, onerror=unread):
        if (real := os.path.realpath(place)) in gone:
            inner.clear()
            continue
        gone.add(real)
        # what is there itself comes before what a link leads to, and so keeps its own name
        kept = (name for name in inner if not left_out(name))
        inner[:] = sorted(kept, key=lambda name: (os.path.islink(os.path.join(place, name)), name))
        yield from (Path(place, name) for name in sorted(names) if not left_out(name))


def matching(pattern: str, *, left_out: Callable[[str], bool], unread: Callable[[OSError], object]) -> Iterator[str]:
    """What a pattern stands for, as `glob` has it, folders too; some of it more than once.

    `**` goes through each folder once, as `files_below` does; `glob` goes round in circles of links. What `left_out`
    says of a folder's name isn't gone through.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as top:
    ...     Path(top, "a").mkdir()
    ...     Path(top, "a/b.png").touch()
    ...     found = list(matching(top + "/**/*.png", left_out=str.isspace, unread=print))
    >>> [Path(name).name for name in found]
    ['b.png']
    """
    ends = re.escape(os.sep + (os.altsep or ""))
    found = re.search(rf"(?:^|(?<=[{ends}]))(?:\*\*(?:$|[{ends}]+))+", pattern)
    if not found:
        yield from glob.iglob(pattern)
        return
    rest = pattern[found.end() :] or "*"
    for top in glob.iglob(pattern[: found.start()] or os.curdir):
        for folder in _folders(top, left_out, unread):
            if found.end() == len(pattern):  # as glob has it: the folders, too, each before what lies in it
                yield folder
            yield from matching(os.path.join(glob.escape(folder), rest), left_out=left_out, unread=unread)


def _folders(top: str, left_out: Callable[[str], bool], unread: Callable[[OSError], object]) -> Iterator[str]:
    """It and the folders in it, each once, by its own name where it lies here."""
    left, links, gone = [top], list[str](), set[str]()
    while left or links:
        folder = left.pop() if left else links.pop()
        if (real := os.path.realpath(folder)) in gone:
            continue
        gone.add(real)
        yield folder
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(OSError):  # of a link that leads to itself, say; the others are looked at
                        if not left_out(entry.name) and entry.is_dir():
                            (links if entry.is_symlink() else left).append(entry.path)
        except NotADirectoryError:
            continue
        except OSError as error:
            unread(error)
        links.sort(reverse=True)
