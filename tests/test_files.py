import os
import stat
from pathlib import Path

import pytest

from mien.files import atomic_write, replacing


def test_atomic_write_replaces_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "note.txt"
    atomic_write(path, "first")
    atomic_write(path, "zweite Fassung: ä")
    assert path.read_text("utf-8") == "zweite Fassung: ä"
    atomic_write(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(path.parent) == ["note.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    atomic_write(path, "old")

    def fail() -> None:
        with replacing(path) as beside:
            beside.write_text("half of the new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["note.txt"]


@pytest.mark.parametrize("refusals", [2, 1000])
def test_where_windows_refuses_a_file_that_is_held_it_is_tried_for_a_moment(
    refusals: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, left, replace = tmp_path / "rows.csv", [refusals], os.replace
    atomic_write(path, "old")

    def refused(beside: Path, place: Path) -> None:
        if left[0]:
            left[0] -= 1
            raise PermissionError(13, "Access is denied", str(beside), 5, str(place))
        replace(beside, place)

    def held(file: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "the file is open", str(file))

    monkeypatch.setattr("mien.files._HELD_SECONDS", 0.2)
    monkeypatch.setattr(os, "replace", refused)
    if refusals == 2:
        atomic_write(path, "new")
        assert path.read_text() == "new"
        return
    monkeypatch.setattr(Path, "unlink", held)
    with pytest.raises(PermissionError, match="Access is denied") as told:
        atomic_write(path, "new")
    assert told.value.filename == str(path)
    assert path.read_text() == "old"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_the_file_has_ordinary_permissions(tmp_path: Path) -> None:
    plain, atomic = tmp_path / "plain", tmp_path / "atomic"
    plain.write_text("x")
    atomic_write(atomic, "x")
    assert stat.S_IMODE(atomic.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
