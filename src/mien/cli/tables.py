"""Tables for people."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from mien.names import printable

if TYPE_CHECKING:
    from mien.evaluation.report import Report
    from mien.recognition.records import Box


WIDEST = 100_000
"""Characters of a line outside of a terminal: as many as any table needs."""

NARROWEST = 12
"""Characters that a column of names keeps before other columns go into a table below."""

GAP = 3
"""Characters between columns."""


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "", *, left: Sequence[int] = (0,)
) -> None:
    """Print a table: the first column, or those of `left`, to the left, the others to the right.

    Outside of a terminal it is as wide as it needs. In a narrow terminal the names on the left are wrapped, and columns
    that have no room go into another table below, beside the first column again, as in pandas: a number that was
    wrapped would be read as two.
    """
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table

    unicode = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    shown = sys.stdout.isatty()  # a notebook asks for colours in pipes and files, too
    room = shutil.get_terminal_size().columns if shown else WIDEST
    cells = [[printable(str(cell)) for cell in row] for row in (columns, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    needed = [GAP + (min(width, NARROWEST) if place in left else width) for place, width in enumerate(widths)]
    if title:
        print(printable(title))
    for places in _parts(needed, room):
        table = Table(box=SIMPLE_HEAD if unicode else None, pad_edge=False)
        for place in places:
            if place in left:
                table.add_column(cells[0][place], overflow="fold")
            else:
                table.add_column(cells[0][place], justify="right", no_wrap=True)
        for row in cells[1:]:
            table.add_row(*(row[place] for place in places))
        width = max(room, sum(needed[place] for place in places))
        # a height, too: without one rich takes Emacs' shell to have 80 columns
        Console(width=width, height=25, force_terminal=shown, markup=False, emoji=False, highlight=False).print(table)


def _parts(needed: Sequence[int], room: int) -> Iterator[list[int]]:
    """The places of the columns that stand side by side: the first, and as many others as there is room for.

    >>> [*_parts([10, 20, 20, 20], 50)]
    [[0, 1, 2], [0, 3]]
    """
    part = [0]
    for place in range(1, len(needed)):
        if len(part) > 1 and sum(needed[at] for at in (*part, place)) > room:
            yield part
            part = [0]
        part.append(place)
    yield part


def counted(number: int, what: str) -> str:
    """
    >>> counted(1, "face"), counted(1000, "face")
    ('1 face', '1,000 faces')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def place_of(box: "Box | None") -> str:
    """Where a face is, as a cell.

    >>> place_of((0.4, 12.0, 30.5, 40.6))
    '0, 12, 30 × 41'
    """
    return "all of it" if box is None else "{}, {}, {} × {}".format(*map(round, box))


def print_report(report: "Report", title: str) -> None:
    """Print a Report: the scores of the whole, of each class, and the confusion matrix."""
    low, high = report.interval
    rest = {"balanced": report.balanced_accuracy, "macro-F1": report.macro_f1}
    rest |= {"ECE": report.ece, "loss": report.loss}
    if report.distance is not None:
        rest["distance to votes"] = report.distance
    print_table(
        ("accuracy", "95 % interval", *rest),
        [(f"{report.accuracy:.4f}", f"{low:.4f} to {high:.4f}", *(f"{value:.4f}" for value in rest.values()))],
        title,
    )
    print_table(
        ("class", "faces", "precision", "recall", "F1"),
        [(s.name, f"{s.n:,}", f"{s.precision:.3f}", f"{s.recall:.3f}", f"{s.f1:.3f}") for s in report.per_class],
    )
    print_table(
        ("true \\ predicted", *report.classes),
        [(name, *row) for name, row in zip(report.classes, report.confusion, strict=True)],
    )
