"""`mien calibrate`: a trained network's confidence set right, by what its answers on validation are worth."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.calibrated import print_calibration, say_of_calibration
from mien.cli.faces import begun_on, of_images, read_source, say_changed
from mien.cli.options import Groups, OwnData, SkipBadRows, Votes, check_finished
from mien.errors import CheckpointError


def calibrate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    data: OwnData = None,
    votes: Votes = None,
    groups: Groups = None,
    skip_bad_rows: SkipBadRows = False,
) -> dict[str, Any]:
    """Make a run's confidence mean what it says, and let it mark uncertain answers, by its validation faces.

    Writes a temperature and a threshold into the run's card and ONNX file; no answer changes, only how sure it is.
    """
    from mien.cards import Card
    from mien.confidence import calibrate
    from mien.data.origin import DataPath
    from mien.environment import as_typed
    from mien.runs import RECIPE, read_setup
    from mien.shipped import shipped

    if str(run) in shipped() and not run.exists():
        raise CheckpointError(f"{run}: the networks in the box are calibrated. Name the folder of a run.")
    if not (run / RECIPE).exists():
        raise CheckpointError(f"{run}: no run folder. Name one that `mien train` made.")
    check_finished(run)
    _, noted = read_setup(run)
    if noted is None and data is None:
        raise CheckpointError(f"{run}: its run was begun on faces made by a program; say which faces with --data.")
    source = begun_on(run, noted, DataPath(data, votes, skip_bad_rows, groups=groups))
    if of_images(source.path):
        channels, size, _ = Card.read(run).input_shape
        source = replace(source, size=size, rgb=channels == 3)  # a program that began the run noted neither
    splits = read_source(source, only=("val",))
    say_changed(str(run), splits, "val", source.path)
    found = calibrate(run, splits["val"])
    print_calibration(found, splits.classes)
    say_of_calibration(found)
    print(f"{run}: temperature {found.temperature:.4g}, uncertain below {found.uncertain:.3f}.")
    print(f"Use it with: {as_typed(['mien', 'predict', 'photo.jpg', '--model', str(run)])}")
    return {"run": str(run), **found.as_json()}
