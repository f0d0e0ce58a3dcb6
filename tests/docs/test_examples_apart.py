"""Examples that stand below each other are given one after the other: none may find the results of another."""

import shlex
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


@pytest.mark.parametrize("page", sorted(HOW_TO.glob("*.md")), ids=lambda page: page.stem)
def test_each_training_and_each_job_has_a_folder_of_its_own(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    taken: dict[str, str] = {}
    for line in text.splitlines():
        words = shlex.split(line, comments=True) if line.startswith(("mien train ", "mien score ", "torchrun ")) else []
        if "--resume" in words or not words:
            continue
        named = words[words.index("--out") + 1] if "--out" in words else f"runs/{words[words.index('train') + 1]}"
        assert named not in taken, f"{line}\n{taken[named]}"
        taken[named] = line
