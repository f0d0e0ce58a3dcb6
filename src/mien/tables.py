"""Tables as plain text: what `print` shows of a result in Python."""

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
