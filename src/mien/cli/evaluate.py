"""`mien evaluate`: how well a network does on a split; trained, as an ONNX file, or before any training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.options import Data, SkipBadRows, Split, Votes, note, open_net, read_faces
from mien.cli.tables import print_report
from mien.errors import CheckpointError

if TYPE_CHECKING:
    from mien.data.faces import FaceSet


def evaluate(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A run folder, an .onnx file of mien's, a network in the box (small, small:int8), or a model's name "
            "for untrained weights.",
        ),
    ],
    data: Data = None,
    votes: Votes = None,
    split: Split = "val",
    views: Annotated[
        int, typer.Option(min=1, max=2, help="1: the face as it is. 2: averaged with its mirror image.")
    ] = 1,
    skip_bad_rows: SkipBadRows = False,
) -> dict[str, Any]:
    """Judge a network on a split: accuracy with its interval, macro-F1, calibration, each class, confusion matrix.

    Runs and ONNX files need no torch.
    """
    from mien.evaluation.scores import evaluate
    from mien.shipped import find

    trained = find(target).exists() or target.endswith(".onnx") or Path(target).name != target
    net = open_net(target) if trained else None  # before the data: a wrong name shows at once
    faces = read_faces(data, votes, skip_bad_rows)[split]
    report = evaluate(net or _untrained(target, faces), faces, views=views, split=split)
    seen = f"{report.n:,} faces of {split}" + (", 2 views" if views == 2 else "")
    print_report(report, f"{target}{'' if net else ', untrained'}, {seen}")
    return report.as_json()


def _untrained(name: str, faces: "FaceSet") -> Any:
    """Fresh weights of that model, in the shape of its preset `tuned`."""
    import torch

    from mien.models import create_model, list_models
    from mien.training.recipe import recipe

    if name not in list_models():
        raise CheckpointError(
            f"{name}: no such file or folder, and no model's name; the models are {', '.join(list_models())}."
        )
    channels = 1 if faces.images.ndim == 3 else 3
    chosen = recipe(name)
    torch.manual_seed(chosen.seed)
    note(f"{name} before any training (preset {chosen.preset}, seed {chosen.seed}).")
    return create_model(
        name, classes=len(faces.classes), channels=channels, size=faces.images.shape[1], **chosen.options
    )
