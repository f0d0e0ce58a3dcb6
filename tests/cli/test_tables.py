"""Tables as people see them."""

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
