import errno
import os
import shutil
import stat
from contextlib import nullcontext
from pathlib import Path

import pytest

from mien.errors import DataError
from mien.files import alone, atomic_write, files_below, holding, printable, put_between, replacing


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


def test_names_are_shown_but_for_what_steers_a_terminal() -> None:
    for name in (
        "\u0645\u06cc\u200c\u0631\u0648\u062f.jpg",
        "\U0001f468\u200d\U0001f469.jpg",
        "a\u3000b.jpg",
    ):  # Persian, emoji
        assert printable(name) == name
    assert printable("a\tb") == "a b"
    for sign in "\n\r\x1b\x9b\u202e\u2066\u200f\ufeff\udcff":
        assert printable(f"a{sign}b") == "a\ufffdb"


def test_a_table_goes_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- board: made by `mien board`, don't edit -->\nold\n<!-- /board -->\nafter\n")
    for _ in range(2):
        put_between(page, "board", "| new |\n")
    text = page.read_text()
    assert "old" not in text
    assert text.count("| new |") == 1
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    page.write_text("no marks")
    with pytest.raises(DataError, match="no place"):
        put_between(page, "board", "| new |\n")
    assert page.read_text() == "no marks"
    with pytest.raises(DataError, match=r"none\.md: can't read this file"):
        put_between(tmp_path / "none.md", "board", "")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other locks")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EIO])
def test_where_there_are_no_locks_nobody_is_kept_out(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(file: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    expected = pytest.raises(OSError, match=os.strerror(number)) if number == errno.EIO else nullcontext()
    for _ in range(2):
        with expected, holding(tmp_path / ".lock", DataError("taken")):
            (tmp_path / "work").touch()
    assert (tmp_path / "work").exists() == (number != errno.EIO)


def test_a_place_is_held_alone_and_the_lock_goes_with_whoever_held_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, busy = tmp_path / "new" / "out.faces", DataError("taken")
    for _ in range(2):
        with alone(place, busy):
            with pytest.raises(DataError, match="taken"), alone(place, busy):
                pass
            with alone(place.with_name("other.faces"), busy):
                pass
            assert os.listdir(place.parent) == [".out.faces.lock"]
        assert not place.parent.exists()  # nothing came into it
    (tmp_path / "folders" / ".out.lock").mkdir(parents=True)
    with pytest.raises(OSError, match=r"Is a directory|denied") as told, alone(tmp_path / "folders" / "out", busy):
        pass
    assert told.value.filename == str(tmp_path / "folders" / "out")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=r"Is a directory|denied") as told, alone(Path("folders", "out"), busy):
        pass
    assert told.value.filename == str(Path("folders", "out"))
    if Path("/proc/self").exists():  # where nobody makes files
        with pytest.raises(FileNotFoundError), alone("/proc/out", busy):
            pass


def test_a_lock_that_is_gone_when_it_is_looked_at_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever held it took it along in between; only where none can ever be made that is what is told."""
    from filelock import FileLock, Timeout

    own, tried = FileLock.acquire, []

    def late(self: FileLock, *rest: object, **more: object) -> object:
        tried.append(self.lock_file)
        if len(tried) < 3:
            raise Timeout(self.lock_file)
        return own(self, *rest, **more)

    monkeypatch.setattr(FileLock, "acquire", late)
    with alone(tmp_path / "out", DataError("taken")):
        assert len(tried) == 3


def test_linked_folders_are_gone_through_once_and_circles_end(tmp_path: Path) -> None:
    for name in ("top/b.png", "top/inner/a.png", "top/.git/x.png", "elsewhere/deep/c.png", "elsewhere/d.png"):
        atomic_write(tmp_path / name, "")
    top = tmp_path / "top"
    (top / "inner" / "round").symlink_to(top)
    (top / "a link").symlink_to(top / "inner")  # what is there itself keeps its name
    (top / "linked").symlink_to(tmp_path / "elsewhere")
    (top / "once more").symlink_to(tmp_path / "elsewhere")
    (top / "nowhere").symlink_to(tmp_path / "none")
    unread: list[OSError] = []
    found = list(files_below(top, left_out=lambda name: name.startswith("."), unread=unread.append))
    names = ["b.png", "nowhere", "inner/a.png", "linked/d.png", "linked/deep/c.png"]
    assert found == [top / name for name in names]
    assert not unread
    shutil.rmtree(top)
    assert list(files_below(top, left_out=lambda name: False, unread=unread.append)) == []
    assert [type(error) for error in unread] == [FileNotFoundError]
