"""Options that several verbs share, and the faces that they name."""

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.errors import CheckpointError, DataError

if TYPE_CHECKING:
    from mien.data.faces import Splits
    from mien.net import Net
    from mien.runs import DataPath

SPLITS = ("train", "val", "test")


def _known_split(name: str) -> str:
    if name not in SPLITS:
        raise typer.BadParameter(f"there is no split {name!r}; the splits are {', '.join(SPLITS)}.")
    return name


Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="PATH",
        help="The faces: a CSV file of FER2013 (also .gz, .xz, .zip), a folder with a folder of images for each class, "
        "RAF-DB or AffectNet, or the .npz or .faces of `mien data convert`. Without it: drawn faces.",
    ),
]
Votes = Annotated[
    str | None,
    typer.Option("--votes", metavar="PATH", help="FER+'s fer2013new.csv, to be joined to the rows of --data."),
]
SkipBadRows = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Leave bad rows out, and say how many, instead of stopping.")
]
Size = Annotated[
    int | None,
    typer.Option(
        "--size", min=8, max=1024, metavar="PIXELS",
        help="The side that image files are resized to; default 48, or with --init that network's.",
    ),
]  # fmt: skip
Rgb = Annotated[
    bool | None, typer.Option("--rgb/--gray", help="Keep the colours of image files; default gray, or as --init.")
]
Groups = Annotated[
    str | None,
    typer.Option(
        "--groups", metavar="CSV",
        help="Who is in each picture, file,subject (or row,subject): nobody gets into two splits.",
    ),
]  # fmt: skip
Device = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="cpu, cuda, mps; without it the fastest there is.")
]
Split = Annotated[
    str, typer.Option("--split", metavar="|".join(SPLITS), callback=_known_split, help="Which faces of the data.")
]


def note(text: str) -> None:
    """Say something to a person that is no result: on stderr."""
    print(text, file=sys.stderr)


def read_faces(
    data: str | None,
    votes: str | None,
    skip_bad_rows: bool,
    *,
    groups: str | None = None,
    shape: tuple[int, int, int] | None = None,
) -> "Splits":
    """The faces that a command line names; from image files in the `shape`, (C, H, W), that a network takes."""
    from mien.runs import DataPath

    source = DataPath(data, votes, skip_bad_rows, groups=groups)
    if shape and data and Path(data).is_dir():
        source = replace(source, size=shape[1], rgb=shape[0] == 3)
    return read_source(source)


def read_source(source: "DataPath") -> "Splits":
    """The faces that are there, with a bar while a folder is read; says how many rows were left out."""
    from mien.cli.progress import count_to

    with count_to("reading") as tick:
        splits = source.load(tick)
    if splits.left_out:
        note(
            f"{splits.left_out:,} bad {'row was' if splits.left_out == 1 else 'rows were'} left out of {splits.source}."
        )
    return splits


def open_net(target: str) -> "Net":
    """The trained network of a run folder or an .onnx file. Raises CheckpointError; of an unfinished run it says so."""
    from mien.net import Net

    check_finished(Path(target))
    return Net(target)


def check_data(target: str, classes: tuple[str, ...], splits: "Splits", data: str | None) -> None:
    """Raise DataError where a network of other classes would be asked about drawn faces, as nobody said --data."""
    if data or set(classes) >= set(splits.classes):
        return
    noted = Path(target, "data.json")
    path = json.loads(noted.read_text(encoding="utf-8")).get("path") if noted.is_file() else None
    example = shlex.quote(path or "PATH")
    raise DataError(
        f"{target} tells apart {', '.join(classes)}; without --data the faces are drawn, with other expressions. "
        f"Say which faces: --data {example}"
    )


def check_finished(run: Path) -> None:
    """Raise CheckpointError for a run folder whose training isn't finished."""
    from mien.cards import CARD

    if (run / "recipe.json").exists() and not (run / CARD).exists():
        go_on = shlex.join(["mien", "train", "--resume", str(run)])
        raise CheckpointError(f"{run}: its training isn't finished. Go on with: {go_on}")
