"""`mien robustness`: how networks bear crops, rolls, blur, few pixels, JPEG, darkness, and things in the way."""

from itertools import count
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.faces import check_data, read_faces, shape_of
from mien.cli.options import Data, Groups, Into, SkipBadRows, Split, Votes, note, open_net
from mien.cli.pictures import figure_kind
from mien.cli.places import check_out, check_place
from mien.cli.tables import print_table
from mien.files import atomic_write
from mien.tables import check_marks, put_between


def robustness(
    targets: Annotated[
        list[str], typer.Argument(metavar="RUN", help="Run folders, .onnx files of mien's, or networks in the box.")
    ],
    data: Data = None,
    votes: Votes = None,
    split: Split = "val",
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Decides what is random in the corruptions.")] = 0,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a curve for each network (.svg, .png).")
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw what each corruption does to one of the faces (.svg, .png)."),
    ] = None,
    into: Into = None,
    groups: Groups = None,
    skip_bad_rows: SkipBadRows = False,
) -> dict[str, Any]:
    """Judge networks on faces that are cropped, rolled, blurred, coarse, compressed, dark or partly hidden.

    The corruptions are the same for every network and every call with the same seed.
    """
    from mien.cli.progress import shares
    from mien.evaluation.corruptions import CORRUPTIONS
    from mien.evaluation.robustness import Robustness, as_markdown, table
    from mien.evaluation.robustness import robustness as measure

    kind, shown = figure_kind(figure, "--figure"), figure_kind(examples, "--examples")
    for picture in (figure, examples):
        if picture:
            check_out(picture, data)
            check_place(picture)
    if into:
        check_marks(into, "robustness")
    if figure or examples:
        from mien.evaluation import figures  # a missing matplotlib is said before minutes of work
    nets = {target: open_net(target) for target in dict.fromkeys(targets)}
    splits = read_faces(data, votes, skip_bad_rows, groups=groups, shape=shape_of(nets), only=(split,))
    for name, net in nets.items():
        check_data(name, net.classes, splits, split, data)
    faces = splits[split]
    found: dict[str, Robustness] = {}
    total, done = len(nets) * sum(len(one.levels) for one in CORRUPTIONS), count(1)
    with shares() as show:
        for name, net in nets.items():
            found[name] = measure(net, faces, seed=seed, tick=lambda: show("corruptions", next(done) / total))
    first = next(iter(found.values()))
    print_table(*table(found), f"Accuracy on {first.n:,} {'' if data else 'drawn '}faces of {split}, seed {seed}")
    if into:
        put_between(into, "robustness", as_markdown(found))
        note(f"The table stands in {into}.")
    if figure:
        atomic_write(figure, figures.robustness_picture(found, kind=kind))
        note(f"The curves are in {figure}.")
    if examples:
        atomic_write(examples, figures.corruption_picture(faces, CORRUPTIONS, seed=seed, kind=shown))
        note(f"The examples are in {examples}.")
    return {"split": split, "networks": {name: one.as_json() for name, one in found.items()}}
