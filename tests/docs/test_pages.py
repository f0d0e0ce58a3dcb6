"""What docs/make writes is what is committed, and it notices when that is out of date."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mien
from mien.cards import Card
from mien.shipped import BOX, shipped

ROOT = Path(__file__).parents[2]
GENERATED = ("README.md", "docs/RESULTS.md", "docs/cli.md", "docs/models.md", "docs/reference.md")


def make(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, ROOT / "docs" / "make" / "pages.py", *words]
    return subprocess.run(line, capture_output=True, text=True, encoding="utf-8", check=False)


def test_what_is_committed_is_what_would_be_made() -> None:
    done = make("--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The generated files alone, to be changed."""
    kept = [
        f"benchmarks/results/{name}.json"
        for name in ("box", "ladder-tuned", "ladder-article", "ladder-demo", "peer", "server")
    ]
    for name in (*GENERATED, *kept):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_what_is_out_of_date_is_named_and_made_anew(checkout: Path) -> None:
    changes = {
        "docs/cli.md": ("--epochs", "--rounds"),
        "docs/models.md": ("0.", "1."),
        "README.md": ("| cnn |", "| dnn |"),
    }
    for name, (right, wrong) in changes.items():
        text = (checkout / name).read_text("utf-8")
        assert right in text
        (checkout / name).write_text(text.replace(right, wrong), "utf-8")
    said = make("--check", "--root", checkout)
    assert said.returncode == 1
    assert {line.partition(":")[0] for line in said.stdout.splitlines()} == set(changes)
    assert make("--root", checkout).returncode == 0
    for name in GENERATED:
        assert (checkout / name).read_bytes() == (ROOT / name).read_bytes()


def test_what_was_measured_with_other_weights_is_left_out(checkout: Path) -> None:
    results = checkout / "benchmarks/results/box.json"
    known = json.loads(results.read_text("utf-8"))
    current = {Card.read(BOX / name).checksums["weights.safetensors"] for name in shipped()}
    assert any(row["checksum"] in current for row in known["rows"])
    for row in known["rows"]:
        row["checksum"] = "0" * 64
    results.write_text(json.dumps(known), "utf-8")
    assert make("--root", checkout).returncode == 0
    table = (checkout / "docs/RESULTS.md").read_text("utf-8").partition("<!-- box")[2].partition("<!-- /box")[0]
    assert "`mien evaluate small`" in table
    assert "--views" not in table
    leaked = "280 faces that are also among the training faces"
    assert leaked in (ROOT / "README.md").read_text("utf-8")
    assert leaked not in (checkout / "README.md").read_text("utf-8")


def test_help_speaks_of_starting_weights_only_where_they_can_be_given() -> None:
    for verb in re.split(r"^## ", (ROOT / "docs/cli.md").read_text("utf-8"), flags=re.MULTILINE)[1:]:
        if "--init" in verb:
            assert re.search(r"^  --init ", verb, re.MULTILINE), verb.partition("\n")[0]


def test_the_reference_has_every_public_name_and_no_other() -> None:
    text = (ROOT / "docs/reference.md").read_text("utf-8")
    named = re.findall(r"^::: mien\.[\w.]*?(\w+)$", text, re.MULTILINE)
    pictures = [name for name, one in vars(mien.pictures).items() if getattr(one, "__module__", "") == "mien.pictures"]
    assert sorted(named) == sorted([*mien.__all__, *(name for name in pictures if not name.startswith("_"))])


def test_the_ladder_in_the_picture_is_the_one_in_the_table() -> None:
    """An SVG of matplotlib's has its texts in comments."""
    texts = re.findall(r"<!-- (.*?) -->", (ROOT / "docs/pictures/ladder.svg").read_text("utf-8"))
    table = (ROOT / "README.md").read_text("utf-8").partition("<!-- ladder")[2].partition("<!-- /ladder")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")][
        1:
    ]
    assert len(rows) == 4
    for name, _, accuracy, *_ in rows:
        assert name in texts
        assert f"{float(accuracy):.3f}" in texts
