"""How mien's figures look: on a white card, so that they read the same on a light page and on a dark one.

Classes have the colours of `mien.labels`, curves those of `SERIES`: both after Okabe and Ito's palette (2008), and
colour-blind readers can tell them apart. Nothing is said by colour alone.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNED = "drawn by mien"
"""Stands in the metadata of pictures that mien made from others, so that a later run doesn't take them for photos."""

INK, QUIET, FAINT = "#1A1A1A", "#595959", "#D9D9D9"
"""Text, text of less weight (still 7:1 on white), and lines."""

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

FONTS = {
    "DejaVu Sans": "DejaVuSans",
    "Segoe UI": "segoeui",
    "Arial": "Arial",
    "Noto Sans": "NotoSans-Regular",
    "Noto Sans CJK SC": "NotoSansCJK-Regular",
    "Noto Sans CJK JP": "NotoSansCJK-Regular",
    "Noto Sans SC": "NotoSansSC-Regular",
    "WenQuanYi Zen Hei": "wqy-zenhei",
    "WenQuanYi Micro Hei": "wqy-microhei",
    "Microsoft YaHei": "msyh",
    "Yu Gothic": "YuGothR",
    "Malgun Gothic": "malgun",
    "PingFang SC": "PingFang",
    "Hiragino Sans": "ヒラギノ角ゴシック W3",
    "Apple SD Gothic Neo": "AppleSDGothicNeo",
    "Noto Sans Arabic": "NotoSansArabic-Regular",
    "Noto Sans Hebrew": "NotoSansHebrew-Regular",
    "Noto Sans Devanagari": "NotoSansDevanagari-Regular",
    "Noto Sans Bengali": "NotoSansBengali-Regular",
    "Noto Sans Tamil": "NotoSansTamil-Regular",
    "Noto Sans Thai": "NotoSansThai-Regular",
    "Nirmala UI": "Nirmala",
    "Leelawadee UI": "LeelawUI",
    "Arial Unicode MS": "Arial Unicode",
}
"""Fonts for drawing, and the name of each one's file without its ending: matplotlib's own, then those of the systems
for letters that it lacks."""


@contextmanager
def look() -> Iterator[None]:
    """Figures drawn in this block look as mien's do.

    A letter that no font has becomes a box. Nobody can mend that while a network trains, so nothing warns of it.
    """
    import matplotlib
    from matplotlib.font_manager import fontManager

    there, log = set(fontManager.get_font_names()), logging.getLogger("matplotlib.font_manager")
    fonts, level = {"font.family": [name for name in FONTS if name in there]}, log.level
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # not what somebody's matplotlibrc says, such as that pictures begin at the bottom
        matplotlib.rcParams.update(STYLE | fonts)
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        log.setLevel(logging.ERROR)  # it complains of each font without bold letters
        try:
            yield
        finally:
            log.setLevel(level)
