"""The expression names, their order and their colours: the only place that defines them."""

SPLITS = ("train", "val", "test")
"""The splits of every data set, in their order."""

FER2013 = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER2013's seven labels; a name's place is its number in the data set's `emotion` column."""

FERPLUS = (*FER2013, "contempt")
"""FER+'s eight labels. The first seven keep FER2013's numbers, so a network's outputs can be compared."""

COLOURS = {
    # Okabe and Ito's palette (2008): eight colours that colour-blind readers can tell apart.
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#8A8A8A",
    "contempt": "#B8A800",
}
"""A colour for each expression, the same in every picture; readable on white and on black."""


def colour(name: str, place: int = 0) -> str:
    """The colour of a class: its own, or for a class of one's own data the one at its place in the palette."""
    return COLOURS.get(name) or list(COLOURS.values())[place % len(COLOURS)]
