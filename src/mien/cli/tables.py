"""Tables for people."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mien.files import printable

if TYPE_CHECKING:
    from mien.evaluation.report import Report
    from mien.recognition.records import Box


WIDEST = 100_000
"""Characters of a line where there is no terminal: as many as any table needs."""

NARROWEST = 12
"""Characters that are left to a column of names before numbers go on in the next line, too."""


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "", *, left: Sequence[int] = (0,)
) -> None:
    """Print a table: the first column, or those of `left`, to the left, the others to the right.

    Where no terminal is it gets as wide as it needs; in a narrow one a cell goes on in the next line, of the columns to
    the right only where it must.
    """
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table

    unicode = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    shown = sys.stdout.isatty()  # a notebook asks for colours in pipes and files, too
    console = Console(width=None if shown else WIDEST, force_terminal=shown, markup=False, highlight=False)
    table = Table(box=SIMPLE_HEAD if unicode else None, pad_edge=False)
    cells = [[printable(str(cell)) for cell in row] for row in (columns, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=False)]
    needed = [NARROWEST if place in left else width for place, width in enumerate(widths)]
    whole = sum(needed) + 3 * len(needed) <= console.width  # rich would cut off what has no room and mayn't be folded
    for place, column in enumerate(cells[0]):
        if place in left:
            table.add_column(column, overflow="fold")
        else:
            table.add_column(column, justify="right", overflow="fold", no_wrap=whole)
    for row in cells[1:]:
        table.add_row(*row)
    if title:
        print(printable(title))
    console.print(table)


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
    rest = {"balanced accuracy": report.balanced_accuracy, "macro-F1": report.macro_f1}
    rest |= {"calibration error": report.ece, "loss": report.loss}
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
