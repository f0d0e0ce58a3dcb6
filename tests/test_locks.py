import errno
import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from mien.errors import DataError
from mien.locks import alone, holding


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
