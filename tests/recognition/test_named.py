"""What is said of names that stand for nothing, and of rows that are there."""

from pathlib import Path

import pytest

from mien.errors import DataError, MediaError
from mien.recognition.records import Reading
from mien.recognition.sources import Sources
from mien.recognition.write import RowWriter


def test_names_between_commas_are_told_how_to_be_named(photo: Path) -> None:
    with pytest.raises(MediaError, match="no such file or folder; names are separated by spaces"):
        Sources([f"{photo},", photo])


def test_a_name_with_spaces_that_was_torn_is_told_of_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my photos 2024").mkdir()
    for names in (["my", "photos", "2024"], [tmp_path, "my", "photos", "2024", "b.jpg"]):
        Path("a.pgm").write_bytes(b"P5 8 8 255 " + bytes(64))
        with pytest.raises(MediaError, match=r'^my: no such file or folder\. .* quotes: "my photos 2024"[.]$'):
            Sources(names)
    with pytest.raises(MediaError, match=r"^my: no such file or folder[.]$"):
        Sources(["my", "pictures", "2024"])


@pytest.mark.parametrize("there", [True, False])
def test_a_pipe_is_called_by_its_name_where_it_has_one(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.lexists", lambda path: there)
    with pytest.raises(MediaError, match="-: name a file") as said:
        Sources(["-"])
    assert ("/dev/stdin" in str(said.value)) == there


def test_the_rows_of_a_stopped_run_are_called_as_they_were_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with RowWriter(tmp_path / "a.jsonl", classes=("happy",)) as writer:
        writer.write(Reading("a.jpg"))
    (tmp_path / "a.jsonl").rename(tmp_path / ".rows.csv.part.jsonl")  # as whoever is killed leaves them
    with pytest.raises(DataError, match=r"rows\.csv: a run that was stopped left rows for it") as found:
        RowWriter(path, classes=("happy",))
    assert "part.jsonl" not in str(found.value)
    (tmp_path / ".rows.csv.part.jsonl").write_text("nothing\n")
    with pytest.raises(DataError, match=r"rows\.csv: line 1 isn't") as found:
        RowWriter(path, classes=("happy",), resume=True)
    assert "part.jsonl" not in str(found.value)


def test_what_a_system_keeps_on_a_drive_isn_t_read(photo: Path, tmp_path: Path) -> None:
    for name in (
        "a.jpg",
        "$RECYCLE.BIN/S-1-5/$R1.jpg",
        "System Volume Information/x.jpg",
        "__MACOSX/a.jpg",
        "@eaDir/a.jpg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(photo.read_bytes())
    assert [Path(frame.source).name for frame in Sources([tmp_path])] == ["a.jpg"]


def test_a_name_that_ends_in_the_middle_of_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.recognition.named.WINDOWS", True)
    with pytest.raises(MediaError, match=r"leave the last \\ off"):
        Sources(['.\\my photos" --out faces.csv'])


def test_a_pattern_for_all_that_is_below_gives_photos_their_own_names(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "2023").mkdir()
    for name in ("2023/x.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(photo.read_bytes())
    (tmp_path / "00-best").symlink_to("2023")
    found = [Path(frame.source).relative_to(tmp_path).as_posix() for frame in Sources([f"{tmp_path}/**"])]
    assert sorted(found) == ["2023/x.jpg", "b.jpg"]
