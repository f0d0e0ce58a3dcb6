"""Sets larger than memory: built once from pictures, stopped and gone on with, mapped, never half."""

import hashlib
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.cli import main
from mien.data.drawn import draw, drawn_faces
from mien.data.faces import FaceSet
from mien.data.folder import list_folder, load_folder
from mien.data.listing import SIZE
from mien.data.load import load_faces
from mien.data.mapped import BLOCK, _Building, convert_listing, load_mapped, save_mapped
from mien.data.pages import let_go, mapped
from mien.data.splits import Splits
from mien.errors import DataError


def sums(splits: Splits) -> list[str]:
    return [faces.checksum for _, faces in splits]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for number, (image, label) in enumerate(zip(*_drawn(), strict=True)):
        path = root / f"kind {label % 3}" / f"{number:03d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return root


def _drawn() -> tuple[np.ndarray, np.ndarray]:
    faces = draw(90, seed=3)
    return faces.images, faces.labels


@pytest.mark.parametrize("rgb", [False, True])
def test_pictures_become_the_same_faces(photos: Path, tmp_path: Path, rgb: bool) -> None:
    convert_listing(list_folder(photos), tmp_path / "out.faces", size=32, rgb=rgb)
    found = load_faces(tmp_path / "out.faces")
    assert sums(found) == sums(load_folder(photos, size=32, rgb=rgb))
    assert mapped(found.train.images)
    assert found.train.rows.tolist() == load_folder(photos).train.rows.tolist()
    let_go(found.train.images)
    assert sums(found) == sums(load_folder(photos, size=32, rgb=rgb))
    assert not [path for path in tmp_path.iterdir() if path.name != "out.faces"]


def test_faces_in_memory_become_the_same_faces(tmp_path: Path) -> None:
    splits = drawn_faces(300)
    save_mapped(splits, tmp_path / "drawn.faces")
    assert sums(load_mapped(tmp_path / "drawn.faces")) == sums(splits)
    with pytest.raises(DataError, match="something at this place already"):
        save_mapped(splits, tmp_path / "drawn.faces")


@pytest.mark.parametrize("rgb", [False, True])
def test_mapped_faces_go_to_another_process_as_their_place_on_disk(photos: Path, tmp_path: Path, rgb: bool) -> None:
    convert_listing(list_folder(photos), tmp_path / "out.faces", size=64, rgb=rgb)
    whole = load_mapped(tmp_path / "out.faces").train
    for faces in (whole, whole[7:], whole[7:][20:21], whole[5:50][3:9]):
        sent = pickle.dumps(faces)
        assert len(sent) < 5000
        there = pickle.loads(sent)
        assert mapped(there.images)
        assert (there.checksum, there.images.shape) == (faces.checksum, faces.images.shape)
        assert pickle.loads(pickle.dumps(there[:1])).checksum == faces[:1].checksum
    column = np.memmap(whole.images.filename, np.uint8, "r", 128, (10, 8, 8), "F")
    private = np.memmap(whole.images.filename, np.uint8, "c", 128, (10, 8, 8))
    private[0] = 77
    for images in (whole.images[::2], whole.images[[3, 1]], whole.images[:0], np.array(whole.images), column, private):
        faces = FaceSet(images, np.zeros(len(images), np.int64))
        assert pickle.loads(pickle.dumps(faces)).checksum == faces.checksum


def test_faces_whose_file_is_gone_or_cut_off_dont_arrive(tmp_path: Path) -> None:
    save_mapped(drawn_faces(70), tmp_path / "out.faces")
    sent = pickle.dumps(load_mapped(tmp_path / "out.faces").train)
    images = tmp_path / "out.faces" / "train_images.npy"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"train_images\.npy: the faces in it can't be mapped into this process"):
        pickle.loads(sent)
    images.unlink()
    with pytest.raises(DataError, match="No such file"):
        pickle.loads(sent)


class Stop(Exception):
    """What a kill is to this process."""


