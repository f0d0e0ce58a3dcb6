"""How far a training is: a moving bar where one can be, else a line for each epoch. Both on stderr."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

    from mien.training.fit import Epoch


class Lines:
    """A line for each epoch; `name` stands before it where several networks are trained."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def before(self, accuracy: float) -> None:
        """Called once, ahead of the first epoch, with the accuracy until then."""
        print(_before(accuracy), file=sys.stderr, flush=True)

    def tick(self, share: float) -> None:
        """Called within an epoch with the share of it that is done: a log has nothing that moves."""

    def epoch(self, epoch: "Epoch") -> None:
        """Called after each epoch."""
        print(f"{self.name:<12} {epoch}" if self.name else epoch, file=sys.stderr, flush=True)


class Bar:
    """A bar with epoch, loss, accuracy, faces a second and the time left; called as `Lines` is."""

    def __init__(self, bars: "Progress", name: str, epochs: int, done: int) -> None:
        self.bars, self.epochs, self.done = bars, epochs, done
        self.task = bars.add_task(name, total=epochs, completed=done, at=min(done + 1, epochs), said="")

    def before(self, accuracy: float) -> None:
        self.bars.console.print(_before(accuracy), highlight=False)  # above the bar

    def tick(self, share: float) -> None:
        self.bars.update(self.task, completed=self.done + share, at=min(self.done + 1, self.epochs))

    def epoch(self, epoch: "Epoch") -> None:
        self.done = epoch.epoch
        said = f"loss {epoch.val_loss:.3f} accuracy {epoch.val_accuracy:.3f} {epoch.faces_per_second:,.0f} faces/s"
        self.bars.update(self.task, completed=epoch.epoch, at=epoch.epoch, said=said)


def _before(accuracy: float) -> str:
    return f"before training: accuracy {accuracy:.3f} on val"


def can_move(stream: TextIO) -> bool:
    """Whether bars can move there: on a terminal, unless it only adds lines, as the shell in Emacs does."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")  # as rich has it


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Let SIGTERM end this as Ctrl-C does, which saves: `kill`, Slurm, and a machine that is taken back send it.

    SIGHUP, too, which comes when a terminal closes, unless whoever started this wants it to go on (nohup).

    Not under torchrun, whose processes wait for each other in what can't be interrupted.
    """
    if "WORLD_SIZE" in os.environ or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, signal.default_int_handler)}
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def watch(name: str, epochs: int, done: int = 0, *, several: bool = False) -> Iterator[Lines | Bar]:
    """Show a training of `epochs` epochs, `done` of which were done earlier; `several`: others come after it."""
    if not can_move(sys.stderr):
        yield Lines(name if several else "")
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<11}" if several else "{task.description}"),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[at]}/{task.total:.0f} {task.fields[said]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield Bar(bars, name, epochs, done)


@contextmanager
def shares() -> Iterator[Callable[[str, float], None]]:
    """A bar on a terminal for each piece of work that is named, with the share of it that is done; else nothing."""
    if not can_move(sys.stderr):
        yield lambda name, share: None
        return
    from rich.console import Console
    from rich.progress import Progress, TaskID

    tasks: dict[str, TaskID] = {}
    with Progress(console=Console(stderr=True), transient=True) as bars:

        def show(name: str, share: float) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=1.0)
            bars.update(tasks[name], completed=share)

        yield show
