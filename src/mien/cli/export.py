"""`mien export`: a trained network as one ONNX file, in float32 or int8, compared before it is put in place."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cards import CARD, Card
from mien.cli.faces import read_faces
from mien.cli.options import ExpectedPrior, Groups, SkipBadRows, check_finished, note
from mien.cli.places import check_place
from mien.environment import as_typed
from mien.errors import CheckpointError, DataError

COMPARED = 2048
"""The most faces of a data set that the file is compared on."""


def export(
    target: Annotated[str, typer.Argument(metavar="RUN", help="A run folder, or a network in the box such as small.")],
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The .onnx file to write.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="A quarter of the size; needs --data, to learn the ranges of values.")
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Faces, as `mien train` takes them: to compare on, and for --int8."),
    ] = None,
    prior: ExpectedPrior = None,
    skip_bad_rows: SkipBadRows = False,
    groups: Groups = None,
) -> dict[str, Any]:
    """Write a network to an ONNX file, with its labels and input shape inside, for any batch size.

    It must answer as PyTorch does, on drawn faces and on those of --data: every probability within 1e-4; in int8 with
    the same expression for 95 % of the training faces. Otherwise no file is written.
    """
    if out.suffix.lower() != ".onnx":
        raise DataError(f"{out}: an ONNX file's name ends in .onnx.")
    if int8 and not data:
        raise DataError("--int8 learns the ranges of values from training faces; name them with --data.")
    if (skip_bad_rows or groups) and not data:
        raise DataError(f"{'--skip-bad-rows' if skip_bad_rows else '--groups'} is about --data, which isn't there.")
    check_finished(Path(target))
    _check_own(out)
    check_place(out)  # before minutes of work, as all that can be refused

    import numpy as np

    from mien.checkpoint import load_run
    from mien.data.drawn import drawn_faces
    from mien.export import TOLERANCE, export_onnx
    from mien.net import MODEL

    model, card = load_run(target)
    if prior is not None:
        card.expecting(prior)  # a wrong one is said at once
    named = {"drawn faces": drawn_faces(420, only=("val",))["val"]}
    if data:
        splits = read_faces(data, None, skip_bad_rows, groups=groups, shape=card.input_shape)
        named[data] = splits["val"][:COMPARED]
    fitting = {name: faces.pixels for name, faces in named.items() if faces.pixels.shape[1:] == card.input_shape}
    if data and data not in fitting:
        raise DataError(f"{data}: its faces aren't of the shape {card.input_shape} that the network takes.")
    faces = np.concatenate(list(fitting.values())) if fitting else None
    result: dict[str, Any] = {"file": str(out), "int8": int8, "classes": list(card.classes), "within": TOLERANCE}
    result["compared"] = {name: len(pixels) for name, pixels in fitting.items()}
    if int8:
        from mien.quantise import export_int8

        with tempfile.TemporaryDirectory(prefix="mien-") as folder:
            plain = Path(folder, MODEL)
            export_onnx(model, plain, card, faces, prior=prior)
            result["agreement"] = export_int8(plain, out, splits["train"])
        note(f"In int8 it answers as before for {result['agreement']:.1%} of the training faces looked at.")
    else:
        export_onnx(model, out, card, faces, prior=prior)
    size = result["bytes"] = out.stat().st_size
    counts = (f"{count} {'faces of ' if name == data else ''}{name}" for name, count in result["compared"].items())
    seen = " and ".join(counts) or "noise"
    print(f"{out}: {size / 1e6:.1f} MB, {len(card.classes)} classes; compared with PyTorch on {seen}.")
    print(f"Use it with: {as_typed(['mien', 'predict', 'photo.jpg', '--model', str(out)])}")
    return result


def _check_own(out: Path) -> None:
    """Raise DataError where `out` is a file of a run, whose card knows its checksum."""
    beside = out.with_name(CARD)
    try:
        known = Card.read(beside).checksums if beside.is_file() else {}
    except CheckpointError:
        return  # somebody else's
    if out.name in known:
        raise DataError(f"{out}: a file of the run in {beside.parent}, which is as its card says; name another one.")
