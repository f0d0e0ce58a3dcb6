"""What mien drew is no photo: a later run passes it over, unless its own name is said."""

import json
from pathlib import Path

import pytest

from mien.cli import main

Said = pytest.CaptureFixture[str]


def rows(path: Path) -> list[str]:
    return [Path(json.loads(line)["source"]).name for line in path.read_text().splitlines()]


def test_a_later_run_doesnt_read_what_an_earlier_one_drew(
    photo: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    (tmp_path / "a.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "f.mp4").write_bytes(film.read_bytes())
    monkeypatch.chdir(tmp_path)
    drawing = ["--annotate", "drawn", "--sheet", "faces.png", "--timeline", "time.png"]
    assert main(["predict", ".", *drawing, "--every", "10"]) == 0
    assert "passed over" not in capsys.readouterr().err
    for pattern in (".", "**"):
        assert main(["predict", pattern, "--out", "rows.jsonl", "--overwrite", "--every", "10", "--json"]) == 0
        told = capsys.readouterr()
        assert "4 drawings of mien's own: passed over" in told.err
        assert json.loads(told.out)["drawn"] == 4
        assert sorted(set(rows(tmp_path / "rows.jsonl"))) == ["a.jpg", "f.mp4"]
    assert main(["predict", "drawn/a.jpg", "--out", "named.jsonl"]) == 0
    assert set(rows(tmp_path / "named.jsonl")) == {"a.jpg"}
    assert main(["predict", "drawn"]) == 1
    assert "but what mien drew itself" in capsys.readouterr().err
