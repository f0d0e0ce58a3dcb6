import io
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from skimage.color import rgb2xyz

from mien import style
from mien.data.faces import FaceSet
from mien.evaluation import figures
from mien.evaluation.figures import Kind
from mien.evaluation.gallery import Shown
from mien.evaluation.ladder import Ladder
from mien.evaluation.robustness import Level, Robustness
from mien.style import QUIET

Draw = Callable[[FaceSet, Ladder, Kind], bytes]

DRAWN: dict[str, Draw] = {
    "ladder": lambda faces, ladder, kind: figures.ladder_picture(
        [rung.model for rung in ladder.rungs],
        [report.accuracy for report in ladder.reports],
        [report.interval for report in ladder.reports],
        baseline=ladder.baseline,
        kind=kind,
    ),
    "curves": lambda faces, ladder, kind: figures.curves(ladder.rungs[0].history, kind=kind),
    "confusion": lambda faces, ladder, kind: figures.confusion_matrix(
        ladder.reports[0].confusion, faces.classes, kind=kind
    ),
    "gallery": lambda faces, ladder, kind: figures.gallery(ladder.rungs[0].gallery, kind=kind),
    "batch": lambda faces, ladder, kind: figures.batch_picture(faces, 20, kind=kind),
    "samples": lambda faces, ladder, kind: figures.class_samples(faces, 4, kind=kind),
    "means": lambda faces, ladder, kind: figures.class_means(faces, kind=kind),
    "counts": lambda faces, ladder, kind: figures.class_counts(ladder.counts, kind=kind),
}


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_is_a_picture_on_white(name: str, some_faces: FaceSet, some_ladder: Ladder) -> None:
    png = DRAWN[name](some_faces, some_ladder, "png")
    seen = pixels(png)
    assert min(seen.shape[:2]) >= 150
    assert (seen[0] == 255).all()  # the card's edge
    assert (seen < 128).any()  # and something on it
    assert DRAWN[name](some_faces, some_ladder, "png") == png  # the same bytes every time


@pytest.mark.parametrize("name", ["ladder", "curves", "confusion", "counts"])
def test_as_svg(name: str, some_faces: FaceSet, some_ladder: Ladder) -> None:
    svg = DRAWN[name](some_faces, some_ladder, "svg")
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert DRAWN[name](some_faces, some_ladder, "svg") == svg


@pytest.mark.parametrize("name", ["means", "counts"])
def test_what_somebody_has_set_for_their_own_figures_changes_none_of_these(
    name: str, some_faces: FaceSet, some_ladder: Ladder
) -> None:
    plain = DRAWN[name](some_faces, some_ladder, "png")
    with matplotlib.rc_context({"image.origin": "lower", "axes.facecolor": "black", "font.size": 30}):
        assert DRAWN[name](some_faces, some_ladder, "png") == plain
        assert matplotlib.rcParams["font.size"] == 30  # theirs stay


def test_pyplot_with_its_windows_is_never_imported() -> None:
    program = (
        "import sys; from mien.evaluation import figures; figures.curves([])\nprint('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_batch_shows_its_faces(some_faces: FaceSet) -> None:
    """A black face among white ones takes its share of the ink."""
    white = FaceSet(np.full((4, 12, 12), 255, np.uint8), [0, 1, 2, 0], classes=some_faces.classes, source="x")
    one = FaceSet(np.array([[[0] * 12] * 12] + [[[255] * 12] * 12] * 3, np.uint8), white.targets, classes=white.classes)
    dark = [(pixels(figures.batch_picture(faces, 4)) < 50).mean() for faces in (white, one)]
    assert dark[1] - dark[0] > 0.1


def test_the_confusion_matrix_is_shared_out_by_row() -> None:
    """Twice as many faces in the same shares change only the count at the side; other shares change the cells."""

    def drawn(*row: int) -> np.ndarray:
        return pixels(figures.confusion_matrix([row, (1, 3)], ["aa", "bb"], kind="png"))

    share = [(other != drawn(3, 1)).any(2).mean() for other in (drawn(6, 2), drawn(1, 3))]
    assert 0 < share[0] < 0.01 < 0.1 < share[1]


def test_the_confusion_matrix_has_predictions_from_left_to_right(drawn: list[Figure]) -> None:
    figures.confusion_matrix([[3, 1], [0, 2]], ["aa", "bb"])
    [axes] = drawn[0].axes
    said = {text.get_position(): text.get_text() for text in axes.texts}
    assert said == {(0, 0): "0.75", (1, 0): "0.25", (0, 1): "0.00", (1, 1): "1.00"}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true (faces)")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["aa", "bb"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["aa (4)", "bb (2)"]
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0.75, 0.25], [0, 1]])


