"""A folder as pieces of bounded size, and back."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mien.errors import CheckpointError
from mien.files import atomic_write
from mien.shards import INDEX, pack, unpack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "work" / "teacher-0"
    home.mkdir(parents=True)
    (home / "state.pt").write_bytes(os.urandom(25_000))
    (home.parent / "notes.txt").write_text("hello")
    return home.parent


def test_pieces_stay_below_the_bound_and_come_back_whole(folder: Path, tmp_path: Path) -> None:
    pieces = pack(folder, tmp_path / "out", 10_000)
    assert len(pieces) == 3
    assert all(piece.stat().st_size <= 10_000 for piece in pieces)
    assert unpack(tmp_path / "out", tmp_path / "back")
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert (tmp_path / "back" / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_packing_again_leaves_only_the_new_pieces(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "out", 10_000)
    (folder / "teacher-0" / "state.pt").unlink()
    pieces = pack(folder, tmp_path / "out", 10_000)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {INDEX, *(piece.name for piece in pieces)}
    unpack(tmp_path / "out", tmp_path / "back")
    assert not (tmp_path / "back" / "teacher-0" / "state.pt").exists()


def test_what_a_stopped_pack_left_is_removed_and_the_old_index_isnt_asked(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("state-0a1b2c3d.000", ".11223344.state-0a1b2c3d.001", "state-final-1.000", "mine.txt"):
        (out / name).write_text("left")
    (out / INDEX).write_text("{")
    pieces = pack(folder, out, 10_000)
    kept = {INDEX, "state-final-1.000", "mine.txt", *(piece.name for piece in pieces)}
    assert {path.name for path in out.iterdir()} == kept
    assert unpack(out, tmp_path / "back")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
@pytest.mark.parametrize("packed", [True, False])
def test_a_pack_that_fails_leaves_what_was_there(folder: Path, tmp_path: Path, packed: bool) -> None:
    """A limit on the size of files fails the second piece, as a full disk does."""
    out = tmp_path / "out"
    if packed:
        pack(folder, out, 10_000)
    before = {path: path.read_bytes() for path in out.iterdir()} if packed else {}
    (folder / "teacher-0" / "state.pt").write_bytes(b"1" * 20_000 + os.urandom(20_000))
    code = (
        "import resource, sys, mien.shards as shards; whole = shards.atomic_write\n"
        "def second(path, content):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000 if path.name.endswith('.001') else -1, -1))\n"
        "    whole(path, content)\n"
        "shards.atomic_write = second\n"
        "shards.pack(sys.argv[1], sys.argv[2], 10_000)"
    )
    for _ in range(2):
        line = [sys.executable, "-c", code, str(folder), str(out)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert re.search(r"File too large: '.*\.001'$", done.stderr.strip()), done.stderr
        assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_pieces_of_a_pack_that_was_killed_make_room_first(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, seen = tmp_path / "out", list[set[str]]()
    pieces = pack(folder, out, 10_000)
    for name in ("state-0a1b2c3d.000", ".11223344.state-0a1b2c3d.001"):
        (out / name).write_text("left")

    def write(path: Path, content: bytes) -> None:
        seen.append(set(os.listdir(out)))
        atomic_write(path, content)

    monkeypatch.setattr("mien.shards.atomic_write", write)
    pack(folder, out, 10_000)
    assert seen[0] == {INDEX, *(piece.name for piece in pieces)}


def test_files_of_a_machine_without_a_clock_are_packed(folder: Path, tmp_path: Path) -> None:
    os.utime(folder / "notes.txt", (0, 0))
    pack(folder, tmp_path / "out", 10_000)
    assert unpack(tmp_path / "out", tmp_path / "back")
    assert (tmp_path / "back" / "notes.txt").read_text() == "hello"


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_pieces_that_are_no_state_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "piece").write_bytes(content)
    shards = {"piece": hashlib.sha256(content).hexdigest()} if content else {}
    (tmp_path / INDEX).write_text(json.dumps({"shards": shards}))
    with pytest.raises(CheckpointError, match=r"shards\.json: its pieces aren't a state"):
        unpack(tmp_path, tmp_path / "back")


def zipped(*names: str, size: int = 9, packed: int = zipfile.ZIP_STORED, bits: int = 0) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", packed) as archive:
        for name in names:
            archive.writestr(name, bytes(size))
    content = bytearray(held.getvalue())
    content[content.index(b"PK\1\2") + 8] |= bits
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(zipped("a", size=1_000_000, packed=zipfile.ZIP_DEFLATED), id="a bomb"),
        pytest.param(zipped("a", packed=zipfile.ZIP_LZMA), id="compressed"),
        pytest.param(zipped("a", bits=1), id="encrypted"),
        pytest.param(zipped("a", "a/b"), id="a file in a file"),
        pytest.param(
            zipped("a").replace(b"PK\1\2\x14\x03\x14\0\0\0\0\0", b"PK\1\2\x14\x03\x14\0\0\0\x63\0"), id="odd kind"
        ),
    ],
)
def test_archives_that_pack_never_writes_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "piece").write_bytes(content)
    (tmp_path / INDEX).write_text(json.dumps({"shards": {"piece": hashlib.sha256(content).hexdigest()}}))
    with pytest.raises(CheckpointError, match=r"shards\.json: its pieces aren't a state"):
        unpack(tmp_path, tmp_path / "back")
    assert sum(path.stat().st_size for path in tmp_path.glob("back/*")) < 100


def test_nothing_there_is_no_error(tmp_path: Path) -> None:
    assert not unpack(tmp_path, tmp_path / "back")


def test_a_damaged_or_missing_piece_is_refused(folder: Path, tmp_path: Path) -> None:
    first, *_ = pack(folder, tmp_path / "out", 10_000)
    whole = first.read_bytes()
    first.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="damaged"):
        unpack(tmp_path / "out", tmp_path / "back")
    first.unlink()
    with pytest.raises(CheckpointError, match="can't read this piece"):
        unpack(tmp_path / "out", tmp_path / "back")
    (tmp_path / "out" / INDEX).write_text(json.dumps({"shards": {"a\0b": ""}}))
    with pytest.raises(CheckpointError, match="can't read this piece"):
        unpack(tmp_path / "out", tmp_path / "back")


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"shards": {"../x": "0"}}), "[" * 100_000])
def test_a_foreign_index_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(CheckpointError, match="not an index"):
        unpack(tmp_path, tmp_path / "back")
