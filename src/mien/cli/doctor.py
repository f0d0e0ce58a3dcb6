"""`mien data doctor`: what is wrong with a data set, and a clean one without it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.faces import read_source
from mien.cli.options import Device, Groups, Rgb, Size, SkipBadRows, Votes, note
from mien.cli.places import check_place
from mien.cli.progress import shares
from mien.cli.tables import print_table
from mien.errors import Stopped

if TYPE_CHECKING:
    from mien.doctor.clean import Cleaned
    from mien.doctor.examine import Diagnosis


def _kinds(text: str) -> list[str]:
    return [kind.strip() for kind in text.split(",") if kind.strip()]


def doctor(
    path: Annotated[str, typer.Argument(metavar="PATH", help="Faces, as `mien train --data` takes them.")],
    votes: Votes = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a page that shows the faces in question.")
    ] = None,
    write_clean: Annotated[
        Path | None,
        typer.Option(metavar="OUT.npz", help="Write the data without what --drop and --move name; --data takes it."),
    ] = None,
    drop: Annotated[
        str,
        typer.Option(
            metavar="KINDS",
            help="Leave faces of these kinds out, separated by commas: copies, near, leaks, leaking, conflicts, "
            "constant, faint, nonfaces, mislabels.",
        ),
    ] = "",
    move: Annotated[str, typer.Option(metavar="KINDS", help="Put these into OUT.aside.npz instead.")] = "",
    skip: Annotated[
        str, typer.Option(metavar="KINDS", help="Don't look for these, which may take minutes: nonfaces, mislabels.")
    ] = "",
    folds: Annotated[
        int,
        typer.Option(
            min=2,
            metavar="N",
            help="The parts that faces are dealt into; what learned from the others judges each part's labels.",
        ),
    ] = 3,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Decides which faces are in which part.")] = 0,
    groups: Groups = None,
    size: Size = None,
    rgb: Rgb = None,
    device: Device = None,
    skip_bad_rows: SkipBadRows = False,
) -> dict[str, Any]:
    """Find copies, leaks into val and test, contradicting labels, blanks, non-faces and likely mislabels.

    Nothing is changed, and no face is kept unless you ask for a page or a clean data set. With FER+'s votes it also
    says how right it was.
    """
    from mien.data.origin import DataPath
    from mien.doctor.clean import check
    from mien.doctor.clean import write_clean as write
    from mien.doctor.examine import SLOW, examine

    drops, moves, skips = _kinds(drop), _kinds(move), _kinds(skip)
    check(drops, moves, write_clean, path)
    if unknown := [kind for kind in skips if kind not in SLOW]:
        raise typer.BadParameter(f"{unknown[0]!r} can't be skipped; {' and '.join(SLOW)} can.", param_hint="--skip")
    if (drops or moves) and not write_clean:
        raise typer.BadParameter("say with --write-clean where the clean data set shall go.", param_hint="--drop")
    if write_clean and not (drops or moves):
        raise typer.BadParameter("say with --drop or --move what it shall be clean of.", param_hint="--write-clean")
    if needed := [kind for kind in skips if kind in (*drops, *moves)]:
        raise typer.BadParameter(
            f"--skip leaves {needed[0]} out, so it can't be dropped or moved.", param_hint="--skip"
        )
    for place in filter(None, (report, write_clean)):
        check_place(place)  # here, and not after minutes of work
    if report:
        from mien.evaluation.page import jinja

        jinja()
    splits = read_source(DataPath(path, None, skip_bad_rows, size, bool(rgb), groups))
    joined = None
    if votes:
        from mien.data.ferplus import load_ferplus

        joined = load_ferplus(votes, splits, skip_bad_rows=skip_bad_rows)
    found: Diagnosis | None = None
    stopped = False
    with shares() as tick:
        try:
            for diagnosis in examine(
                splits, skip=skips, votes=joined, folds=folds, seed=seed, device=device, tick=tick
            ):
                found = diagnosis
        except KeyboardInterrupt:
            stopped = True
    if found is None:
        raise KeyboardInterrupt
    _print(found)
    if report:
        from mien.doctor.page import write_page

        write_page(found, report)
        note(f"The faces in question are shown in {report}.")
    result = found.as_json() | {"report": str(report) if report else None, "clean": None}
    if stopped:
        raise Stopped("what was found until then stands above.", result)
    if write_clean:
        written = write(found, write_clean, drop=drops, move=moves)
        _say(written)
        result["clean"] = {name: str(it) if isinstance(it, Path) else it for name, it in vars(written).items()}
    return result


def _print(found: "Diagnosis") -> None:
    from mien.doctor.page import findings

    print_table(("finding", "faces", "what it means"), findings(found), found.pool.source, left=(0, 2))


def _say(written: "Cleaned") -> None:
    aside = f", {written.moved:,} set aside in {written.aside}" if written.aside else ""
    print(f"{written.path}: {written.kept:,} faces kept, {written.dropped:,} dropped{aside}")
    note(f"Every decision stands in {written.manifest}.")
    if written.lost["val"] or written.lost["test"]:
        note(
            f"Of these, {written.lost['val']:,} stood in val and {written.lost['test']:,} in test: scores on what is "
            "left there can't be compared with scores on all of it."
        )