def test_a_confusion_matrix_has_legible_shares(drawn: list[Figure]) -> None:
    """On every blue either ink or white, whichever has more contrast (WCAG): 4:1 at least."""
    for wrong in range(0, 101, 4):
        figures.confusion_matrix([[100 - wrong, wrong], [0, 1]], ["aa", "bb"])
        [axes] = drawn.pop().axes
        share = next(text for text in axes.texts if text.get_position() == (0, 0))
        blue = matplotlib.colormaps["Blues"](1 - wrong / 100)[:3]
        light, dark = sorted((rgb2xyz(to_rgb(one))[1] + 0.05 for one in (blue, share.get_color())), reverse=True)
        assert light / dark > 4, share.get_text()


def test_the_curves_bear_their_own_names_and_the_best_epoch_is_by_validation(drawn: list[Figure]) -> None:
    values = {"train_loss": (3, 2, 1, 1), "val_loss": (4, 3, 5, 4), "train_accuracy": (0.5, 0.6, 0.9, 0.9)}
    values |= {"val_accuracy": (0.4, 0.7, 0.3, 0.7)}
    history = [{"epoch": 1 + row} | {name: told[row] for name, told in values.items()} for row in range(4)]
    figures.curves(history)
    for axes, what in zip(drawn[0].axes, ("loss", "accuracy"), strict=True):
        train, val, best = axes.lines
        assert (train.get_label(), *train.get_ydata()) == ("training", *values[f"train_{what}"])
        assert (val.get_label(), *val.get_ydata()) == ("validation", *values[f"val_{what}"])
        assert (*best.get_xdata(), *best.get_ydata()) == (2, values[f"val_{what}"][1])
        assert axes.get_title(loc="left") == what
    legend = drawn[0].axes[0].get_legend()
    shades = {text.get_text(): line.get_color() for text, line in zip(legend.texts, legend.get_lines(), strict=True)}
    assert shades == {line.get_label(): line.get_color() for line in drawn[0].axes[0].lines[:2]}


def test_a_step_up_the_ladder_is_a_plus(drawn: list[Figure]) -> None:
    figures.ladder_picture(["a", "b", "c"], [0.5, 0.6, 0.55], [(0.4, 0.6), (0.5, 0.7), (0.5, 0.6)])
    assert [text.get_text() for text in drawn[0].axes[0].texts][3:] == ["+10.0", "\N{MINUS SIGN}5.0"]


def test_reliability_is_accuracy_over_confidence(drawn: list[Figure]) -> None:
    """Two faces of 60 %, one of them right, and two of 90 %, both right."""
    given = np.array([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.1, 0.9]])
    figures.confidence_picture(np.array([0, 1, 0, 1]), given)
    honest, kept = drawn[0].axes
    assert (honest.get_xlabel(), honest.get_ylabel()) == ("confidence", "accuracy")
    assert np.transpose(honest.lines[1].get_data()) == pytest.approx(np.array([[0.6, 0.5], [0.9, 1]]))
    assert np.transpose(kept.lines[0].get_data())[[0, -1]] == pytest.approx(np.array([[25, 1], [100, 0.75]]))


def test_below_a_class_stand_its_own_faces(drawn: list[Figure]) -> None:
    labels = np.array([2, 0, 1, 0, 2, 1])
    faces = FaceSet(np.full((6, 4, 4), 40 * labels[:, None, None], np.uint8), labels, classes=tuple("abc"))
    figures.class_samples(faces, 2)
    samples = drawn[0].axes
    assert [axes.get_ylabel() for axes in samples] == ["a", "", "b", "", "c", ""]
    assert [np.unique(axes.images[0].get_array()).tolist() for axes in samples] == [[0], [0], [40], [40], [80], [80]]
    figures.class_means(faces)  # with all of the contrast
    found = [(axes.get_title(), *np.unique(axes.images[0].get_array()), axes.get_xlabel()) for axes in drawn[1].axes]
    assert found == [("a", 0, "2"), ("b", 128, "2"), ("c", 255, "2")]


