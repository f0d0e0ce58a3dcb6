"""The commands and the Python of the README and of pages of the docs, run as they stand beside a small `fer2013.csv`.

To make them affordable the preset `tuned` becomes `demo`, and twenty epochs, or as many as there would be, one: the
commands are tried here, not what networks learn. Pages of docs/how-to that aren't named here are run by the tests of
what they are about.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from mien.data.drawn import drawn_faces
from mien.labels import FER2013
from mien.recognition.flat import columns_of

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/index.md", "docs/how-to/predict.md", "docs/how-to/train.md", "docs/how-to/data.md")
HAPPY = FER2013.index("happy")
QUICK = {"evaluate", "compare", "models"}  # these run a second time, with --json


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for named, block in found if named == language]


def commands(page: str) -> list[list[str]]:
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if line.startswith("mien ")]
    return [shlex.split(line.replace("tuned", "demo"), comments=True)[1:] for line in lines]


def started(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    mien = shutil.which("mien", path=str(Path(sys.executable).parent))
    assert mien is not None
    return subprocess.run([mien, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def run(mien: Callable[..., "subprocess.CompletedProcess[str]"], folder: Path, words: list[str]) -> str:
    if words[0] in ("train", "ladder") and not {"--epochs", "--resume"} & set(words):
        words = [*words, "--epochs", "1"]
    done = mien(folder, *words)
    assert done.returncode == 0, f"mien {shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    return done.stdout


def python(folder: Path, page: str) -> list[str]:
    """What the page's Python prints."""
    code = "\n".join(blocks(page, "python"))
    for said, taken in (("epochs=20", "epochs=1"), ("rtsp://camera.example/stream", "film.mp4")):
        code = code.replace(said, taken)
    program = [sys.executable, "-c", code]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def folder(photo: Path, film: Path, tmp_path: Path) -> Path:
    """A folder with a photo, a video, and 140 drawn faces, in a `fer2013.csv` of Kaggle's form and in `my_folder`."""
    rows = ["emotion,pixels,Usage"]
    for usage, (_, faces) in zip(("Training", "PublicTest", "PrivateTest"), drawn_faces(140), strict=True):
        rows += [f"{label},{' '.join(map(str, face.ravel()))},{usage}" for face, label in faces]
        for number, (face, label) in enumerate(faces):
            place = tmp_path / "my_folder" / ("cheerful" if label == HAPPY else "grumpy") / f"{usage}{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(face[0]).save(place)
    (tmp_path / "fer2013.csv").write_text("\n".join(rows) + "\n")
    for name in (
        "photo.jpg",
        "photos/party.jpg",
        "my_photos/party.jpg",
        "my_photos/a/DSC_1.JPG",
        "film.mp4",
        "interviews/film.mp4",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(film if name.endswith("mp4") else photo, tmp_path / name)
    return tmp_path


def test_every_verb_for_users_stands_in_the_pages() -> None:
    assert {words[0] for page in PAGES for words in commands(page)} >= {
        "predict",
        "explain",
        "export",
        "ladder",
        "train",
        "evaluate",
        "compare",
        "leaderboard",
        "robustness",
        "show",
        "models",
        "data",
    }


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_the_page_run(page: str, folder: Path, mien) -> None:
    """A verb begins from nothing where it stands for the first time, elsewhere as a copy."""
    tried = {words[0] for earlier in PAGES[: PAGES.index(page)] for words in commands(earlier)}
    assert commands(page)
    for words in commands(page):
        run(mien if words[0] in tried else started, folder, words)
        tried.add(words[0])
        if words[0] in QUICK and page != "README.md":
            assert json.loads(run(mien, folder, [*words, "--json"])), words


def test_the_python_of_the_readme_runs(folder: Path) -> None:
    assert "epochs=20" in blocks("README.md", "python")[0]
    face, epoch, figures = python(folder, "README.md")
    assert face.startswith("happy ")
    assert epoch.startswith("epoch   1/1 ")
    assert re.match(r"0\.\d+ 0\.\d+ \(0\.\d+, 0\.\d+\)$", figures), figures


def test_the_python_of_the_pages_runs(folder: Path, mien) -> None:
    prior, happy, face, *frames = python(folder, "docs/how-to/predict.md")
    assert prior.startswith("{'angry': 0.1")
    assert Path(happy) == Path("photos/party.jpg")
    assert (face.split()[0], frames[0][:3], len(frames)) == ("happy", "0.0", 60)
    read, given = ([line.partition(" ")[2] for line in frames[at : at + 30]] for at in (0, 30))
    assert given == read  # though somebody else decodes them
    chance, *epochs, accuracy = python(folder, "docs/how-to/train.md")
    assert len(epochs) == 2
    assert 0 < float(accuracy) < 1
    assert 0 < float(chance) <= 1
    assert "(cnn)" in run(mien, folder, ["leaderboard", "runs/own"])
    *_, own, grouped = python(folder, "docs/how-to/own-data.md")
    assert own.startswith("grumpy ")
    assert grouped.startswith("positive {'positive': 0.9")
    assert {path.name[:7] for path in (folder / "crops").iterdir()} == {"0-party", "1-DSC_1"}


def test_the_columns_of_rows_are_explained() -> None:
    told = set(re.findall(r"`(\w+)`", (ROOT / "docs/how-to/predict.md").read_text(encoding="utf-8")))
    assert set(columns_of(("angry",))[:-9]) <= told  # the last nine are points like the one before them


def test_the_powershell_lines_are_those_of_the_other_shells() -> None:
    shells = [block for block in blocks("docs/index.md", "") if "source .venv" in block]
    powershells = blocks("docs/index.md", "powershell")
    assert len(shells) == 2
    assert [block.partition("pip")[2] for block in powershells] == [block.partition("pip")[2] for block in shells]


def test_the_files_that_the_readme_links_to_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert "docs/RESULTS.md" in linked
    for link in linked:
        assert (ROOT / link).exists(), link
