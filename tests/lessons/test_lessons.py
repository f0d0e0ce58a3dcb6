"""Every lesson runs from its first line to its last: as plain Python, and one as the notebook that it also is.

The lessons assert what they claim, so running one is testing it.
"""

import json
import math
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

LESSONS = Path(__file__).parents[2] / "lessons"
USAGES = ("Training", "PublicTest", "PrivateTest")
NAMES = sorted(path.stem for path in LESSONS.glob("lesson_*.py"))


def run(words: list[str], **more: str) -> str:
    quiet = {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    kept = {key: value for key, value in os.environ.items() if key != "MIEN_DATA"}
    done = subprocess.run(
        [sys.executable, *words], env=kept | quiet | more, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


LONG = {"lesson_2_feedforward", "lesson_3_cnn", "lesson_4_resnet", "lesson_5_flagship", "lesson_6_product"}
"""On two slow cores they take from one minute to three each: `make soak` runs them as they stand."""

HURRIED = """
import mien
_recipe = mien.recipe
mien.recipe = lambda *words, **more: _recipe(*words, **more | {"epochs": 1})
"""
"""So little training teaches nothing, and what a lesson asserts of it doesn't hold: such a program runs with `-O`."""


def program(name: str) -> str:
    """The lesson with its exercises' solutions and checks pasted below. Each exercise has a check."""
    text = (LESSONS / f"{name}.py").read_text(encoding="utf-8")
    exercises = re.split(r"^# \*\*\d\.\d ", text.partition("# ## Exercises\n")[2], flags=re.MULTILINE)[1:]
    checks = [re.findall(r"^# ```python\n((?:# .*\n)+?)# ```$", exercise, re.MULTILINE) for exercise in exercises]
    assert all(len(found) == 1 for found in checks)
    solutions = (LESSONS / "solutions" / f"solution_{name.split('_')[1]}.py").read_text(encoding="utf-8")
    return "\n".join([text, solutions, *(re.sub("^# ", "", check, flags=re.MULTILINE) for (check,) in checks)])


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.soak] * (name in LONG)) for name in NAMES])
def test_a_lesson_runs_with_its_solutions_and_checks_pasted_below(name: str, tmp_path: Path) -> None:
    """The solutions pass the checks. What a lesson wrote is gone when it has ended."""
    file, made = tmp_path / f"{name}.py", tmp_path / "made"
    file.write_text(program(name), encoding="utf-8")
    made.mkdir()
    said = run(["-W", "error", str(file)], PYTHONPATH=os.pathsep.join([str(LESSONS), *sys.path]), TMPDIR=str(made))
    assert "Warning" not in said
    assert not list(made.glob("mien-lesson-*"))


@pytest.mark.parametrize(
    "name", ["lesson_2_feedforward", "lesson_3_cnn", "lesson_6_product"]
)  # the others draw a point for each epoch
def test_a_long_lesson_runs_in_a_hurry(name: str, tmp_path: Path) -> None:
    """Every line of it, solutions and checks included, with few faces and an epoch wherever it trains."""
    text, quick = re.subn(r"^splits = faces\(3000,", "splits = faces(420,", program(name), flags=re.MULTILINE)
    assert quick == 1
    (tmp_path / f"{name}.py").write_text(HURRIED + text, encoding="utf-8")
    path = os.pathsep.join([str(LESSONS), *sys.path])
    assert "Warning" not in run(["-O", "-W", "error", str(tmp_path / f"{name}.py")], PYTHONPATH=path)


def test_the_article_runs_from_its_data_frame_to_its_predictions(tmp_path: Path) -> None:
    """So few faces and epochs teach nothing to speak of: each model knows nothing before, and is changed after."""
    text = (LESSONS / "article.py").read_text(encoding="utf-8")
    quick = text.replace("FACES, EPOCHS = 4000, 8 ", "FACES, EPOCHS = 400, 1 ")
    assert quick != text
    (tmp_path / "article.py").write_text(quick, encoding="utf-8")
    path = os.pathsep.join([str(LESSONS), *sys.path])
    said = run(["-W", "error", str(tmp_path / "article.py")], PYTHONPATH=path)
    assert said.startswith("280 faces to train, 60 to validate, 60 to test")
    losses = re.findall(
        r"^(\S+) +(before|after) +training: validation loss (\S+), accuracy 0\.\d{3}$", said, re.MULTILINE
    )
    assert [name for name, *_ in losses] == [
        name for name in ("logistic", "feed-forward", "CNN", "ResNet") for _ in range(2)
    ]
    for (_, first, before), (_, last, after) in zip(losses[::2], losses[1::2], strict=True):
        assert (first, last) == ("before", "after")
        assert abs(float(before) - math.log(7)) < 0.25
        assert float(after) != float(before)
    assert said.count("test accuracy") == 4


FORMS = """
import sys
import blackboard, pandas as pd
for blackboard.DATA in sys.argv[1:]:
    frame = pd.read_csv(blackboard.fer2013_csv(12))
    print(list(frame.columns), *sorted(frame.Usage.unique()), len(frame.pixels[0].split()))
"""


