"""Every lesson runs from its first line to its last: as plain Python, and one as the notebook that it also is.

The lessons assert what they claim, so running one is testing it.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

LESSONS = Path(__file__).parents[2] / "lessons"
NAMES = sorted(path.stem for path in LESSONS.glob("lesson_*.py"))


def run(words: list[str], **more: str) -> str:
    quiet = {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    kept = {key: value for key, value in os.environ.items() if key != "MIEN_DATA"}
    done = subprocess.run(
        [sys.executable, *words], env=kept | quiet | more, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_runs_as_plain_python(name: str, tmp_path: Path) -> None:
    run(
        ["-W", "error", str(LESSONS / f"{name}.py")], TMPDIR=str(tmp_path)
    )  # what it makes stays where pytest tidies up


def test_a_lesson_becomes_a_notebook_and_a_page_with_described_pictures(tmp_path: Path) -> None:
    code = f"import build, pathlib; build.build('lesson_0_faces', pathlib.Path({str(tmp_path)!r}))"
    (tmp_path / "left").mkdir()
    run(["-c", code], PYTHONPATH=str(LESSONS), TMPDIR=str(tmp_path / "left"))
    notebook = json.loads((tmp_path / "lesson_0_faces.ipynb").read_text(encoding="utf-8"))
    assert all(cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert "](lesson_1_logistic.ipynb)" in "".join(notebook["cells"][-1]["source"])
    page = (tmp_path / "lesson_0_faces.md").read_text(encoding="utf-8")
    assert "](lesson_1_logistic.md)" in page
    pictures = re.findall(r"!\[(.+?)\]\((.+?)\)", page)
    assert len(pictures) >= 6
    assert page.count("<details") == page.count("</details>") >= 5
    folded = page.partition("</summary>")[2].partition("</details>")[0]
    assert "200 + 100 in uint8 is 44" in folded
    assert "![" in folded
    assert "```" not in folded
    for text, path in pictures:
        assert len(text) > 20, path
        assert (tmp_path / path).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_asks_before_it_tells_and_ends_with_exercises(name: str) -> None:
    text = (LESSONS / f"{name}.py").read_text(encoding="utf-8")
    number = name.split("_")[1]
    assert text.count("# > **Your guess.**") >= 4
    assert len(re.findall(rf"^# \*\*{number}\.\d ", text, re.MULTILINE)) >= 2
    assert f"solutions/solution_{number}.py" in text
    assert (LESSONS / "solutions" / f"solution_{number}.py").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_that_draws_says_what_the_picture_shows(name: str) -> None:
    text = (LESSONS / f"{name}.py").read_text(encoding="utf-8")
    for cell in re.split(r"^# %%", text, flags=re.MULTILINE):
        if "plt.show()" in cell:
            assert cell.lstrip().startswith("# Picture: "), cell[:200]


@pytest.mark.parametrize("path", [*LESSONS.glob("*.py"), *LESSONS.glob("solutions/*.py")], ids=lambda path: path.stem)
def test_lessons_use_what_mien_makes_public(path: Path) -> None:
    inside = set(re.findall(r"^\s*(?:from|import) (mien\S*)", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert inside <= ({"mien", "mien.labels"} if path.stem == "blackboard" else {"mien"})
