"""`mien release`: the staged training of the weights in the box, on with what is there."""

import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.faces import read_source, say_leaked
from mien.cli.options import Data, Device, SkipBadRows, Votes, note
from mien.cli.places import check_place
from mien.cli.progress import ended_as_by_ctrl_c, shares, watch
from mien.cli.recipes import in_one_process
from mien.cli.sharded import files_of, sharded
from mien.errors import CheckpointError
from mien.files import atomic_write

if TYPE_CHECKING:
    from mien.release import Step


def release(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the state and the finished networks go.")],
    data: Data = None,
    votes: Votes = None,
    stage: Annotated[
        str, typer.Option(metavar="teachers|students|ship|all", help="Which part; all: one after the other.")
    ] = "all",
    budget: Annotated[
        str,
        typer.Option(
            metavar="cpu|again-flagship|again|gpu|toy",
            help="cpu: a flagship that a CPU can train. again-flagship, again: the flagship or the small in the box is "
            "trained further, taught by both. gpu: teachers, then students. toy: a dry run.",
        ),
    ] = "cpu",
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK", help="A trained network that teaches, in place of the budget's own teachers. Repeatable."
        ),
    ] = None,
    init: Annotated[
        str, typer.Option(metavar="NETWORK", help="again budgets: go on from this one, not from the one in the box.")
    ] = "",
    seed: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="1, 2, … train the same budget again, with seeds that it hasn't used."),
    ] = 0,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, metavar="N", help="Save and stop within this many minutes; default: run to the end."),
    ] = None,
    shard_mb: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Keep the state in files of at most so many MB, to be carried between machines. Once all is done, the "
            "same command puts the networks beside them.",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --shard-mb: the --out of an earlier call to go on from; default --out."),
    ] = None,
    skip_bad_rows: SkipBadRows = False,
    device: Device = None,
) -> dict[str, Any]:
    """Train the networks that come with mien; the same command goes on where the last one stopped.

    FER+'s --votes, where given, are learned beside the labels of --data. The test split isn't looked at.
    """
    began = time.monotonic()  # what is loaded and read counts, too
    from mien.budgets import plan
    from mien.cards import Card
    from mien.data.load import load_faces
    from mien.data.origin import DataPath
    from mien.environment import as_typed
    from mien.release import SHIPPED, OutOfTime
    from mien.release import release as steps
    from mien.runs import held as alone
    from mien.shards import INDEX
    from mien.teachers import ensemble

    in_one_process("release")
    if state and not shard_mb:
        raise typer.BadParameter("it goes with --shard-mb; without it --out has the state.", param_hint="--state")
    if state and not (state / INDEX).exists():
        raise CheckpointError(f"{state}: no earlier call left its state in this folder: there is no {INDEX}.")
    for network in (*(teacher or ()), *([init] if init else [])):
        Card.read(network)  # a wrong name shows at once
    source = DataPath(data, skip_bad_rows=skip_bad_rows)
    splits = read_source(source)
    say_leaked(splits)
    voted = load_faces(data, votes, skip_bad_rows) if votes else None
    second = len(voted.classes) if voted else 0
    chosen = plan(budget, second=second, teachers=teacher or (), init=init, seed=seed)
    with ExitStack() as held:
        held.enter_context(ended_as_by_ctrl_c())
        work, shards = out, None
        if shard_mb:
            check_place(out, folder=True)  # before the work that will have to be put there
            held.enter_context(alone(out))
            shards = held.enter_context(sharded(state or out, out, shard_mb))
            work = shards.work
        before = files_of(work / SHIPPED)
        finished = over = False
        spare = min(6 * (minutes or 0), 10) if shards else 0  # seconds, for the last packing
        try:
            shown = _Shown()
            going = steps(
                chosen, splits, work, stage=stage, votes=voted,
                minutes=float("inf") if minutes is None else minutes - (time.monotonic() - began + spare) / 60,
                device=device, tick=shown.tick, look=shown.look,
            )  # fmt: skip
            with closing(going):  # which saves what isn't saved yet, before it is packed
                for step in going:
                    if shards:
                        shards.keep_up(step.name)
                    shown.step(step)
            finished = True
        except OutOfTime:
            over = True
        except KeyboardInterrupt:
            again = as_typed(["mien", *sys.argv[1:]])
            again = f"the same command{_moved(state, out)}" if _moved(state, out) else again
            raise KeyboardInterrupt(f"every finished epoch is saved. Go on with: {again}") from None
        finally:
            shown.close()
            if shards:
                shards.pack()
        if over:
            note(f"The {minutes:g} minutes are over; all is saved. Go on with the same command{_moved(state, out)}.")
        if finished:
            said = "Every network is trained" if stage == "all" else f"The stage {stage} is done"
            if stage not in ("ship", "all"):
                note(f"{said}.")
            elif not shard_mb or before == files_of(work / SHIPPED):  # else its files would travel twice
                if shard_mb:
                    _put_beside(work / SHIPPED, out / SHIPPED)
                note(f"{said}; see {out / SHIPPED}.")
            else:
                note(f"{said}. The same command{_moved(state, out)} once more puts the networks beside the shards.")
        together = ensemble(chosen, work, splits)
        if together:
            note(f"The {len(chosen.teachers)} teachers together: {together.accuracy:.4f} on validation.")
        return {
            "out": str(out),
            "finished": finished,
            "networks": _networks(work, (*chosen.students,)),
            "ensemble": _scores(together.as_json()) if together else None,
        }


def _moved(state: Path | None, out: Path) -> str:
    """What must change in a command that went on from another folder than it left its state in."""
    from mien.environment import as_typed

    if state is None or state == out:
        return ""
    return f", but with --state {as_typed([str(out)])} and another --out"


def _put_beside(box: Path, out: Path) -> None:
    """Put the networks that are ready beside the shards; the cards last, for a folder with one is complete."""
    from mien.cards import CARD

    for path in sorted(files_of(box), key=lambda path: path.name == CARD):
        atomic_write(out / path.relative_to(box), path.read_bytes())


class _Shown:
    """A bar, or lines, for each network in turn, as it is trained and as it is asked what it knows."""

    def __init__(self) -> None:
        self.held, self.name = ExitStack(), ""
        self.watcher: Any = None
        self.looking: Any = None

    def tick(self, share: float) -> None:
        if self.watcher:
            self.watcher.tick(share)

    def step(self, step: "Step") -> None:
        if step.name != self.name:
            self.close()
            self.name = step.name
            watching = watch(step.name, step.epoch.epochs, step.epoch.epoch - 1, several=True)
            self.watcher = self.held.enter_context(watching)
        self.watcher.epoch(step.epoch)

    def look(self, teacher: str, share: float) -> None:
        name = f"{teacher} is asked"
        if name != self.name:
            self.close()
            self.name = name
            note(f"{teacher} is asked about the training faces, then about those of validation.")
            self.looking = self.held.enter_context(shares())
        self.looking(name, share)

    def close(self) -> None:
        self.held.close()
        self.watcher = None


def _networks(work: Path, students: tuple[str, ...]) -> list[dict[str, Any]]:
    """How each trained network does on validation, from its card."""
    from mien.cards import CARD, Card

    homes = sorted(path.parent for path in work.glob(f"*/{CARD}"))
    return [
        {"name": home.name, "student": home.name in students} | _scores(Card.read(home).scores["after"]["val"])
        for home in homes
    ]


def _scores(report: dict[str, Any]) -> dict[str, Any]:
    return {name: report[name] for name in ("accuracy", "balanced_accuracy", "macro_f1", "ece", "n")}
