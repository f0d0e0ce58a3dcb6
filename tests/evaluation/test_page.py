import base64
import dataclasses
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from mien.evaluation.ladder import Ladder
from mien.evaluation.page import ladder_page
from mien.evaluation.report import Report
from mien.evaluation.scores import Scores

VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Reads a page, checks that its tags nest, and keeps its tags and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def html(some_ladder: Ladder) -> str:
    return ladder_page(some_ladder, "A & B")


def test_it_needs_nothing_from_elsewhere(html: str) -> None:
    page = Page(html)
    assert not page.all("script")
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert not re.search(r"url\(|@import|https?://", html)


def test_every_picture_can_be_read_and_is_described(html: str) -> None:
    images = Page(html).all("img")
    assert len(images) == 1 + 3 * 2 + 3 * 15
    for image in images:
        assert len(image["alt"] or "") > 15
        mime, content = (image["src"] or "").removeprefix("data:").split(";base64,")
        if mime == "image/svg+xml":
            assert ElementTree.fromstring(base64.b64decode(content)).tag.endswith("svg")
        else:
            assert Image.open(io.BytesIO(base64.b64decode(content))).size == (10, 12)


def test_a_confusion_matrix_is_told_in_words(html: str, some_ladder: Ladder) -> None:
    told = [
        image["alt"] or "" for image in Page(html).all("img") if (image["alt"] or "").startswith("Confusion matrix")
    ]
    for alt, report in zip(told, some_ladder.reports, strict=True):
        wrong = np.array(report.confusion) * (1 - np.eye(3, dtype=int))
        for score, row in zip(report.per_class, wrong, strict=True):
            most, share = report.classes[row.argmax()], row.max() / score.n
            assert f"{score.name} {score.recall:.2f}, most often taken for {most} {share:.2f}" in alt
    right = Report.of(Scores(np.eye(3), np.arange(3), some_ladder.classes, np.arange(3), "test"))
    bare = dataclasses.replace(some_ladder.rungs[0], after={"val": right, "test": right})
    assert "angry 1.00; happy 1.00;" in ladder_page(dataclasses.replace(some_ladder, rungs=(bare,)))


def test_the_faces_are_the_faces(html: str, some_ladder: Ladder) -> None:
    first = some_ladder.rungs[0].gallery[0]
    source = next(image["src"] or "" for image in Page(html).all("img") if "image/png" in (image["src"] or ""))
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))
    np.testing.assert_array_equal(shown, first.image)


def test_it_says_what_was_measured(html: str, some_ladder: Ladder) -> None:
    text = " ".join(Page(html).text.split())
    for report in some_ladder.reports:
        assert f"{report.accuracy:.3f}" in text
    for step in some_ladder.steps:
        assert str(step) in text
    assert "drawn faces (train 120, val 120, test 120)" in text
    assert "torch 2.13" in text
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


def test_figures_of_the_faces_that_the_epoch_was_chosen_on_are_said_to_flatter(html: str, some_ladder: Ladder) -> None:
    rungs = tuple(dataclasses.replace(rung, after={"val": rung.after["val"]}) for rung in some_ladder.rungs)
    flatters = "never on test, so figures of val are a little too high."
    assert flatters not in html
    assert flatters in ladder_page(dataclasses.replace(some_ladder, rungs=rungs))


def test_names_cannot_break_the_page(html: str) -> None:
    assert "<b>odd" not in html
    assert "<b>odd & 'quoted'</b>" in Page(html).text
    assert "<title>A &amp; B</title>" in html


def test_names_from_right_to_left_turn_nothing_beside_them(html: str) -> None:
    """Each is in an element of its own, with its numbers outside."""
    name = "&lt;b&gt;odd &amp; &#39;quoted&#39;&lt;/b&gt;"
    places = "".join(re.findall(r"<(?:th|figcaption)\b.*?</(?:th|figcaption)>", html, re.DOTALL))
    assert places.count(name) == places.count(f"<bdi>{name}</bdi>") > 5


def test_a_rung_without_gallery(some_ladder: Ladder) -> None:
    bare = dataclasses.replace(some_ladder.rungs[0], gallery=())
    page = Page(ladder_page(dataclasses.replace(some_ladder, rungs=(bare,))))
    assert len(page.all("img")) == 3
    assert "What each step bought" not in page.text


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_without_the_extra_it_says_how_to_get_it(package: str) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import numpy as np\n"
        "from mien.errors import MissingExtra\n"
        "from mien.evaluation.ladder import Ladder\n"
        "from mien.evaluation.page import ladder_page\n"
        "try: ladder_page(Ladder((), '', ('a', 'b')))\n"
        "except MissingExtra as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert package in done.stdout
    assert 'pip install "mien[figures]"' in done.stdout
