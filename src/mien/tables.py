"""Tables as text: what `print` shows of a result in Python, and Markdown."""

import html
import re
from collections.abc import Iterable, Sequence

from mien.files import printable


def text_table(columns: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> list[str]:
    """Its lines: the first `left` columns begin at the left, as names do, the others end at the right, as numbers do.

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
    """The same in Markdown. It shows just what its cells say: names come from cards, and those from anybody.

    >>> markdown_table(["network", "accuracy"], [["a|b", "0.70"]])
    ['| network | accuracy |', '|---|---:|', '| a\\\\|b | 0.70 |']
    >>> markdown_table(["network"], [["![x](//a.b)"]])[-1]
    '| !\\\\[x\\\\](//a.b) |'
    """
    head, *lines = ("| " + " | ".join(map(_escaped, row)) + " |" for row in (columns, *rows))
    return [head, "|---" * left + "|" + "---:|" * (len(columns) - left), *lines]


def _escaped(cell: str) -> str:
    """A cell: a bar would end it, a tag or a line break do more, and a bracket begin a link or a picture."""
    return re.sub(r"([\\|\[\]`*])", r"\\\1", html.escape(printable(cell), quote=False))
