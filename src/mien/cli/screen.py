"""What moves on the terminal while `mien predict` runs: a bar of progress, or the faces as bars; in a pipe, rows."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mien.cli.progress import can_move
from mien.cli.tables import counted

if TYPE_CHECKING:
    from mien.cli.tally import Tally
    from mien.recognition.records import Reading
    from mien.recognition.sources import Sources

Show = Callable[["Reading"], None]
BAR, BESIDE = 24, 10
"""Characters of a full bar, and of what stands beside it and its name: spaces, a percentage and the frame."""


@contextmanager
def progress(media: "Sources", tally: "Tally") -> Iterator[Show]:
    """A bar with pictures a second and the time left, on a terminal; else nothing. Without a total it only counts."""
    if not can_move(sys.stderr):
        yield lambda reading: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("reading"), BarColumn(bar_width=24), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f}/s"), TimeRemainingColumn(compact=True),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=media.total, rate=0.0)

        def show(reading: "Reading") -> None:
            bars.update(task, advance=1, total=media.total and media.total - media.passed, rate=tally.rate)

        yield show


@contextmanager
def live(tally: "Tally") -> Iterator[Show]:
    """On a terminal the faces of the newest frame as bars; into a pipe a line of JSON for each face."""
    if not can_move(sys.stdout):
        yield _print_rows
        return
    from rich.live import Live

    with Live(refresh_per_second=12, transient=True) as screen:
        yield lambda reading: screen.update(picture(reading, tally.rate, screen.console.width))


def _print_rows(reading: "Reading") -> None:
    for row in reading.rows():
        print(json.dumps(row), flush=True)


def picture(reading: "Reading", rate: float, width: int) -> Any:
    """The newest frame's faces as text: a bar for each expression, shorter where the terminal is narrow."""
    from rich.cells import cell_len, set_cell_size
    from rich.columns import Columns
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    from mien.labels import colours
    from mien.names import printable

    panels = []
    for face in reading.faces[:4]:
        lines = Text()
        shades = colours(tuple(face.probabilities))
        names = [printable(name) for name in face.probabilities]  # a network's, from anybody: none steers the terminal
        longest = max(map(cell_len, names))
        bar = max(0, min(BAR, width - longest - BESIDE))
        for name, (label, value), shade in zip(names, face.probabilities.items(), shades, strict=True):
            lines.append(set_cell_size(name, longest + 1), style="bold" if label == face.label else "")
            lines.append("█" * round(bar * value), style=shade)
            lines.append(" " * (bar - round(bar * value)) + f" {value:4.0%}\n")
        title = Text(f"face {face.id}: {'uncertain' if face.uncertain else printable(face.label)}")
        panels.append(Panel(lines, title=title, width=longest + bar + BESIDE))
    clock = f"{reading.time or 0:.1f} s, {rate:.1f} frames a second, {counted(len(reading), 'face')}. Ctrl-C ends it."
    return Group(Columns(panels) if panels else Text("no face"), Text(clock))