def test_a_file_of_another_form_is_written_in_the_plain_one(tmp_path: Path) -> None:
    """icml_face_data.csv has blanks in its header, the contest's train.csv no Usage: lesson 0 reads by plain names."""
    pixels = " ".join(["7"] * 48 * 48)
    rows = [f"{n % 7},{usage},{pixels}" for usage in USAGES for n in range(7)]
    (tmp_path / "icml.csv").write_text("\n".join(["emotion, Usage, pixels", *rows]))
    (tmp_path / "train.csv").write_text("\n".join(["emotion,pixels", *[f"{n % 7},{pixels}" for n in range(70)]]))
    said = run(["-c", FORMS, str(tmp_path / "icml.csv"), str(tmp_path / "train.csv")], PYTHONPATH=str(LESSONS))
    lines = [line for line in said.splitlines() if line.startswith("[")]
    assert lines == ["['emotion', 'pixels', 'Usage'] PrivateTest PublicTest Training 2304"] * 2


def test_a_lesson_becomes_a_notebook_and_a_page_with_described_pictures(tmp_path: Path) -> None:
    code = f"import build, pathlib; build.build('lesson_0_faces', pathlib.Path({str(tmp_path)!r}))"
    (tmp_path / "left").mkdir()
    run(["-c", code], PYTHONPATH=str(LESSONS), TMPDIR=str(tmp_path / "left"))
    notebook = json.loads((tmp_path / "lesson_0_faces.ipynb").read_text(encoding="utf-8"))
    assert not list((tmp_path / "left").glob("mien-lesson-*"))
    assert all(cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert "](lesson_1_logistic.ipynb)" in "".join(notebook["cells"][-1]["source"])
    page = (tmp_path / "lesson_0_faces.md").read_text(encoding="utf-8")
    assert "](lesson_1_logistic.md)" in page
    pictures = re.findall(r"!\[(.+?)\]\((.+?)\)", page)
    described = json.loads((LESSONS / "alt.json").read_text(encoding="utf-8"))["lesson_0_faces"]
    assert [text for text, _ in pictures] == list(described.values())
    assert page.count("<details") == page.count("</details>") >= 5
    folded = page.partition("</summary>")[2].partition("</details>")[0]
    assert "200 + 100 in uint8 is 44" in folded
    assert "![" in folded
    assert "```" not in folded
    for _, path in pictures:
        assert (tmp_path / path).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_asks_before_it_tells_and_ends_with_exercises(name: str) -> None:
    text = (LESSONS / f"{name}.py").read_text(encoding="utf-8")
    number = name.split("_")[1]
    assert text.count("# > **Your guess.**") >= 4
    assert len(re.findall(rf"^# \*\*{number}\.\d ", text, re.MULTILINE)) >= 2
    assert f"solutions/solution_{number}.py" in text
    assert (LESSONS / "solutions" / f"solution_{number}.py").is_file()


VERDICTS = {
    "lesson_0_faces": ("label in targets[:16]",),
    "lesson_2_feedforward": ("one line: {",),
    "lesson_5_flagship": ("can't be told from chance", "says on average", "it was too"),
}
"""Words of cells that tell what was to be guessed, and once stood open."""


@pytest.mark.parametrize("name", NAMES)
def test_a_guess_stands_right_before_the_cell_that_answers_it(name: str) -> None:
    """The pages fold away what this cell gives, and nothing else."""
    cells = re.split(r"^# %%", (LESSONS / f"{name}.py").read_text(encoding="utf-8"), flags=re.MULTILINE)
    asked = [(cell, answer) for cell, answer in pairwise(cells) if "**Your guess.**" in cell]
    for cell, answer in asked:
        assert cell.count("**Your guess.**") == 1, cell
        assert cell.rstrip().splitlines()[-1].startswith("# > "), cell
        assert not answer.startswith(" [markdown]"), answer
        assert re.search(r"print\(|plt\.show\(\)|show_gradients\(\{", answer), answer
        assert not re.search(r"^\s*assert ", answer, re.MULTILINE), f"it tells what was to be guessed: {answer}"
    told = "".join(answer for _, answer in asked)
    assert [words for words in VERDICTS.get(name, ()) if words not in told] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_is_described_where_it_spoils_no_guess(name: str) -> None:
    cells = re.split(r"^# %%", (LESSONS / f"{name}.py").read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = [
        re.match(r' picture="([^"]+)"\n', cell)
        for cell in cells
        if re.search(r"plt\.show\(\)|show_gradients\(\{", cell)
    ]
    alts = json.loads((LESSONS / "alt.json").read_text(encoding="utf-8"))[name]
    assert [found and found[1] for found in named] == list(alts)
    drawn = [re.findall(r"^(?:plt\.show\(\)|show_gradients\()", cell, re.MULTILINE) for cell in cells]
    assert max(map(len, drawn)) == 1, "a second picture of a cell would get the first one's description"
    assert all(len(words) > 20 and not set(words) & set("[]") for words in alts.values())


@pytest.mark.parametrize("path", [*LESSONS.glob("*.py"), *LESSONS.glob("solutions/*.py")], ids=lambda path: path.stem)
def test_lessons_use_what_mien_makes_public(path: Path) -> None:
    inside = set(re.findall(r"^\s*(?:from|import) (mien\S*)", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert inside <= ({"mien", "mien.labels"} if path.stem == "blackboard" else {"mien"})
