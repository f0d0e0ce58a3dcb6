"""The networks that come with mien: `src/mien/weights/NAME/`, each a small run folder with its card."""

import os
from pathlib import Path

from mien.errors import CheckpointError

BOX = Path(__file__).with_name("weights")
"""The folder they lie in."""

DEFAULT = "small:int8"
"""The network that is used where none is named: the fastest, nearly as accurate as `small` in float32."""

INT8 = "model.int8.onnx"
"""The quantised network's name in such a folder; `NAME:int8` asks for it."""


def shipped() -> tuple[str, ...]:
    """The names of the networks in the box."""
    return tuple(sorted(path.parent.name for path in BOX.glob("*/card.json")))


def find(target: str | os.PathLike[str]) -> Path:
    """The file or folder that `target` names: a network there under that path, else a shipped one.

    "small" is the folder of that network and "small:int8" its quantised ONNX file, unless the current folder has a
    network called `small`, a folder with a card. "./small" always names what is there. A path that names nothing comes
    back as it is, for the reader to complain about.

    Raises:
        CheckpointError: the network comes without a quantised file.
    """
    path = Path(target)
    name, colon, kind = str(target).partition(":")
    if name not in shipped() or (colon and kind != "int8") or (path / "card.json").is_file():
        return path
    if not colon:
        return BOX / name
    if not (BOX / name / INT8).exists():
        raise CheckpointError(f"{target}: {name} comes without an int8 file; {name} alone is its float32 one.")
    return BOX / name / INT8
