"""Recipe fields as options, and how progress is shown."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from mien.cli import main
from mien.cli.progress import shares, watch
from mien.cli.recipes import make_recipe
from mien.runs import read_setup
from mien.training.fit import Epoch
from mien.training.recipe import Recipe


def test_every_recipe_field_is_an_option_of_train(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    said = capsys.readouterr().out
    for name in Recipe.model_fields:
        other = {"model": "[MODEL]", "options": "--option ", "teachers": "--teacher "}
        flag = other.get(name, f"--{name.replace('_', '-')} ")
        assert flag in said, name


def test_help_tells_the_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "largest shift, as a share of the face's side (0 or more, at most 0.5)" in said
    assert "highest learning rate (above 0)" in said
    assert "onecycle|cosine|constant" in said


def test_what_wasnt_given_stays_the_presets() -> None:
    plain = make_recipe("cnn", "demo", {"epochs": None, "lr": None})
    assert plain == make_recipe("cnn", "demo", {})
    assert make_recipe("cnn", "demo", {"flip": False, "epochs": 2}) == plain.model_copy(
        update={"flip": False, "epochs": 2}
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("widths=[8,16]", [8, 16]), ("widths=0.5", 0.5), ("widths=image", "image"), ("widths=a=b", "a=b")],
)
def test_options_of_the_network(text: str, value: Any) -> None:
    made = make_recipe("cnn", "demo", {}, [text])
    assert made.options["widths"] == value
    assert made.options["depths"] == make_recipe("cnn", "demo", {}).options["depths"]


@pytest.mark.parametrize("text", ["widths", "=3", ""])
def test_an_option_without_key_or_value(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="KEY=VALUE"):
        make_recipe("cnn", "demo", {}, [text])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def epoch(number: int) -> Epoch:
    return Epoch(number, 4, 1.5, 0.25, 1.25, 0.5, 0.1, 2.0, 1234.0, True, {})


def test_a_terminal_gets_a_bar_that_moves_within_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with watch("cnn", 4, 1) as watcher:
        watcher.before(0.17)
        watcher.tick(0.5)
        assert watcher.bars.tasks[0].completed == 1.5  # type: ignore[attr-defined]
        watcher.epoch(epoch(2))
    said = terminal.getvalue()
    assert "before training: accuracy 0.170 on val" in said
    assert "2/4" in said
    assert "loss 1.250 accuracy 0.500 1,234 faces/s" in said


@pytest.mark.parametrize(("several", "start"), [(False, "epoch   2/4"), (True, "cnn          epoch   2/4")])
def test_a_log_gets_a_line_for_each_epoch(several: bool, start: str, capsys: pytest.CaptureFixture[str]) -> None:
    with watch("cnn", 4, several=several) as watcher:
        watcher.tick(0.5)
        watcher.epoch(epoch(2))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(start)
    assert said.err.count("\n") == 1


def test_a_terminal_that_only_adds_lines_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "dumb")  # Emacs' shell and Emacspeak
    with watch("cnn", 4) as watcher, shares() as show:
        watcher.epoch(epoch(2))
        show("faces", 0.5)
        assert terminal.getvalue().startswith("epoch   2/4")
    assert terminal.getvalue().count("\n") == 1


def test_a_network_that_teaches_is_named_from_the_root(
    faces_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["train", "logistic", "--preset", "demo", "--data", str(faces_file), "--epochs", "1"]
    assert main([*line, "--out", "first"]) == 0
    assert main([*line, "--teacher", "first", "--teacher", "small", "--distil", "0.5", "--out", "second"]) == 0
    made = read_setup(Path("second"))[0]
    assert (made.teachers, made.distil) == ([str(tmp_path / "first"), "small"], 0.5)
    capsys.readouterr()
    for words, code, said in (
        ([*line, "--teacher", "nobody", "--out", "third"], 1, "nobody"),
        (["train", "--resume", "second", "--teacher", "small"], 2, "leave out --teacher"),
    ):
        assert main(words) == code
        assert said in capsys.readouterr().err
    assert not Path("third").exists()
