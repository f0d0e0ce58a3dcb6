"""Cleaned data sets: only what was chosen goes, every decision is written down, no file is half written."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.data.splits import Splits
from mien.doctor.clean import write_clean
from mien.doctor.examine import KINDS, Diagnosis, examine
from mien.doctor.mislabels import Suspects
from mien.errors import DataError


@pytest.fixture(scope="module")
def diagnosis(planted: Splits) -> Diagnosis:
    (found,) = examine(planted, skip=("nonfaces", "mislabels"))
    return found


def manifest(path: Path) -> tuple[dict, list[dict]]:
    first, *rest = map(json.loads, path.read_text().splitlines())
    return first, rest


def test_only_what_was_chosen_is_left_out(diagnosis: Diagnosis, planted: Splits, tmp_path: Path) -> None:
    out = tmp_path / "new" / "clean.npz"
    written = write_clean(diagnosis, out, drop=["leaks", "constant"])
    clean = Splits.load(out)
    for name, gone in (("train", [30, 31]), ("val", [0, 1]), ("test", [3])):
        kept = np.delete(np.arange(len(planted[name])), gone)
        assert np.array_equal(clean[name].images, planted[name].images[kept])
        assert np.array_equal(clean[name].targets, planted[name].targets[kept])
        assert np.array_equal(clean[name].rows, planted[name].rows[kept])
    assert (written.kept, written.dropped, written.moved, written.aside) == (415, 5, 0, None)
    assert written.lost == {"train": 2, "val": 2, "test": 1}
    whole, faces = manifest(written.manifest)
    assert whole["drop"] == ["leaks", "constant"]
    assert whole["checksums"]["train"] == planted.train.checksum
    assert whole["found"]["copies"] == 5
    decided = {(face["split"], face["row"]): (face["decision"], face["found"]) for face in faces}
    assert decided["val", 1] == ("dropped", ["copies", "leaks", "conflicts"])
    assert decided["train", 10] == ("kept", ["copies"])  # found, but not chosen
    assert decided["train", 6] == ("kept", ["leaking", "conflicts"])
    assert decided["train", 32] == ("kept", ["faint"])
    assert next(face for face in faces if face["row"] == 10)["like"]["row"] == 9
    assert sorted(p.name for p in out.parent.iterdir()) == ["clean.manifest.jsonl", "clean.npz"]


def test_what_is_moved_can_be_looked_at(diagnosis: Diagnosis, planted: Splits, tmp_path: Path) -> None:
    written = write_clean(diagnosis, tmp_path / "clean.npz", drop=["constant"], move=["copies", "faint"])
    assert written.aside == tmp_path / "clean.aside.npz"
    aside = Splits.load(written.aside)
    assert aside.train.rows.tolist() == [10, 32]  # 31 is constant, too, and dropped
    assert [len(faces) for _, faces in aside] == [2, 2, 1]
    assert np.array_equal(aside.train.images[0], planted.train.images[9])
    _, faces = manifest(written.manifest)
    said = [face["decision"] for face in faces]
    assert (said.count("dropped"), said.count("moved")) == (2, 5)
    assert (written.dropped, written.moved) == (2, 5)
    other = write_clean(diagnosis, tmp_path / "other.npz", drop=["copies"], move=["constant"])
    assert other.aside is not None
    assert Splits.load(other.aside).train.rows.tolist() == [30]  # 31 is a copy of it, too, and dropped


def test_a_cleaned_set_has_none_of_it_left(diagnosis: Diagnosis, tmp_path: Path) -> None:
    kinds = [kind for kind in KINDS if kind not in ("nonfaces", "mislabels", "leaking")]
    write_clean(diagnosis, tmp_path / "clean.npz", drop=kinds)
    (again,) = examine(Splits.load(tmp_path / "clean.npz"), skip=("nonfaces", "mislabels"))
    assert not any(again.mask(kind).any() for kind in kinds)


def test_what_cant_be_done(diagnosis: Diagnosis, tmp_path: Path) -> None:
    out = tmp_path / "clean.npz"
    for drop, move, said in (
        (["ugly"], [], "no finding 'ugly'"),
        (["copies"], ["copies"], "both dropped and moved"),
        (["nonfaces"], [], "nonfaces wasn't examined: it was skipped"),
    ):
        with pytest.raises(DataError, match=said):
            write_clean(diagnosis, out, drop=drop, move=move)
    with pytest.raises(DataError, match=r"\.npz"):
        write_clean(diagnosis, tmp_path / "clean.csv", drop=["copies"])
    assert not list(tmp_path.iterdir())


def test_a_writer_that_fails_leaves_the_old_file(
    diagnosis: Diagnosis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "clean.npz"
    out.write_bytes(b"old")
    real = np.savez

    def full(file: Path, **arrays: np.ndarray) -> None:
        real(file, **dict(list(arrays.items())[:3]))
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        write_clean(diagnosis, out, drop=["copies"])
    assert out.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["clean.npz", "clean.aside.npz"])
def test_the_data_set_itself_is_never_overwritten(planted: Splits, tmp_path: Path, name: str) -> None:
    planted.save(tmp_path / name)
    before = (tmp_path / name).read_bytes()
    (found,) = examine(Splits.load(tmp_path / name), skip=("nonfaces", "mislabels"))
    with pytest.raises(DataError, match="it is the data set itself, which would be overwritten"):
        write_clean(found, tmp_path / "clean.npz", drop=["copies"], move=["faint"])
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_neither_is_one_that_votes_were_joined_to(planted: Splits, tmp_path: Path) -> None:
    planted.save(tmp_path / "faces.npz")
    joined = replace(Splits.load(tmp_path / "faces.npz"), source=f"faces.npz + {'votes' * 60}.csv")
    (found,) = examine(joined, skip=("nonfaces", "mislabels"))
    with pytest.raises(DataError, match="it is the data set itself"):
        write_clean(found, tmp_path / "faces.npz", drop=["copies"])


def test_an_examination_that_was_stopped_is_enough_for_what_it_found(planted: Splits, tmp_path: Path) -> None:
    found = next(iter(examine(planted)))
    written = write_clean(found, tmp_path / "clean.npz", drop=["constant"])
    assert written.dropped == 2
    assert "nonfaces" not in manifest(written.manifest)[0]["found"]
    with pytest.raises(DataError, match="mislabels wasn't examined"):
        write_clean(found, tmp_path / "clean.npz", drop=["mislabels"])


def test_of_each_picture_one_stays(planted: Splits, tmp_path: Path) -> None:
    """Val 0 and 1 and test 3 stand in train, too; train 10 is train 9."""
    (found,) = examine(planted, skip=("nonfaces", "mislabels"))
    for drop, lost in (
        (["copies", "leaking"], {"train": 5, "val": 0, "test": 0}),  # train 5, 6, 20 and 10; 31 is a copy of 30
        (["leaking", "leaks"], {"train": 3, "val": 0, "test": 0}),
        (["copies", "leaks"], {"train": 2, "val": 2, "test": 1}),
    ):
        assert write_clean(found, tmp_path / "clean.npz", drop=drop).lost == lost


def test_a_copy_stays_when_its_earlier_face_goes_for_another_reason(planted: Splits, tmp_path: Path) -> None:
    (found,) = examine(planted, skip=("nonfaces", "mislabels"))
    known = np.arange(len(found.pool))
    nine = Suspects(np.roll(known, -9), 1, known % 7, np.zeros(len(known)), np.ones(len(known)), 0.5)
    found = replace(found, suspects=nine)
    write_clean(found, tmp_path / "clean.npz", drop=["copies", "mislabels"])
    rows = Splits.load(tmp_path / "clean.npz").train.rows
    assert 9 not in rows
    assert 10 in rows


def test_what_an_earlier_run_set_aside_goes_with_it(diagnosis: Diagnosis, tmp_path: Path) -> None:
    out = tmp_path / "clean.npz"
    aside = write_clean(diagnosis, out, move=["copies"]).aside
    assert aside
    assert aside.exists()
    assert write_clean(diagnosis, out, drop=["copies"]).aside is None
    assert not aside.exists()
