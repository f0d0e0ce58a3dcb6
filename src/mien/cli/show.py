"""`mien show`: faces of a split, each with its true label and what a network says. The article's predict."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.faces import asks_drawn, check_data, read_faces
from mien.cli.options import Data, Groups, SkipBadRows, Split, Votes, open_net
from mien.cli.pictures import figure_kind, write_picture
from mien.cli.places import check_out, check_place
from mien.cli.tables import print_table
from mien.errors import DataError

if TYPE_CHECKING:
    from mien.data.faces import FaceSet
    from mien.evaluation.gallery import Shown


def show(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run folder, an .onnx file of mien's, or a network in the box.")
    ],
    data: Data = None,
    votes: Votes = None,
    split: Split = "val",
    index: Annotated[
        list[int] | None,
        typer.Option(
            min=0, metavar="N", help="Show this face of the split, counted from 0. Repeatable.", show_default=False
        ),
    ] = None,
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, max=400, metavar="N", help="How many faces, without --index.")
    ] = 12,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The picture (.png, .svg); default figures/show-SPLIT.png in the run folder, or show-drawn-SPLIT.png "
            "there for drawn faces that the run didn't learn from.",
        ),
    ] = None,
    groups: Groups = None,
    skip_bad_rows: SkipBadRows = False,
) -> dict[str, Any]:
    """Show faces with their true label and what a network says, as a picture and a table."""
    from mien.evaluation.gallery import show
    from mien.evaluation.scores import score
    from mien.runs import FIGURES

    kind = figure_kind(out)
    net = open_net(run)
    if out:
        check_out(out, data)
        check_place(out)
    splits = read_faces(data, votes, skip_bad_rows, groups=groups, shape=net.card.input_shape, only=(split,))
    check_data(run, net.classes, splits, split, data)
    faces = splits[split]
    places = _places(faces, index or [], n, split)
    scores = score(net, faces[places], split=split)
    shown = [show(scores, faces[places], k) for k in range(len(places))]
    shown = [replace(face, file=splits.file(face.row)) for face in shown]
    documents = [
        _as_json(at, face, dict(zip(scores.classes, probabilities.tolist(), strict=True)))
        for at, face, probabilities in zip(places, shown, scores.probabilities, strict=True)
    ]
    asked = f"{'' if data else 'drawn faces of '}{split}"
    print_table(
        ("face", "file" if splits.files else "row", "true", "predicted", "probability", ""),
        [
            (at, one.file or one.row, one.true, one.predicted, f"{one.confidence:.3f}", "" if one.right else "wrong")
            for at, one in zip(places, shown, strict=True)
        ],
        f"{run} on {asked}: {sum(face.right for face in shown)} of {len(shown)} right",
    )
    folder = Path(run) if Path(run).is_dir() else Path(run).parent
    drawn = "drawn-" if asks_drawn(run, data) else ""  # so that the picture of its own faces stays
    picture = write_picture(
        out or folder / FIGURES / f"show-{drawn}{split}.png",
        lambda figures: figures.gallery(shown, kind=kind),
        asked=out is not None,
        say=True,
    )
    return {"run": run, "split": split, "faces": documents, "picture": picture}


def _places(faces: "FaceSet", index: list[int], n: int, split: str) -> list[int]:
    """Which faces to show: those asked for, else `n` that can be judged, spread evenly over the split."""
    import numpy as np

    from mien.data.faces import UNLABELLED

    if outside := [at for at in index if at >= len(faces)]:
        raise DataError(f"There is no face {outside[0]} in {split}: it has {len(faces):,}, counted from 0.")
    if unsure := [at for at in index if not faces.sure[at]]:
        tied = "has no label" if faces.labels[unsure[0]] == UNLABELLED else "has two labels that share the most"
        why = f"is marked {str(faces.marks[unsure[0]])!r}" if faces.marks[unsure[0]] else tied
        raise DataError(f"Face {unsure[0]} of {split} {why}: there is nothing to hold the answer against.")
    if index:
        return index
    sure = np.flatnonzero(faces.sure)
    if not len(sure):
        raise DataError(f"{faces.source or 'The data'} has no labelled faces in {split}.")
    spread = np.linspace(0, len(sure) - 1, min(n, len(sure))).round().astype(int)
    return [int(at) for at in sure[spread]]


def _as_json(at: int, face: "Shown", probabilities: dict[str, float]) -> dict[str, Any]:
    return {
        "index": at,
        "row": face.row,
        "file": face.file,
        "true": face.true,
        "predicted": face.predicted,
        "confidence": face.confidence,
        "right": face.right,
        "probabilities": probabilities,
    }
