"""`mien leaderboard`: runs in order of how they do on validation, the seeds of one recipe in one row."""

from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.faces import read_faces
from mien.cli.options import Groups, Into, SkipBadRows, Votes, check_finished, note, open_net
from mien.cli.tables import print_table
from mien.errors import DataError
from mien.tables import check_marks, put_between

if TYPE_CHECKING:
    from mien.cards import Card
    from mien.data.splits import Splits


def leaderboard(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Finished run folders, networks in the box, and .json files that `mien leaderboard --json` printed on "
            "other machines.",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The data that `mien train` took: also measures each without leaks."),
    ] = None,
    into: Into = None,
    votes: Votes = None,
    groups: Groups = None,
    skip_bad_rows: SkipBadRows = False,
) -> dict[str, Any]:
    """Rank runs by their accuracy on validation: mean and interval over the seeds of each recipe.

    With --data it also measures each without the validation faces that are also among the training faces. Fewer than
    three seeds claim nothing. No test score is read.
    """
    from mien.evaluation.leaderboard import COLUMNS, Leaderboard, cells

    if (votes or groups or skip_bad_rows) and not data:
        raise typer.BadParameter("--votes, --groups and --skip-bad-rows go with --data.")
    if into:
        check_marks(into, "leaderboard")
    boards = [Leaderboard.read(Path(run)) for run in dict.fromkeys(runs) if run.endswith(".json")]
    trained = finished([run for run in dict.fromkeys(runs) if not run.endswith(".json")])
    if data and not trained:
        raise typer.BadParameter("it measures runs that are here, and none was named.", param_hint="--data")
    if cards := {run: card_of(run) for run in trained}:
        board = Leaderboard.of(cards)
        if data:
            shape = next(iter(cards.values())).input_shape
            splits = read_faces(data, votes, skip_bad_rows, groups=groups, shape=shape)
            board = Leaderboard.of(cards, _leak_free(cards, splits, board.checksum))
        boards.append(board)
    board = reduce(Leaderboard.beside, boards)
    table = [[*cells(row)] for row in board.rows]
    print_table(COLUMNS, table, f"{board.n:,} validation faces")
    if board.interval_note:
        note(board.interval_note)
    if any(row[0].startswith("(") for row in table):
        note("Rows in brackets have fewer than three seeds: they claim nothing.")
    names = [row.name for row in board.rows]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        note(
            f"More than one row is called {', '.join(twice)}: of several boards, seeds of one recipe stand in rows of "
            "their own. Copy each run's card.json into a folder of its own here, and name these folders, to join them."
        )
    if into:
        put_between(into, "leaderboard", board.as_markdown())
        note(f"The table stands in {into}.")
    return board.as_json()


def finished(runs: list[str]) -> list[str]:
    """Of several paths those of finished runs; the others of `runs/*` are left out, and named. One alone is kept."""
    from mien.cards import CARD

    kept = [run for run in runs if not Path(run).exists() or Path(run, CARD).exists()]
    if len(runs) == 1 or not kept:
        return runs
    if others := [run for run in runs if run not in kept]:
        note(f"No finished {'run' if len(others) == 1 else 'runs'}, and left out: {', '.join(others)}.")
    return kept


def card_of(run: str) -> "Card":
    """The card of a finished run, or of a network in the box, which has its scores on validation."""
    from mien.cards import Card
    from mien.shipped import find

    check_finished(Path(run))
    if (file := find(run)).suffix == ".onnx":
        whole = file.parent if str(file) == run else file.parent.name
        raise DataError(f"{run}: one file of a network, and its card tells of the whole: name {whole}.")
    return Card.read(file)


def _leak_free(cards: dict[str, Any], splits: "Splits", checksum: str) -> dict[str, float]:
    """The accuracy of each run on the validation faces that don't stand in training, too."""
    from mien.data.copies import leaked
    from mien.evaluation.scores import evaluate

    if splits["val"].checksum != checksum:
        raise DataError(
            f"{splits.source}: its validation faces aren't those that the runs were judged on. Say --votes "
            "and --groups as they were trained with."
        )
    learned = splits["train"].checksum
    others = [run for run, card in cards.items() if card.data.checksums.get("train") not in (None, learned)]
    if others:
        note(
            f"Learned from other training faces, or with other targets, than {splits.source} has: {', '.join(others)}. "
            "Validation faces that stand in those alone aren't left out."
        )
    copies = leaked(splits["train"], splits["val"])
    note(f"{copies.sum():,} validation faces stand in train, too.")
    kept = splits["val"][~copies]
    return {run: evaluate(open_net(run), kept).accuracy for run in cards}
