"""The lines of docs/how-to/server.md, run against a server; its options and limits against those there are."""

import inspect
import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from pictures import png

from mien.cli.serve import serve
from mien.data.drawn import drawn_faces
from mien.server.bodies import FIRST, PACE
from mien.server.protocols import MOST_FRAMES
from mien.server.refusal import STATUS
from mien.server.settings import Settings
from mien.server.stream import IDLE_SECONDS

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "server.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture
def folder(photo: Path, tmp_path: Path) -> Path:
    shutil.copy(photo, tmp_path / "photo.jpg")
    (tmp_path / "crop.png").write_bytes(png(drawn_faces(7).train.images[0]))
    return tmp_path


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_the_curl_lines_are_answered(server, folder: Path) -> None:
    [block] = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = block.splitlines()
    assert len(lines) == 9
    for line in lines:
        words = shlex.split(line.replace(ADDRESS, server.address))
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, line
        if "predict" in line:
            told = json.loads(done.stdout)
            assert len(told.get("faces", told.get("pictures"))) == (2 if "batch" in line else 1), line
        else:
            assert len(done.stdout) > 10


def test_the_python_runs(server, folder: Path) -> None:
    [code] = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    line = [sys.executable, "-c", code.replace(ADDRESS, server.address)]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("happy 0.9")
    assert "'small:int8', 'small'" in done.stdout


def test_codes_limits_and_options_are_those_of_the_server() -> None:
    told = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert not set(STATUS) - told
    for code, status in STATUS.items():
        assert code == "internal" or re.search(rf"^\|[^|]*\b{status}\b[^|]*\|[^|]*`{code}`", PAGE, re.MULTILINE), code
    settings = Settings()
    for said in (
        f"| {settings.max_bytes >> 20} MiB |",
        f"{settings.max_pixels // 1_000_000} million",
        f"{settings.max_pictures} pictures, {settings.max_batch_bytes >> 20} MiB",
        f"| {settings.timeout:g} s each |",
        f"{FIRST:g} s, and 1 s more for each {PACE >> 10} KiB that came |",
        f"| {settings.queue} | `--queue`",
        f"| {settings.streams} |",
        f"stream on which nothing comes is closed | {IDLE_SECONDS:g} s",
        f"frames that come at once | {MOST_FRAMES:,} |",
        f"| {settings.rate:g}; not for this machine",
        f"| {settings.drain:g} s | `--drain`",
    ):
        assert said in PAGE, said
    shown = subprocess.run(
        [sys.executable, "-m", "mien", "serve", "--help"], capture_output=True, text=True, check=True,
        env={"COLUMNS": "200", "PATH": ""},
    ).stdout  # fmt: skip
    for option in set(re.findall(r"`(--[a-z-]+)", PAGE)) - {"--json"}:
        assert option in shown, option


def test_the_options_are_by_default_what_the_settings_are() -> None:
    """They stand in the command line again: settings take longer to import than its help may take."""
    options = {name: one.default for name, one in inspect.signature(serve).parameters.items()}
    both = options.keys() & {field.name for field in fields(Settings)} - {"workers"}
    assert both >= {"host", "port", "queue", "batch", "timeout", "drain", "max_bytes", "max_pixels", "rate", "certain"}
    assert {name: options[name] for name in both} == {name: getattr(Settings(), name) for name in both}
