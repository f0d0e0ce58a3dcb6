"""Tables as people see them."""

import re
import sys
from collections import Counter

import pytest

from mien.cli.tables import print_table


def test_in_a_pipe_no_row_is_folded(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"a class of its own, number {number}" for number in range(50)]
    print_table(["true", *names], [["x", *range(50)]])
    said = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert said[0].split("  ")[-1].strip() == names[-1]
    assert len(said) == 3  # the head, a line, the row


def test_no_word_of_a_table_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["a\x1b[2J"], [["b\x1b[2J"]], "c\x1b[2J")
    assert "\x1b" not in capsys.readouterr().out


def test_no_word_of_a_table_becomes_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["source"], [["IMG:100:.jpg"]])
    assert "IMG:100:.jpg" in capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 60, 40])
def test_in_a_narrow_terminal_no_number_is_broken(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("COLUMNS", str(width)), ("TERM", "xterm"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    cells = ("2026/in the mountains/IMG_20260131_175959.jpg", "179, 65, 90 × 109", "happy", "0.98 ?", "neutral 0.01")
    print_table(("source", "face at", "expression", "confidence", "next likeliest"), [cells])
    names = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
    matrix = [[name, *range(1000 + 8 * row, 1008 + 8 * row)] for row, name in enumerate(names)]
    print_table(["true \\ predicted", *names], matrix)
    said = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert max(map(len, said.splitlines())) <= width
    assert all(f" {whole} " in said for whole in (*cells[1:], *names, *range(1000, 1064)))
    assert Counter(said.replace(" ", "")) >= Counter("".join(cells).replace(" ", ""))  # nothing is cut off
