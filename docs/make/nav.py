"""Hooks of mkdocs: the lessons as pages, and the navigation of mkdocs.yml with every page of a folder.

So a page is added by putting its file into the folder, and an entry without a file is no error. The lessons' pages,
with their pictures and notebooks, are taken from where `make lessons` puts them; if any is missing, the site has none
of them. The changelog is taken from the root of the checkout.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

PYTHON = re.compile(r"\[([^]]+)\]\(\.\./lessons/(\w+)\.py\)")
"""A link to a lesson's Python file, as pages have it for readers of the checkout."""

CHANGES = "CHANGELOG.md"
"""A page that isn't in docs/, but beside mkdocs.yml."""


def on_config(config: Any) -> Any:
    """Replace the navigation by one of pages that exist. mkdocs calls this before it reads them."""
    docs = Path(config["docs_dir"])
    there = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")} | {
        f"lessons/{p}.md" for p in _run(config)
    }
    there.add(CHANGES)
    config["nav"] = _existing(config["nav"], there, set(_pages(config["nav"])))
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the changelog, and the lessons that were run, as if they were in docs/ and docs/lessons."""
    root = Path(config["config_file_path"]).parent
    files.append(File(CHANGES, str(root), config["site_dir"], config["use_directory_urls"]))
    folder = _folder(config)
    for name in _run(config):
        for path in (folder / f"{name}.md", folder / f"{name}.ipynb", *folder.glob(f"{name}_pictures/*.png")):
            inside = path.relative_to(folder.parent).as_posix()
            files.append(File(inside, str(folder.parent), config["site_dir"], config["use_directory_urls"]))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Let links to lessons' Python files lead to their pages; a file that has none is named, not linked."""
    names = _run(config)
    return PYTHON.sub(lambda link: f"[{link[1]}](lessons/{link[2]}.md)" if link[2] in names else link[1], markdown)


def _folder(config: Any) -> Path:
    return Path(config["config_file_path"]).parent / config["extra"]["lessons"]


def _run(config: Any) -> list[str]:
    """The names of all lessons, if each has its page; they lead to each other, so some alone would be broken links."""
    names = sorted(path.stem for path in (Path(config["config_file_path"]).parent / "lessons").glob("lesson_*.py"))
    return names if all((_folder(config) / f"{name}.md").exists() for name in names) else []


def _existing(entries: list[Any], there: set[str], named: set[str]) -> list[Any]:
    """The entries whose page exists; for a folder (`name/`) its pages that no other entry names, by name."""
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            ((title, target),) = entry.items()
            kept = _existing(target if isinstance(target, list) else [target], there, named)
            if kept:
                found.append({title: kept if isinstance(target, list) else kept[0]})
        elif entry.endswith("/"):
            found += sorted(page for page in there - named if page.rpartition("/")[0] == entry.rstrip("/"))
        elif entry in there:
            found.append(entry)
    return found


def _pages(entries: list[Any]) -> list[str]:
    """Every path that the navigation names."""
    pages: list[str] = []
    for entry in entries:
        target = next(iter(entry.values())) if isinstance(entry, dict) else entry
        pages += _pages(target) if isinstance(target, list) else [target]
    return pages
