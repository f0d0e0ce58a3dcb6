"""The site as `make docs` builds it: no warning, and nothing that a page loads comes from elsewhere."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]

LOADING = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src", "embed": "src",
    "object": "data", "use": "href", "image": "href", "input": "src", "track": "src",
}  # fmt: skip
LINKS = {
    "stylesheet",
    "icon",
    "shortcut",
    "preload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "modulepreload",
    "manifest",
}


class Loaded(HTMLParser):
    """The addresses that a browser fetches by itself when it shows a page; links to follow aren't among them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "link" and LINKS & set(given.get("rel", "").split()):
            self.found.append(given.get("href", ""))
        if tag in LOADING:
            self.found.append(given.get(LOADING[tag], ""))
        self.found += [part.split()[0] for part in given.get("srcset", "").split(",") if part.strip()]
        self.found += re.findall(r"url\(([^)]*)\)", given.get("style", ""))


def foreign(addresses: list[str]) -> list[str]:
    """Those that name another machine."""
    return [one for one in addresses if re.match(r"""\s*['"]?(\w+:)?//""", one)]


UNRUN = """
import pathlib, sys, build
for lesson in build.HERE.glob("lesson_*.py"):
    build.build(lesson.stem, pathlib.Path(sys.argv[1]), run=False)
"""
"""Pages of all lessons without results, in seconds; tests/lessons runs the lessons."""

FOLDED = """
<details markdown="1"><summary>open</summary>

    output

![it](lesson_0_faces_pictures/a.png)

</details>
"""
"""A result, as lessons/build.py writes it."""


def made(folder: Path, lessons: Path) -> Path:
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]  # --quiet counts no warning
    settings = {"NO_MKDOCS_2_WARNING": "1", "LESSONS": str(lessons)}
    done = subprocess.run(line, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lessons = tmp_path_factory.mktemp("build") / "lessons"
    quiet = os.environ | {"PYTHONPATH": str(ROOT / "lessons")}
    subprocess.run([sys.executable, "-c", UNRUN, lessons], env=quiet, check=True)
    picture = lessons / "lesson_0_faces_pictures" / "a.png"
    picture.parent.mkdir()
    Image.new("L", (48, 48), 200).save(picture)
    with (lessons / "lesson_0_faces.md").open("a", encoding="utf-8") as page:
        page.write(FOLDED)
    return made(tmp_path_factory.mktemp("site"), lessons)


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        text = page.read_text("utf-8")
        addresses = Loaded(text).found
        assert any(address.endswith(".css") for address in addresses), page
        assert foreign(addresses) == [], page
        styles = " ".join(re.findall(r"<style.*?>(.*?)</style>", text, re.DOTALL))
        assert foreign(re.findall(r"url\(([^)]*)\)", styles)) == [], page


def test_no_stylesheet_loads_anything_from_elsewhere(site: Path) -> None:
    sheets = sorted(site.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        text = sheet.read_text("utf-8")
        assert foreign(re.findall(r"url\(([^)]*)\)", text)) == [], sheet
        assert foreign(re.findall(r"@import\s+['\"]([^'\"]*)", text)) == [], sheet


def test_foreign_addresses_are_recognised() -> None:
    page = """<link rel="stylesheet" href="https://fonts.example/a.css"><script src="//cdn.example/b.js"></script>
    <a href="https://example.org">read</a><img src="pictures/c.png" srcset="http://d.example/d.png 2x">
    <p style="background: url('https://e.example/e.png')">"""
    assert len(foreign(Loaded(page).found)) == 4


def test_every_page_of_the_docs_stands_in_the_navigation(site: Path) -> None:
    start = (site / "index.html").read_text("utf-8")
    menu = start.partition('<div class="md-content"')[0]
    for page in sorted((ROOT / "docs").rglob("*.md")):
        name = page.relative_to(ROOT / "docs").with_suffix("").as_posix()
        if name != "index":
            assert f'href="{name}/"' in menu, name


def test_every_lesson_is_a_page_with_its_notebook(site: Path) -> None:
    names = sorted(path.stem for path in (ROOT / "lessons").glob("lesson_*.py"))
    overview = (site / "lessons" / "index.html").read_text("utf-8")
    menu, _, table = overview.partition('<div class="md-content"')
    for name in names:
        assert f'href="{name}/"' in menu, name
        assert f'href="{name}/"' in table, name
        text = (site / "lessons" / name / "index.html").read_text("utf-8")
        assert "Your guess." in text
        assert f'href="../{name}.ipynb"' in text
        assert json.loads((site / "lessons" / f"{name}.ipynb").read_text("utf-8"))["cells"]


def test_a_lessons_result_is_folded_away_with_its_picture(site: Path) -> None:
    text = (site / "lessons" / "lesson_0_faces" / "index.html").read_text("utf-8")
    folded = text.rpartition("<details>")[2].partition("</details>")[0]
    assert "<summary>open</summary>" in folded
    assert "<code>output" in folded
    (picture,) = re.findall(r'<img[^>]* src="([^"]+)"', folded)
    assert (site / "lessons" / "lesson_0_faces" / picture).read_bytes().startswith(b"\x89PNG")


def test_without_the_lessons_the_site_has_none_and_no_broken_link(site: Path, tmp_path: Path) -> None:
    bare = made(tmp_path / "site", tmp_path / "lessons")
    assert "lesson_0_faces/" not in (bare / "lessons" / "index.html").read_text("utf-8")
    assert [path.name for path in (bare / "lessons").iterdir()] == ["index.html"]


def test_doctests_are_shown_as_code(site: Path) -> None:
    text = (site / "reference" / "index.html").read_text("utf-8")
    assert "&gt;&gt;&gt; " in re.sub(r"<[^>]+>", "", text)
    assert "<blockquote>" not in text
