"""A folder as pieces of bounded size, and back."""

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from mien.errors import CheckpointError
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
    first.write_bytes(whole[:-1] + b"?")
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
