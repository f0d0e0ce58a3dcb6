"""Calibration of a finished run: its card and ONNX file get the temperature and threshold that its answers call for."""

import os
from dataclasses import replace
from pathlib import Path

from mien.cards import CARD, Card, checksum
from mien.checkpoint import load_run
from mien.data.faces import FaceSet
from mien.errors import CheckpointError, DataError, check_kind
from mien.evaluation.calibration import Calibration
from mien.evaluation.scores import score
from mien.export import export_onnx
from mien.files import atomic_write
from mien.net import MODEL
from mien.runs import RECIPE, held


def calibrate(run: str | os.PathLike[str], faces: FaceSet) -> Calibration:
    """Calibrate the confidence of a finished run on faces that it didn't learn from, such as its `val`.

    The run's card and `model.onnx` are written anew, with the temperature that the logits are divided by and the
    threshold below which an answer is uncertain. No answer changes, only how sure the network says it is. The weights
    stay as they are, and so do the card's scores, which are of the network as it was trained. Doing it again replaces
    the earlier temperature and threshold; where it is killed between the two files, it has to be done again.

    Args:
        run: a run folder of `mien.train`. The networks in the box are calibrated.
        faces: labelled faces of the run's classes and shape. FER2013's validation has 3,589; fewer than 300 say little.

    Raises:
        CheckpointError: no finished run there, another command trains in it now, or its ONNX file can't be made.
        DataError: the faces are those that it learned from, or have other classes or another shape.

    Source: Guo et al., 2017.
    """
    check_kind(faces, FaceSet, DataError, "calibrate takes a FaceSet, such as splits.val.")
    folder = Path(run)
    if not (folder / RECIPE).is_file():
        raise CheckpointError(
            f"{run}: no run folder; only the networks of runs, which have their weights, are calibrated."
        )
    with held(folder):
        model, card = load_run(folder)
        if set(faces.classes) != set(card.classes):
            raise DataError(
                f"{run} tells apart {', '.join(card.classes)}; the faces have {', '.join(faces.classes)}. Take faces "
                "of all its classes."
            )
        if (shape := faces.pixels.shape[1:]) != card.input_shape:
            raise DataError(
                f"{run} takes faces of {'×'.join(map(str, card.input_shape))}; these are {'×'.join(map(str, shape))}."
            )
        if card.data.checksums.get("train") == faces.checksum:
            raise DataError(
                f"{run} learned from these very faces, of which it is surer than of others: take its val, or others."
            )
        raw = score(model, faces)
        found = Calibration.of(raw.labels, raw.probabilities)
        order = [faces.classes.index(name) for name in card.classes]
        by_answer = tuple(found.reliable_by_answer[place] for place in order)
        card = calibrated(card, replace(found, reliable_by_answer=by_answer))
        if MODEL in card.checksums:
            was = (folder / MODEL).read_bytes()
            export_onnx(model, folder / MODEL, card.model_copy(update={"checksums": {}}))
            card = card.model_copy(update={"checksums": card.checksums | {MODEL: checksum(folder / MODEL)}})
        try:
            card.write(folder / CARD)
        except BaseException:
            if MODEL in card.checksums:
                atomic_write(folder / MODEL, was)  # that of the card that stays
            raise
    return found


def calibrated(card: Card, found: Calibration) -> Card:
    """The card with that temperature and threshold, and how they were found."""
    return card.model_copy(
        update={"temperature": found.temperature, "uncertain": found.uncertain, "calibration": found.as_json()}
    )