def test_a_batch_is_drawn_from_all_of_a_set_and_says_what_its_faces_are(drawn: list[Figure]) -> None:
    """A file's first faces may all be of one class, as those of a folder are."""
    labels = np.repeat(np.arange(3), 100)
    faces = FaceSet(np.full((300, 4, 4), 40 * labels[:, None, None], np.uint8), labels, classes=tuple("abc"))
    faces.targets[299] = -1
    figures.batch_picture(faces, 16)
    (axes,) = drawn[0].axes
    wall = np.asarray(axes.images[0].get_array())
    assert {text.get_text() for text in axes.texts} == set("abc")
    for text in axes.texts:  # at the foot of its face
        across, foot = text.get_position()
        assert wall[int(foot) - 1, int(across)] == 40 * "abc".index(text.get_text())
    figures.batch_picture(faces[299:], 16)
    assert [text.get_text() for text in drawn[1].axes[0].texts] == [""]


def test_a_tick_is_for_a_right_face(drawn: list[Figure]) -> None:
    right, wrong = (Shown(np.zeros((4, 4), np.uint8), true, "sad", 0.9) for true in ("sad", "happy"))
    figures.gallery([right, wrong])
    said = [(axes.get_title(), axes.get_xlabel()) for axes in drawn[0].axes]
    assert said == [("\N{CHECK MARK} sad 0.90", ""), ("\N{MULTIPLICATION X} sad 0.90", "true: happy")]


def test_what_is_empty_can_be_drawn_too(some_faces: FaceSet) -> None:
    lonely = FaceSet(some_faces.images[:1], [1], classes=some_faces.classes)
    nobody = FaceSet(some_faces.images[:0], [], classes=some_faces.classes)
    for faces in (lonely, nobody):
        for draw in (figures.class_means, figures.class_samples, figures.batch_picture):
            assert draw(faces)  # type: ignore[operator]
        assert figures.class_counts({"val": faces.counts})
    assert figures.curves([])
    assert figures.confusion_matrix(np.zeros((3, 3), int), some_faces.classes)
    assert figures.ladder_picture(["one"], [0.5], [(0.4, 0.6)])


def test_a_run_whose_name_is_no_text_is_drawn() -> None:
    assert b"b?r" in figures.ladder_picture(["b\udce4r"], [0.5], [(0.4, 0.6)])


def test_colour_faces(some_faces: FaceSet) -> None:
    red = np.zeros((4, 12, 12, 3), np.uint8)
    red[..., 0] = 255
    faces = FaceSet(red, [0, 1, 2, 0], classes=some_faces.classes)
    for png in (figures.batch_picture(faces), figures.class_samples(faces, 2)):
        seen = pixels(png).astype(int)
        assert ((seen[..., 0] > 200) & (seen[..., 1] < 50)).mean() > 0.05
    assert figures.class_means(faces)


@pytest.mark.parametrize("name", DRAWN)
def test_class_names_are_no_formulas(name: str, some_ladder: Ladder) -> None:
    """matplotlib takes what stands between dollars for mathematics, and ends where it isn't."""
    faces = FaceSet(np.zeros((3, 12, 12), np.uint8), [0, 1, 2], classes=("$x^$", "a_b$", "$c$"), source="$x^$")
    shown = [replace(face, predicted="$x^$", true="$\\y$") for face in some_ladder.rungs[0].gallery]
    rungs = [replace(rung, model=f"$x^{rung.model}$", gallery=tuple(shown)) for rung in some_ladder.rungs]
    counts = {"$x^$": faces.counts}
    assert DRAWN[name](faces, replace(some_ladder, rungs=tuple(rungs), counts=counts), "png")


LONG = ("a very long class name that goes on", "悲しい", "_hidden")


