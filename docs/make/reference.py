"""docs/reference.md: the public names, by room; mkdocstrings adds their docstrings."""

import mien

ROOMS = {
    "data": ("Faces", "Reading faces; none of it needs torch."),
    "models": ("Networks", "Pixels 0..255 in, logits out."),
    "training": ("Training", "Recipes, the loop, and the device."),
    "experiment": ("Runs", "A run folder holds weights, an ONNX file, the card, history and figures."),
    "evaluation": ("Evaluation", "Of any callable that takes pixels, or of a network's file."),
    "pictures": ("Pictures", "`mien.pictures.batch(splits.train)` and others; a notebook shows what they return."),
    "recognition": ("Recognising", "From a photo, a video or a camera to readings; none of it needs torch."),
    "export": ("Networks as files", "ONNX, and running it without torch."),
    "client": ("HTTP client", "Asks `mien serve`, and gives the same records as a Recognizer."),
    "errors": (
        "Errors",
        "All are a `MienError`, something that a person can fix; a `BadRow` is what a `DataError` has in its `bad`.",
    ),
}
SAME = {"checkpoint": "experiment", "confidence": "experiment", "cards": "export", "net": "export"}
"""Rooms that are shown under another's heading."""

PICTURES = ("batch", "curves", "predictions", "confusion", "Picture")

HEAD = """\
# Python

<!-- made by docs/make/pages.py from the public names; don't edit -->

Everything here is imported from `mien`: `mien.fit`, `mien.Recognizer`. `import mien` loads none of it; each name is
fetched when it is first used. The rest of the package is private and may change, but for `mien.evaluation.metrics`:
accuracy, calibration error, McNemar's test and others, of labels and answers in numpy.
"""


def reference() -> str:
    """The whole page."""
    rooms: dict[str, list[str]] = {room: [] for room in ROOMS}
    for name, home in mien._HOMES.items():
        room = home.partition(".")[0]
        rooms.setdefault(SAME.get(room, room), []).append(f"mien.{home}.{name}")
    rooms["pictures"] = [f"mien.pictures.{name}" for name in PICTURES]
    parts = [HEAD]
    for room, names in rooms.items():
        title, said = ROOMS.get(room, (room.capitalize(), ""))
        parts += [f"## {title}\n", *([f"{said}\n"] if said else []), *(f"::: {name}\n" for name in _homes(names))]
    return "\n".join(parts)


def _homes(names: list[str]) -> list[str]:
    """The names with the module that defines them: `mien.models` only re-exports its modules' names."""
    from importlib import import_module

    found = []
    for name in names:
        module, _, last = name.rpartition(".")
        thing = getattr(import_module(module), last)
        found.append(f"{getattr(thing, '__module__', module)}.{last}")  # a number has none
    return found
