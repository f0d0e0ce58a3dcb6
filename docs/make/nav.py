"""A hook of mkdocs: the navigation of mkdocs.yml, without pages that aren't there and with every page of a folder.

So a page can be added by putting its file there, and one that isn't written yet is no error.
"""

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """Replace the navigation by one of pages that exist. mkdocs calls this before it reads them."""
    docs = Path(config["docs_dir"])
    config["nav"] = _existing(config["nav"], docs, set(_pages(config["nav"])))
    return config


def _existing(entries: list[Any], docs: Path, named: set[str]) -> list[Any]:
    """The entries whose page exists; for a folder (`name/`) its pages that no other entry names, by name."""
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            ((title, target),) = entry.items()
            kept = _existing(target if isinstance(target, list) else [target], docs, named)
            if kept:
                found.append({title: kept if isinstance(target, list) else kept[0]})
        elif entry.endswith("/"):
            pages = sorted(path.relative_to(docs).as_posix() for path in (docs / entry).glob("*.md"))
            found += [page for page in pages if page not in named]
        elif (docs / entry).exists():
            found.append(entry)
    return found


def _pages(entries: list[Any]) -> list[str]:
    """Every path that the navigation names."""
    pages: list[str] = []
    for entry in entries:
        target = next(iter(entry.values())) if isinstance(entry, dict) else entry
        pages += _pages(target) if isinstance(target, list) else [target]
    return pages
