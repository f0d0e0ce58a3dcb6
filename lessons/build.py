"""Run lessons as notebooks: each becomes NAME.ipynb, and NAME.md with its pictures, in build/lessons.

    python lessons/build.py                  all of them
    python lessons/build.py lesson_1_logistic
    python lessons/build.py --unrun          words and code only, in seconds

A lesson asserts what it claims, so running one to its end is a test; the first failing cell stops it.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "build" / "lessons"
INLINE = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # pictures go into the notebook
LESSON = re.compile(r"(\]\(lesson_\w+)\.py\)")
"""A link from one lesson to another: to its notebook in notebooks, to its page on pages."""

GUESSED = re.compile(
    r"(^> \*\*Your guess\.\*\*.*\n(?:>.*\n)*\n*```python\n(?:.*\n)*?```\n)((?:\n| {4}.*\n|!\[.*\n)+)", re.MULTILINE
)
"""A request for a guess with the cell that answers it, and what this cell put out: text and pictures."""


def build(name: str, out: Path = OUT, run: bool = True) -> None:
    """Execute one lesson and write its notebook, its page and its pictures.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed; the message holds the cell and the traceback.
    """
    notebook = jupytext.reads(LESSON.sub(r"\1.ipynb)", (HERE / f"{name}.py").read_text(encoding="utf-8")), "py:percent")
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    if run:
        where, quiet = {"metadata": {"path": str(HERE)}}, ["--log-level=ERROR"]
        data = os.environ.get("MIEN_DATA")
        env = os.environ | INLINE | ({"MIEN_DATA": str(Path(data).resolve())} if data else {})  # a kernel runs in HERE
        NotebookClient(notebook, timeout=900, resources=where, extra_arguments=quiet).execute(env=env)
    out.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, out / f"{name}.ipynb")
    page, extras = MarkdownExporter().from_notebook_node(
        notebook, resources={"unique_key": name, "output_files_dir": f"{name}_pictures"}
    )
    for path, content in extras["outputs"].items():
        (out / path).parent.mkdir(exist_ok=True)
        (out / path).write_bytes(content)
    was = "that was run" if run else "that wasn't run, so its results are missing"
    end = (
        f"*This page is a notebook {was}: [{name}.ipynb]({name}.ipynb). "
        "It runs in the folder `lessons` of mien's sources.*"
    )
    page = re.sub(r"(\]\(lesson_\w+)\.ipynb\)", r"\1.md)", _guess_first(_described(page, _alts(name, notebook))))
    (out / f"{name}.md").write_text(f"{page.rstrip()}\n\n---\n\n{end}\n", encoding="utf-8")


def _alts(name: str, notebook: nbformat.NotebookNode) -> Iterator[str]:
    """The description of each picture, in their order.

    A cell that draws begins with `# %% picture="dial"`; `alt.json` has the words. In the lesson itself they would give
    away what is to be guessed.
    """
    words = json.loads((HERE / "alt.json").read_text(encoding="utf-8"))[name]
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                yield words[cell.metadata["picture"]]


def _described(page: str, alts: Iterator[str]) -> str:
    """The page with a description in place of nbconvert's `png` for each picture."""
    return re.sub(r"!\[png\]", lambda _: f"![{next(alts)}]", page)


def _guess_first(page: str) -> str:
    """The page with each result that the reader is to guess folded away until it is opened."""
    folded = '\n<details markdown="1"><summary>Have you guessed? Open the result.</summary>\n'
    shown = rf"\1{folded}\2\n</details>\n\n"
    return GUESSED.sub(lambda found: found.expand(shown) if found[2].strip() else found[0], page)


def main(words: list[str]) -> None:
    run = "--unrun" not in words
    named = [Path(word).stem for word in words if word != "--unrun"]
    for name in named or sorted(path.stem for path in HERE.glob("lesson_*.py")):
        began = time.perf_counter()
        build(name, run=run)
        print(f"{name}: {time.perf_counter() - began:.0f} s -> {OUT / name}.md", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