@pytest.mark.parametrize("name", DRAWN)
def test_long_and_foreign_names_fit_and_nobody_is_warned(name: str, some_faces: FaceSet, some_ladder: Ladder) -> None:
    """Warnings are errors here; and no ink reaches the edge."""
    faces = FaceSet(some_faces.images, some_faces.targets, classes=LONG)
    shown = [replace(face, predicted=LONG[0], true=LONG[0]) for face in some_ladder.rungs[0].gallery]
    rungs = tuple(replace(rung, model=f"{LONG[0]} {rung.model}", gallery=tuple(shown)) for rung in some_ladder.rungs)
    counts = dict.fromkeys(("train", "val", "test"), faces.counts)
    seen = pixels(DRAWN[name](faces, replace(some_ladder, rungs=rungs, counts=counts), "png"))
    for edge in (seen[0], seen[-1], seen[:, 0], seen[:, -1]):
        assert (edge == 255).all()


def test_class_names_dont_run_into_each_other() -> None:
    """Between the names of two bars, and between two faces' captions, the card shows."""
    faces = FaceSet(
        np.full((4, 12, 12), 255, np.uint8), [0, 1, 0, 1], classes=(LONG[0], "an extraordinarily long name")
    )
    ink = (pixels(figures.class_means(faces)) < 128).any(2).any(0)
    middle = len(ink) // 2
    assert not ink[middle - 4 : middle + 4].any()


def test_eight_networks_have_eight_curves_and_a_place_in_the_legend() -> None:
    levels = (Level("blur", "sigma", 1.0, 0.5, (0.4, 0.6)), Level("blur", "sigma", 2.0, 0.4, (0.3, 0.5)))

    def drawn(*names: str) -> bytes:
        return figures.robustness_picture({name: Robustness(0.6, 0.5, levels, 9, 0) for name in names}, kind="png")

    def ink(*names: str) -> int:
        return int((pixels(drawn(*names))[:90] < 100).sum())  # the legend, above the curves

    assert ink("_a", "b") > 0.95 * ink("a", "b") > 0
    levels = tuple(replace(level, accuracy=0.5) for level in levels)
    svg = figures.robustness_picture({f"n{place}": Robustness(0.6, 0.5, levels, 9, 0) for place in range(8)})
    curves, _ = svg.decode().split('id="legend_1"')
    used = re.findall(r'<use xlink:href="#(m\w+)" x="[^"]+" y="[^"]+" style="fill: (#\w+); stroke', curves)
    assert len({(mark, shade) for mark, shade in used if shade != QUIET.lower()}) == 8


def test_one_epoch_of_training_is_seen() -> None:
    row = {"epoch": 1, "train_loss": 1.0, "val_loss": 1.2, "train_accuracy": 0.5, "val_accuracy": 0.4}
    seen = pixels(figures.curves([row], kind="png")).astype(int)
    right = seen[:, seen.shape[1] // 2 :]
    assert ((right[..., 2] - right[..., 0]) > 100).any()  # blue, where there is no legend


def test_the_baseline_strikes_through_no_number() -> None:
    rungs = ["a", "b", "c", "d"], [0.24, 0.5, 0.6, 0.7], [(0.22, 0.24), (0.4, 0.5), (0.5, 0.6), (0.6, 0.7)]
    seen = pixels(figures.ladder_picture(*rungs, baseline=0.25, kind="png")).astype(int)
    first = np.flatnonzero((seen == (0, 0x72, 0xB2)).all(2).any(0))[:100]  # the columns of the first rung
    middle = int(first.mean())
    quiet = np.abs(seen[:, middle - 20 : middle + 20] - 0x59).max(2) < 12  # the dashed line's own gray
    assert quiet.sum(1).max() < 16


def test_letters_that_one_font_hasnt_are_drawn_with_another(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    letter = "\ue000"  # only one of the fonts that come with matplotlib has it
    rungs = [letter, letter], [0.5, 0.6], [(0.4, 0.6), (0.5, 0.7)]
    box = figures.ladder_picture(*rungs)
    monkeypatch.setattr(style, "FONTS", ("DejaVu Sans", "No such font", "STIXNonUnicode"))
    drawn = figures.ladder_picture(*rungs)
    assert b"STIXNonUnicode" in drawn
    assert b"STIXNonUnicode" not in box
    assert not caplog.records
    assert not recwarn.list
