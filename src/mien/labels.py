"""The expression names, their order and their colours: the only place that defines them."""

from collections.abc import Sequence

SPLITS = ("train", "val", "test")
"""The splits of every data set, in their order."""

FER2013 = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER2013's seven labels; a name's place is its number in the data set's `emotion` column."""

FERPLUS = (*FER2013, "contempt")
"""FER+'s eight labels. The first seven keep FER2013's numbers, so a network's outputs can be compared."""

_ALSO = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
"""Other data sets' names for the expressions -> ours."""

COLOURS = {
    # Okabe and Ito's palette (2008), which colour-blind readers can tell apart; for its yellow and black, which can't
    # be read on white and on black, a gray and a brick red.
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#8A8A8A",
    "contempt": "#A04C48",
}
"""A colour for each expression, the same in every picture; readable on white and on black."""


def expression(name: str) -> str:
    """Our name for an expression; a name we don't know comes back in lower case.

    >>> expression("Happiness"), expression("fear"), expression("Bored")
    ('happy', 'fear', 'bored')
    """
    name = name.strip().lower()
    return _ALSO.get(name, name)


def as_names(classes: object) -> tuple[str, ...] | None:
    """A network's `classes` where they are names, else None: somebody's own network may mean something else by them.

    >>> as_names(["sad", "happy"]), as_names(7)
    (('sad', 'happy'), None)
    """
    named = isinstance(classes, (tuple, list)) and all(isinstance(name, str) for name in classes)
    return tuple(classes) if named else None  # type: ignore[arg-type]


def colours(classes: Sequence[str]) -> tuple[str, ...]:
    """A colour for each class of a set: an expression's own, and for other names those that are left, in order.

    With more classes than colours some share one.

    >>> colours(("bored", "angry")) == (COLOURS["disgust"], COLOURS["angry"])
    True
    """
    palette = list(COLOURS.values())
    left = [shade for name, shade in COLOURS.items() if name not in classes] or palette
    others = [name for name in classes if name not in COLOURS]
    return tuple(COLOURS.get(name) or left[others.index(name) % len(left)] for name in classes)
