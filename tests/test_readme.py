"""The README's commands and its Python, run as they stand, in order, beside a small `fer2013.csv`.

To make them affordable the preset `tuned` becomes `demo`, and the Python's twenty epochs become one.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mien.data.drawn import drawn_faces

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
QUICK = {"evaluate", "compare", "show", "models", "data"}  # these run a second time, with --json


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("mien ")]
    return [shlex.split(line.replace("tuned", "demo"), comments=True)[1:] for line in lines]


def run(folder: Path, words: list[str]) -> str:
    mien = shutil.which("mien", path=str(Path(sys.executable).parent))
    assert mien is not None
    done = subprocess.run([mien, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"mien {shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture
def folder(photo: Path, film: Path, tmp_path: Path) -> Path:
    """A folder with a photo, a video, and 140 drawn faces in a `fer2013.csv` of Kaggle's form."""
    rows = ["emotion,pixels,Usage"]
    for usage, (_, faces) in zip(("Training", "PublicTest", "PrivateTest"), drawn_faces(140), strict=True):
        rows += [f"{label},{' '.join(map(str, face.ravel()))},{usage}" for face, label in faces]
    (tmp_path / "fer2013.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "photos").mkdir()
    for name in ("photo.jpg", "photos/party.jpg"):
        shutil.copy(photo, tmp_path / name)
    shutil.copy(film, tmp_path / "film.mp4")
    return tmp_path


def test_every_verb_of_the_command_line_stands_in_the_readme() -> None:
    assert {words[0] for words in commands()} >= {
        "predict",
        "export",
        "ladder",
        "train",
        "evaluate",
        "compare",
        "show",
        "models",
        "data",
    }


def test_the_commands_of_the_readme_run(folder: Path) -> None:
    for words in commands():
        run(folder, words)
        if words[0] in QUICK:
            assert json.loads(run(folder, [*words, "--json"])), words


def test_the_python_of_the_readme_runs(folder: Path) -> None:
    (code,) = blocks("python")
    assert "epochs=20" in code
    program = [sys.executable, "-c", code.replace("epochs=20", "epochs=1")]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    *faces, epoch, figures = done.stdout.splitlines()
    assert [line.split()[0] for line in faces[:2]] == ["happy", "0.0"]  # the photo's face, the video's first frame
    assert len(faces) == 1 + 30
    assert epoch.startswith("epoch   1/1 ")
    assert re.match(r"0\.\d+ 0\.\d+ \(0\.\d+, 0\.\d+\)$", figures), figures


def test_the_powershell_lines_are_those_of_the_other_shells() -> None:
    (powershell,) = blocks("powershell")
    shell = next(block for block in blocks("") if "source .venv" in block)
    assert powershell.splitlines()[2:] == shell.splitlines()[2:]


def test_the_files_that_the_readme_links_to_exist() -> None:
    linked = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert "docs/RESULTS.md" in linked
    for link in linked:
        assert (Path(__file__).parents[1] / link).exists(), link
