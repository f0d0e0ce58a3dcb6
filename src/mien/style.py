"""How mien's figures look: on a white card, so that they read the same on a light page and on a dark one.

Classes have the colours of `mien.labels`, curves those of `SERIES`: both from Okabe and Ito's palette (2008), which
colour-blind readers can tell apart. Nothing is said by colour alone.
"""

from typing import Any

SIGNED = "drawn by mien"
"""It stands in the head of pictures that mien drew of others, so that a later run doesn't take them for photos."""

INK, QUIET, FAINT = "#1A1A1A", "#595959", "#D9D9D9"
"""Text, what stands back (7:1 on white, still), and lines."""

SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKS = ("o", "s", "^", "D", "v", "P")
"""A colour and a mark for each curve of a picture."""

STYLE: Any = {  # settings of matplotlib's; typed there as a union of its 300 names
    "font.size": 10,
    "text.color": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelcolor": QUIET,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#EBEBEB",
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "legend.frameon": False,
    "text.parse_math": False,  # a class may be called $x^$
    "svg.hashsalt": "mien",  # the same figure gives the same bytes
}
