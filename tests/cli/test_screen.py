"""The faces of the newest frame on a terminal, of a network whose names are somebody's who means ill."""

import io
import json
import sys

import pytest
from rich.console import Console

from mien.cli.screen import live, picture
from mien.cli.tally import Tally
from mien.recognition.records import Face, Reading


def test_names_of_expressions_dont_steer_the_terminal() -> None:
    steering, mark = "\x1b]52;c;Y3VybA==\x07", "x[/bold]"  # the first would fill the clipboard
    screen = io.StringIO()
    for label in (steering, mark):
        face = Face(label, 0.9, False, {steering: 0.5, mark: 0.5}, (1, 1, 5, 5), id=1)
        shown = picture(Reading("cam", 0, 0.0, 10, 10, (face,)), 1, 100)
        Console(file=screen, force_terminal=True, width=100).print(shown)
    assert "\x1b]" not in screen.getvalue()
    assert "face 1: x[/bold]" in screen.getvalue()


def test_one_face_is_one() -> None:
    screen = io.StringIO()
    shown = picture(Reading("cam", 0, 0.0, 10, 10, (Face("a", 1, False, {"a": 1}),)), 1, 100)
    Console(file=screen, width=100).print(shown)
    assert "1 face." in screen.getvalue()


@pytest.mark.parametrize(("width", "bar"), [(100, 24), (36, 14)])
def test_in_a_narrow_terminal_bars_are_shorter(width: int, bar: int) -> None:
    screen = io.StringIO()
    face = Face("a", 1, False, {"a": 1, "contemptuous": 0})
    Console(file=screen, width=width).print(picture(Reading("cam", 0, 0.0, 10, 10, (face,)), 1, width))
    assert f" a{' ' * 12}{'█' * bar} 100% " in screen.getvalue()


def test_a_terminal_that_only_adds_lines_gets_rows_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "dumb")
    with live(Tally("cpu")) as show:
        show(Reading("cam", 0, 0.0, 10, 10, (Face("a", 1, False, {"a": 1}),)))
        assert json.loads(screen.getvalue())["label"] == "a"
