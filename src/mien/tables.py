"""Tables as text: what `print` shows of a result in Python; Markdown, and its place in a file."""

import html
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from mien.errors import DataError
from mien.files import atomic_write
from mien.names import printable


def text_table(columns: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> list[str]:
    """The table's lines: the first `left` columns are aligned left, as names are, the others right, as numbers are.

    >>> print(*text_table(["class", "faces"], [("happy", 1200), ("sad", 7)]), sep="\\n")
    class  faces
    happy   1200
    sad        7
    """
    lines = [[printable(str(cell)) for cell in row] for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> list[str]:
    """The same in Markdown, with its cells escaped: names come from cards, and those from anybody.

    >>> markdown_table(["network", "accuracy"], [["a|b", "0.70"]])
    ['| network | accuracy |', '|---|---:|', '| a\\\\|b | 0.70 |']
    >>> markdown_table(["network"], [["![x](//a.b)"]])[-1]
    '| !\\\\[x\\\\](//a.b) |'
    """
    head, *lines = ("| " + " | ".join(map(_escaped, row)) + " |" for row in (columns, *rows))
    return [head, "|---" * left + "|" + "---:|" * (len(columns) - left), *lines]


def _escaped(cell: str) -> str:
    """A cell as plain text: a bar would end it, brackets begin a link or a picture, and tags do worse."""
    return re.sub(r"([\\|\[\]`*])", r"\\\1", html.escape(printable(cell), quote=False))


def put_between(path: str | os.PathLike[str], verb: str, text: str) -> None:
    """Put `text`, which `mien VERB` made, between the two lines of a Markdown file that mark its place.

    Raises:
        DataError: the file can't be read, or has no such lines.
    """
    atomic_write(path, _filled(path, verb, text))


def check_marks(path: str | os.PathLike[str], verb: str) -> None:
    """Raise DataError when `put_between` would, before there is a text to put there."""
    _filled(path, verb, "")


def _filled(path: str | os.PathLike[str], verb: str, text: str) -> str:
    try:
        whole = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: can't read this file ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text in UTF-8.") from None
    return between(whole, verb, text, maker=f"`mien {verb}`", path=path)


def between(whole: str, name: str, text: str, *, maker: str, path: str | os.PathLike[str]) -> str:
    """`whole` with `text` between the two lines that mark the place called `name`.

    Raises:
        DataError: it has no such lines; the message names `path`.
    """
    begin, end = f"<!-- {name}: made by {maker}, don't edit -->", f"<!-- /{name} -->"
    before, first, rest = whole.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise DataError(f"{path}: no place for the table; put these two lines where it should be:\n{begin}\n{end}")
    return f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}"
