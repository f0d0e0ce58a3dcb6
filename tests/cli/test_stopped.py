"""`mien predict`, stopped by Ctrl-C and gone on with: what is kept, what is said, what figures show."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mien.cli import main
from mien.recognition.recognizer import Recognizer

Said = pytest.CaptureFixture[str]
LINE = ["predict", "in", "--no-detect"]


@pytest.fixture(autouse=True)
def _photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number in range(3):
        Image.fromarray(np.full((48, 48), 80 * number, np.uint8)).save(f"in/{number}.png")


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let Ctrl-C come in place of the reading of this number, from 0."""
    whole = Recognizer.stream

    def stop(count: int) -> None:
        def stream(*args: Any, **options: Any) -> Iterator[Any]:
            with closing(whole(*args, **options)) as readings:
                for number, reading in enumerate(readings):
                    if number == count:
                        raise KeyboardInterrupt
                    yield reading

        monkeypatch.setattr(Recognizer, "stream", stream)

    return stop


def test_before_the_first_picture_nothing_is_replaced(stop_at: Callable[[int], None], capsys: Said) -> None:
    outputs = [Path("rows.csv"), Path("sheet.svg")]
    for path in outputs:
        path.write_text("of yesterday")
    stop_at(0)
    assert main([*LINE, "--out", "rows.csv", "--overwrite", "--sheet", "sheet.svg", "--json"]) == 130
    assert [path.read_text() for path in outputs] == ["of yesterday"] * 2
    assert capsys.readouterr() == ("", "interrupted\n")


@pytest.mark.parametrize("out", [(), ("--out", "rows.csv")])
def test_the_document_is_of_what_was_read(stop_at: Callable[[int], None], capsys: Said, out: tuple[str, ...]) -> None:
    stop_at(2)
    assert main([*LINE, *out, "--json"]) == 130
    said = capsys.readouterr()
    assert [Path(row["source"]).name for row in json.loads(said.out)["rows"]] == ["0.png", "1.png"]
    kept = ": what was read until then is kept; --resume goes on." if out else ""
    assert said.err.endswith(f"interrupted{kept}\n")


def test_a_figure_of_a_run_that_goes_on_is_of_all_of_it(
    stop_at: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Recognizer.stream
    assert main([*LINE, "--out", "whole.csv", "--sheet", "whole.svg"]) == 0
    stop_at(2)
    assert main([*LINE, "--out", "rows.csv", "--sheet", "sheet.svg"]) == 130
    monkeypatch.setattr(Recognizer, "stream", whole)
    assert main([*LINE, "--out", "rows.csv", "--sheet", "sheet.svg", "--resume"]) == 0
    assert Path("sheet.svg").read_bytes() == Path("whole.svg").read_bytes()
    assert Path("rows.csv").read_bytes() == Path("whole.csv").read_bytes()


@pytest.mark.parametrize(("count", "replaced"), [(1, False), (3, True)])
def test_a_figure_is_replaced_once_there_is_something_new(
    stop_at: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, count: int, replaced: bool
) -> None:
    whole = Recognizer.stream
    stop_at(2)
    line = [*LINE, "--out", "rows.csv", "--sheet", "sheet.svg"]
    assert main(line) == 130
    before = Path("sheet.svg").read_bytes()
    Image.fromarray(np.full((48, 48), 200, np.uint8)).save("in/3.png")
    monkeypatch.setattr(Recognizer, "stream", whole)
    stop_at(count)
    assert main([*line, "--resume"]) == 130
    assert (Path("sheet.svg").read_bytes() != before) == replaced


def test_photos_of_a_finished_run_are_not_read_again(capsys: Said) -> None:
    assert main([*LINE, "--out", "rows.csv"]) == 0
    capsys.readouterr()
    assert main([*LINE, "--out", "rows.csv", "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == 0


def test_control_characters_of_names_dont_reach_the_terminal(capsys: Said) -> None:
    try:
        Path("in", "\x1b[31m\nred.png").write_bytes(Path("in", "0.png").read_bytes())
        Path("in", "\x1b[32mgreen.png").write_bytes(b"junk")
    except OSError:
        pytest.skip("this file system takes no such names")
    assert main(LINE) == 1
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert " in/\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}red.png " in said.out
    assert "\N{REPLACEMENT CHARACTER}[32mgreen.png: not an image" in said.err
