"""`mien explain`: where a network looks in the faces of a photo, and a check of the heatmap that says so."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.options import check_finished, given_path, note
from mien.cli.pictures import figure_kind, write_picture
from mien.cli.places import check_place
from mien.cli.tables import place_of, print_table
from mien.errors import DataError, MediaError
from mien.names import composed

if TYPE_CHECKING:
    from mien.evaluation.explanation import Explanation


def explain(
    source: Annotated[str, typer.Argument(metavar="PHOTO", help="A photo.")],
    model: Annotated[str, typer.Option(metavar="NAME", help="A network in the box, or a run folder.")] = "small",
    out: Annotated[
        Path | None,
        typer.Option(
            parser=given_path,
            metavar="FILE",
            help="The picture (.png, .svg); default PHOTO-explained.png in this folder.",
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Explain this class; default each face's likeliest one.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="integrated (the default), occlusion, gradcam or saliency."),
    ] = None,
    detect: Annotated[
        bool, typer.Option("--detect/--no-detect", help="--no-detect: the picture is one cropped face.")
    ] = True,
    most: Annotated[int, typer.Option(min=1, metavar="N", help="Explain at most N faces, the largest first.")] = 6,
    orders: Annotated[
        int, typer.Option(min=19, metavar="N", help="How many random orders the heatmap must beat to pass.")
    ] = 20,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Decides the random orders.")] = 0,
) -> dict[str, Any]:
    """Show where a network looks in each face of a photo, with a check that says when not to believe it.

    The check blurs the face patch by patch, those that the heatmap marks first. The heatmap passes if the probability
    falls faster than in each of 20 random orders. Then it may be right, but needn't be: scattered noise passes once in
    21 times, and a mark that is always in the middle of the face once in three. A class with a probability below 0.01
    never passes.
    """
    kind = figure_kind(out)
    to = out or Path(f"{Path(source).stem}-explained.png")
    if to.exists() and Path(source).exists() and to.samefile(source):
        raise DataError(f"{to}: it is the photo, which would be overwritten. Name another place.")
    from mien.checkpoint import load_run
    from mien.cli.progress import shares
    from mien.explain import METHOD
    from mien.explain import explain as explanations
    from mien.recognition.recognizer import Recognizer
    from mien.shipped import find, shipped

    if find(model).is_file():
        box = model.partition(":")[0]
        whole = f"name {box}" if box in shipped() else "name its run folder"
        raise DataError(f"{model}: heatmaps need PyTorch's weights, which an ONNX file hasn't; {whole}.")
    check_finished(Path(model))
    label = label and composed(label)
    network, card = load_run(model)
    reading, crops = Recognizer(model, detect=detect).crops(source)
    if not len(crops):
        raise MediaError(f"{source}: no face was found. If it is one cropped face, say --no-detect.")
    if len(crops) > most:
        note(f"{source} has {len(crops)} faces; the {most} largest are explained. --most {len(crops)} takes all.")
        crops = crops[:most]
    check_place(to)
    found: list[Explanation] = []
    with shares() as show:
        for done, crop in enumerate(crops):
            show("faces", done / len(crops))
            found += explanations(
                network, crop[None], card.classes, label=label, method=method or METHOD, temperature=card.temperature,
                orders=orders, seed=seed,
            )  # fmt: skip
    print_table(
        ("face", "face at", "explained", "probability", "better than", "check"),
        [
            (
                number, place_of(face.box), one.label, f"{one.confidence:.3f}",
                f"{one.check.better_than} of {orders} random orders",
                "passed" if one.check.passed else "don't believe it",
            )
            for number, (one, face) in enumerate(zip(found, reading, strict=False), 1)
        ],
        f"{source}, {model}, {found[0].method}",
    )  # fmt: skip
    picture = write_picture(
        to,
        lambda figures: figures.explanation_picture(found, kind=kind),
        asked=out is not None,
        say=True,
    )
    boxes = [face.box for face in reading.faces]
    faces = [one.as_json() | {"box": list(box) if box else None} for one, box in zip(found, boxes, strict=False)]
    return {"source": source, "model": model, "width": reading.width, "height": reading.height} | {
        "faces": faces,
        "left_out": len(reading) - len(found),
        "picture": picture,
    }
