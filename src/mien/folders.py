"""Going through folders, and what a pattern stands for. What systems leave in folders (`names.litter`) is left out."""

import glob
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from mien.names import litter


def files_below(folder: str | os.PathLike[str], *, unread: Callable[[OSError], None]) -> Iterator[Path]:
    """The files in a folder, sorted by name, then those of the folders in it.

    Links to folders are followed, but each folder is visited once, however many links lead to it, so loops end.
    `unread` is called with the error of each folder that can't be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as top:
    ...     Path(top, "a").mkdir()
    ...     for name in ("a/b.png", ".hidden.png", "c.png"):
    ...         Path(top, name).touch()
    ...     [path.name for path in files_below(top, unread=print)]
    ['c.png', 'b.png']
    """
    visited: set[str] = set()
    for place, inner, names in os.walk(folder, followlinks=True, onerror=unread):
        if (real := os.path.realpath(place)) in visited:
            inner.clear()
            continue
        visited.add(real)
        # real folders come before links, so that their files are named by their own path
        kept = (name for name in inner if not litter(name))
        inner[:] = sorted(kept, key=lambda name: (os.path.islink(os.path.join(place, name)), name))
        yield from (Path(place, name) for name in sorted(names) if not litter(name))


def matching(pattern: str, *, unread: Callable[[OSError], object]) -> Iterator[str]:
    """The files and folders that a pattern stands for, as `glob` has it; some come more than once.

    `**` visits each folder once, as `files_below` does, where `glob` would follow loops of links round and round.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as top:
    ...     Path(top, "a").mkdir()
    ...     Path(top, "a/b.png").touch()
    ...     found = list(matching(top + "/**/*.png", unread=print))
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
        for folder in _folders(top, unread):
            if found.end() == len(pattern):  # a trailing `**` gives the folders themselves, too
                yield folder
            yield from matching(os.path.join(glob.escape(folder), rest), unread=unread)


def _folders(top: str, unread: Callable[[OSError], object]) -> Iterator[str]:
    """`top` and the folders below it, each once: real folders before links, so that they have their own path."""
    left, links, visited = [top], list[str](), set[str]()
    while left or links:
        folder = left.pop() if left else links.pop()
        if (real := os.path.realpath(folder)) in visited:
            continue
        visited.add(real)
        yield folder
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(OSError):  # a link that leads to itself, say
                        if not litter(entry.name) and entry.is_dir():
                            (links if entry.is_symlink() else left).append(entry.path)
        except NotADirectoryError:
            continue
        except OSError as error:
            unread(error)
        links.sort(reverse=True)
