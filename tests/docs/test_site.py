"""The site as `make docs` builds it: no warning, and nothing that a page loads comes from elsewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        line, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


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


def test_doctests_are_shown_as_code(site: Path) -> None:
    text = (site / "reference" / "index.html").read_text("utf-8")
    assert "&gt;&gt;&gt; " in re.sub(r"<[^>]+>", "", text)
    assert "<blockquote>" not in text
