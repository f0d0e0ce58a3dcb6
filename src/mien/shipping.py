"""From a finished run to a network in the box: half-size weights, ONNX files, a card with licence and limits."""

import os
import tempfile
from pathlib import Path

from torch import nn

from mien.cards import CARD, Card, checksum
from mien.checkpoint import load_run, load_weights, save_weights
from mien.confidence import calibrated
from mien.data.splits import Splits
from mien.errors import CheckpointError
from mien.evaluation.calibration import Calibration
from mien.evaluation.scores import evaluate, score
from mien.export import export_onnx
from mien.files import atomic_write
from mien.net import MODEL, WEIGHTS, Net
from mien.quantise import export_int8
from mien.shipped import INT8

LICENCE = "MIT"
LIMITS = (
    "Reads expressions, not emotions, from one cropped gray face of 48 pixels. Its labels are noisy and its training "
    "faces come from web searches, so expect uneven errors between groups of people. Not for judging, ranking, "
    "hiring, policing or diagnosing anyone, nor for people who haven't agreed to it."
)
COMPARED = 512
"""The ONNX file is compared with PyTorch on this many validation faces at most, beside what every export is."""


def ship(run: str | os.PathLike[str], name: str, splits: Splits, *, box: str | os.PathLike[str]) -> Path:
    """Put the network of a finished run into a box: weights in fp16, ONNX in float32 and int8, and the card.

    The ONNX files are made from the weights as fp16 rounds them, so all files answer alike; the float32 one reads them
    from the weights' file, so they are stored once. The temperature and the threshold of uncertainty come from
    validation (`mien.evaluation.calibration`), and the scores are measured again on the files that are shipped. All are
    made elsewhere and then replace what is in the box; the card comes last, so a folder with one is complete.

    Args:
        splits: what the run was trained on. int8's ranges are measured on its training faces, the scores on its `val`.
        box: the folder that gets the folder `name`.

    Raises:
        CheckpointError: there is no finished run, it was judged by other validation faces than `splits` has, a weight
            is too large for fp16, or an ONNX file answers otherwise than the network.
    """
    folder = Path(box, name)
    model, card = load_run(run)
    if card.data.checksums.get("val") != splits["val"].checksum:
        raise CheckpointError(
            f"{run}: its validation faces, of {card.data.source or 'memory'}, aren't those that it would be judged by, "
            f"of {splits.source or 'memory'}. Ship it with the data that it was trained with."
        )
    if not all(
        bool(value.half().isfinite().all()) for value in model.state_dict().values() if value.is_floating_point()
    ):
        raise CheckpointError(f"{run}: a weight is too large for fp16.")
    with tempfile.TemporaryDirectory(prefix="mien-") as made:
        try:
            done = _make(model, card, splits, Path(made))
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(made, str(folder))) from None  # known by that name alone
        (folder / CARD).unlink(missing_ok=True)
        for file in done.checksums:
            atomic_write(folder / file, Path(made, file).read_bytes())
    done.write(folder / CARD)
    return folder


def _make(model: nn.Module, card: Card, splits: Splits, folder: Path) -> Card:
    """Write the files beside the card into `folder`, and give the card."""
    save_weights(model.state_dict(), folder / WEIGHTS, half=True)
    load_weights(model, folder / WEIGHTS)
    raw = score(model, splits["val"])
    found = Calibration.of(raw.labels, raw.probabilities)
    plain = calibrated(card, found).model_copy(
        update={"licence": LICENCE, "limits": LIMITS, "scores": {}, "checksums": {}}
    )
    export_onnx(model, folder / MODEL, plain, splits["val"][:COMPARED].pixels, beside=True)
    export_int8(folder / MODEL, folder / INT8, splits["train"])
    scores = {
        kind: {"val": evaluate(Net(folder / file), splits["val"], split="val").as_json()}
        for kind, file in (("after", MODEL), ("int8", INT8))
    }
    sums = {file: checksum(folder / file) for file in (WEIGHTS, MODEL, INT8)}
    return plain.model_copy(update={"scores": scores, "checksums": sums})