@pytest.mark.parametrize("at", [1, 40, 89])
def test_a_stopped_building_goes_on(photos: Path, tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.data.mapped.BLOCK", 8)
    out = tmp_path / "out.faces"

    def stop(done: int, total: int) -> None:
        if done == at:
            raise Stop

    with pytest.raises(Stop):
        convert_listing(list_folder(photos), out, tick=stop)
    assert not out.exists()
    seen: list[int] = []
    convert_listing(list_folder(photos), out, tick=lambda done, total: seen.append(done))
    assert seen[0] == at // 8 * 8 + 1  # what was noted isn't decoded again
    assert sums(load_mapped(out)) == sums(load_folder(photos))


def test_a_building_of_other_pictures_begins_anew(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.data.mapped.BLOCK", 8)

    def stop(done: int, total: int) -> None:
        if done == 50:
            raise Stop

    with pytest.raises(Stop):
        convert_listing(list_folder(photos), tmp_path / "out.faces", size=32, tick=stop)
    convert_listing(list_folder(photos), tmp_path / "out.faces", size=40)
    assert sums(load_mapped(tmp_path / "out.faces")) == sums(load_folder(photos, size=40))


def test_two_conversions_to_one_place_dont_mix(photos: Path, tmp_path: Path) -> None:
    out, tried = tmp_path / "out.faces", []

    def another(done: int, total: int) -> None:
        if done == 50:
            for convert in (
                lambda: convert_listing(list_folder(photos), out, size=32),
                lambda: save_mapped(drawn_faces(70), out),
            ):
                with pytest.raises(DataError, match=r"out\.faces: another conversion is at work there"):
                    convert()
                tried.append(convert)

    convert_listing(list_folder(photos), out, tick=another)
    assert len(tried) == 2
    assert sums(load_mapped(out)) == sums(load_folder(photos))
    assert os.listdir(tmp_path) == ["out.faces"]


def test_pictures_that_were_changed_since_are_read_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.data.mapped.BLOCK", 8)
    shutil.copytree(photos, tmp_path / "own")
    out = tmp_path / "out.faces"

    def stop(done: int, total: int) -> None:
        if done == 50:
            raise Stop

    def first_read(root: Path) -> int:
        seen: list[int] = []
        with pytest.raises(Stop):
            convert_listing(list_folder(root), out, tick=lambda done, total: seen.append(done) or stop(done, total))
        return seen[0]

    assert first_read(tmp_path / "own") == 1
    paths = [file.path for file in list_folder(tmp_path / "own").files]
    os.utime(paths[60])  # it hasn't been read yet
    (tmp_path / "own").rename(tmp_path / "moved")
    assert first_read(tmp_path / "moved") == 49
    changed = tmp_path / "moved" / paths[20].relative_to(tmp_path / "own")
    size = changed.stat().st_size
    Image.new("L", (48, 48), 9).save(changed)
    changed.write_bytes(changed.read_bytes().ljust(size, b"\0"))  # as long as it was
    convert_listing(list_folder(tmp_path / "moved"), out)
    assert sums(load_mapped(out)) == sums(load_folder(tmp_path / "moved"))


NOTES = [
    *("[]", "null", "[" * 100_000, '{"done": 8, "bad": []}', '{"key": KEY}'),
    *('{"key": KEY, "read": READ, "done": 48, "bad": [{"row": 3}]}',),
    *('{"key": KEY, "read": READ, "done": 4800, "bad": []}',),
    *('{"key": KEY, "read": READ, "done": "48", "bad": [[[3], "a", "b"]]}',),
]


@pytest.mark.parametrize("text", NOTES)
def test_a_damaged_note_lets_it_begin_anew(
    photos: Path, tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.data.mapped.BLOCK", 8)

    def stop(done: int, total: int) -> None:
        if done == 50:
            raise Stop

    with pytest.raises(Stop):
        convert_listing(list_folder(photos), tmp_path / "out.faces", tick=stop)
    note = tmp_path / ".out.faces.part" / "state.json"
    state = json.loads(note.read_text())
    assert state["done"] == 48
    for name in ("key", "read"):
        text = text.replace(name.upper(), json.dumps(state[name]))
    note.write_text(text)
    seen: list[int] = []
    convert_listing(list_folder(photos), tmp_path / "out.faces", tick=lambda done, total: seen.append(done))
    assert seen[0] == 1
    assert sums(load_mapped(tmp_path / "out.faces")) == sums(load_folder(photos))


def test_what_cant_be_put_in_place_isnt_decoded_again(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.faces"

    def put_in_the_way(done: int, total: int) -> None:
        if done == total:
            (out / "mine").mkdir(parents=True)

    with pytest.raises(OSError, match=r"out\.faces"):
        convert_listing(list_folder(photos), out, tick=put_in_the_way)
    shutil.rmtree(out)
    seen: list[int] = []
    convert_listing(list_folder(photos), out, tick=lambda done, total: seen.append(done))
    assert seen == []
    assert sums(load_mapped(out)) == sums(load_folder(photos))
    assert not (out / "state.json").exists()


def test_bad_pictures_are_named_mended_or_left_out(photos: Path, tmp_path: Path) -> None:
    own, out = tmp_path / "own", tmp_path / "out.faces"
    for path in photos.rglob("*.png"):
        (own / path.parent.name).mkdir(parents=True, exist_ok=True)
        (own / path.parent.name / path.name).write_bytes(path.read_bytes())
    bad = sorted(own.rglob("*.png"))[10:60:20]
    kept = {path: path.read_bytes() for path in bad}
    for path in bad:
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="3 bad rows"):
        convert_listing(list_folder(own), out)
    bad[0].write_bytes(kept[bad[0]])
    seen: list[int] = []
    with pytest.raises(DataError, match="2 bad rows"):
        convert_listing(list_folder(own), out, tick=lambda done, total: seen.append(done))
    assert seen[0] == 11  # those before it aren't decoded again
    convert_listing(list_folder(own), out, skip_bad_rows=True)
    found = load_mapped(out)
    assert found.left_out == 2
    assert sums(found) == sums(load_folder(own, skip_bad_rows=True))


def test_mended_then_stopped_then_left_out_no_picture_gets_anothers_label(photos: Path, tmp_path: Path) -> None:
    """From the mended one on all faces move by one: what is noted must not be believed of the old places."""
    shutil.copytree(photos, tmp_path / "own")
    own, out = tmp_path / "own", tmp_path / "out.faces"
    bad = sorted(own.rglob("*.png"))[5]
    whole = bad.read_bytes()
    bad.write_bytes(b"no picture")
    with pytest.raises(DataError, match="1 bad row"):
        convert_listing(list_folder(own), out)
    bad.write_bytes(whole)

    def stop(done: int, _: int) -> None:
        if done == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_listing(list_folder(own), out, tick=stop)
    convert_listing(list_folder(own), out, skip_bad_rows=True)
    assert sums(load_mapped(out)) == sums(load_folder(own))


def test_a_class_of_which_nothing_can_be_read_is_said(tmp_path: Path) -> None:
    for name in ("happy/1.png", "happy/2.png", "sad/1.png", "sad/2.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(1).images[0]).save(tmp_path / "photos" / name)
    for path in (tmp_path / "photos" / "sad").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="none of the training images of 'sad' can be read"):
        convert_listing(list_folder(tmp_path / "photos"), tmp_path / "out.faces", skip_bad_rows=True)
    assert main(["data", "convert", str(tmp_path / "photos"), str(tmp_path / "out.faces"), "--skip-bad-rows"]) == 1


def test_bad_pictures_that_are_left_out_are_told_of(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    next((tmp_path / "photos" / "kind 0").iterdir()).write_bytes(b"no picture")
    assert main(["data", "convert", str(tmp_path / "photos"), str(tmp_path / "out.faces"), "--skip-bad-rows"]) == 0
    assert "1 bad row was left out" in capsys.readouterr().err


def test_damage_is_told(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.faces"
    convert_listing(list_folder(photos), out)
    images = out / "train_images.npy"
    whole = images.read_bytes()
    images.write_bytes(whole[:-1])
    with pytest.raises(DataError, match="cut off"):
        load_faces(out)
    images.write_bytes(b"nothing")
    with pytest.raises(DataError, match="Convert it again"):
        load_faces(out)
    images.write_bytes(whole)
    head = json.loads((out / "faces.json").read_text())
    (out / "faces.json").write_text(json.dumps({**head, "classes": 3}))
    with pytest.raises(DataError, match="damaged"):
        load_faces(out)


def _put(**parts: object) -> Callable[[Path], None]:
    def put(out: Path) -> None:
        for kind, array in parts.items():
            np.save(out / f"train_{kind}.npy", array)

    return put


def _head(**said: object) -> Callable[[Path], None]:
    def put(out: Path) -> None:
        head = json.loads((out / "faces.json").read_text())
        (out / "faces.json").write_text(json.dumps({**head, **said}))

    return put


def _terabytes(out: Path) -> None:
    with (out / "train_targets.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<i8", "fortran_order": False, "shape": (1 << 50,)})


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(_put(images=np.uint8(3)), id="one number"),
        pytest.param(_put(images=np.zeros((48, 48, 1000), np.uint8).T), id="columns first"),
        pytest.param(_put(images=np.zeros((1000, 0, 48), np.uint8)), id="no pixels"),
        pytest.param(_put(marks=np.full((50, 2), "")), id="two marks a face"),
        pytest.param(_terabytes, id="terabytes"),
        pytest.param(_head(left_out=float("inf")), id="infinity"),
        pytest.param(_head(classes=["happy"] * 7), id="classes alike"),
        pytest.param(lambda out: (out / "faces.json").write_text("[" * 100_000), id="deep"),
        pytest.param(
            lambda out: os.remove(out / "val_rows.npy") or os.mkfifo(out / "val_rows.npy"),
            id="a pipe",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="it has no such pipes in folders"),
        ),
    ],
)
def test_somebody_elses_folder_is_faces_or_an_error(damage: Callable[[Path], None], tmp_path: Path) -> None:
    save_mapped(drawn_faces(70), tmp_path / "out.faces")
    assert len(load_mapped(tmp_path / "out.faces").train) == 50
    damage(tmp_path / "out.faces")
    with pytest.raises(DataError):
        load_mapped(tmp_path / "out.faces")


def test_notes_are_far_enough_apart() -> None:
    assert BLOCK >= 512  # each waits for the disk


def test_nothing_is_built_through_links_that_another_put_there(photos: Path, tmp_path: Path) -> None:
    out, part, other = tmp_path / "out.faces", tmp_path / ".out.faces.part", tmp_path / "other"
    other.mkdir()
    part.symlink_to(other)
    with pytest.raises(DataError, match=r"\.out\.faces\.part: a link"):
        convert_listing(list_folder(photos), out)
    part.unlink()

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_listing(list_folder(photos), out, tick=stop)
    state = {"key": _Building(part, list_folder(photos), SIZE, False).key, "done": 0, "bad": []}
    (part / "state.json").write_text(json.dumps(state | {"read": hashlib.sha256().hexdigest()}))
    (part / "train_images.npy").unlink(missing_ok=True)
    (part / "train_images.npy").symlink_to(other / "victim")
    with pytest.raises(OSError, match="links"):
        convert_listing(list_folder(photos), out)
    assert list(other.iterdir()) == []
