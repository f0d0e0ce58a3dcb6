"""`mien compare`: finished runs beside each other, from their cards."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.leaderboard import card_of, finished
from mien.cli.options import note
from mien.cli.pictures import figure_kind, write_picture
from mien.cli.tables import print_table

if TYPE_CHECKING:
    from mien.cards import Card


COLUMNS = (
    *("run", "model", "preset", "parameters", "multiply-adds", "epochs", "training"),
    *("accuracy", "95 % interval", "balanced", "macro-F1"),
)


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN", help="Run folders of finished trainings, or networks in the box.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The picture (.png, .svg); default compare.png.")
    ] = None,
) -> dict[str, Any]:
    """Compare finished runs: cost, accuracy on validation with its interval, macro-F1, training time."""
    from mien.evaluation.ladder import amount, duration

    kind = figure_kind(out)
    runs = finished(runs)
    cards = [card_of(run) for run in runs]
    if len({card.data.checksums.get("val") for card in cards}) > 1:
        note("These runs were judged on different faces, so their scores can't be compared with each other.")
    rows = [_row(run, card) for run, card in zip(runs, cards, strict=True)]
    print_table(
        COLUMNS,
        [
            (
                *(row["run"], row["model"], row["preset"], amount(row["parameters"]), amount(row["macs"])),
                *((row["epochs"], duration(row["train_seconds"])) if row["epochs"] else ("", "")),
                f"{row['accuracy']:.4f}",
                "{:.3f} to {:.3f}".format(*row["interval"]),
                *(f"{row['balanced_accuracy']:.4f}", f"{row['macro_f1']:.4f}"),
            )
            for row in rows
        ],
        "On validation",
    )
    models = [card.model for card in cards]
    named = (models, [Path(run).name for run in runs])
    names = next((each for each in named if len({*each, ""}) > len(each)), runs)
    picture = write_picture(
        out or Path("compare.png"),
        lambda figures: figures.ladder_picture(
            names, [row["accuracy"] for row in rows], [row["interval"] for row in rows],
            title="Accuracy on validation", kind=kind,
        ),
        asked=out is not None,
        say=True,
    )  # fmt: skip
    return {"runs": rows, "picture": picture}


def _row(run: str, card: "Card") -> dict[str, Any]:
    from mien.evaluation.leaderboard import check_judged, error_as_trained
    from mien.runs import history
    from mien.shipped import find

    folder = find(run)
    report = card.scores.get("after", {}).get("val", {})
    check_judged(run, card, report, "interval")
    rows = history(folder, missing_ok=True)  # a network in the box comes without its own
    scores = ("accuracy", "interval", "balanced_accuracy", "macro_f1", "n")
    return {
        "run": run,
        "model": card.model,
        "preset": card.preset,
        "parameters": card.parameters,
        "macs": card.macs,
        "epochs": len(rows) or None,
        "train_seconds": sum(row["seconds"] for row in rows) if rows else None,
        "split": "val",
        "ece": error_as_trained(card),
    } | {name: report[name] for name in scores}
