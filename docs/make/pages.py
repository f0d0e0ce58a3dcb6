"""Write what is generated in the docs: the command line's help, the reference, the cards of the networks, and tables.

python docs/make/pages.py            # writes what changed
python docs/make/pages.py --check    # writes nothing; exit code 1 and the names of what is out of date
"""

import argparse
import sys
from pathlib import Path

from cards import long_table, models, short_table
from commands import commands
from ladder import both_splits, long_ladder, read, recalls, short_ladder
from reference import reference
from speed import accuracy_and_time, beside_peer, served

from mien.errors import DataError
from mien.files import atomic_write
from mien.tables import between

ROOT = Path(__file__).parents[2]


def pages(root: Path = ROOT) -> dict[str, str]:
    """The text of every file that is generated, or holds something that is, by its path."""
    tuned, article, demo = (read(root, preset) for preset in ("tuned", "article", "demo"))
    results = _put(_read(root, "docs/RESULTS.md"), "box", long_table(root), "docs/RESULTS.md")
    for name, table in {
        "ladder": long_ladder(tuned),
        "recall": recalls(tuned),
        "article": long_ladder(article),
        "demo": both_splits(demo),
        "peer": beside_peer(root),
        "points": accuracy_and_time(root),
        "served": served(root),
    }.items():
        results = _put(results, name, table, "docs/RESULTS.md")
    readme = _put(_read(root, "README.md"), "box", short_table(root), "README.md")
    readme = _put(readme, "ladder", short_ladder(tuned), "README.md")
    return {
        "README.md": readme,
        "docs/RESULTS.md": results,
        "docs/cli.md": commands(),
        "docs/models.md": models(),
        "docs/reference.md": reference(),
    }


def _read(root: Path, path: str) -> str:
    return (root / path).read_text("utf-8")


def _put(text: str, name: str, table: str, path: str) -> str:
    return between(text, name, table, maker="docs/make/pages.py", path=path)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--check", action="store_true", help="write nothing, name what is out of date")
    options.add_argument("--root", type=Path, default=ROOT, help="the checkout to write into; default: this one")
    given = options.parse_args()
    old = 0
    for path, text in pages(given.root).items():
        file = given.root / path
        if file.exists() and file.read_text("utf-8") == text:
            continue
        old += 1
        print(f"{path}: {'out of date; run `make pages`' if given.check else 'written'}")
        if not given.check:
            atomic_write(file, text)
    return 1 if given.check and old else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DataError as error:
        sys.exit(str(error))
