import io

import numpy as np
import pytest
from fer2013_files import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.errors import DataError


def npz() -> bytes:
    held = io.BytesIO()
    one = FaceSet(np.zeros((2, 4, 4), np.uint8), [0, 1])
    names = {f"{split}_{key}": value for split in ("train", "val", "test") for key, value in one._arrays("").items()}
    np.savez_compressed(held, **names, classes=np.array(one.classes))
    return held.getvalue()


NPZ = npz()


def _changed(changes: list[tuple[int, bytes]]) -> bytes:
    content = NPZ
    for at, new in changes:
        content = content[:at] + new + content[at + len(new) :]
    return content


CHANGES = st.lists(st.tuples(st.integers(0, len(NPZ) - 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=3)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("mien.data.arrays.MOST", 1 << 20)
    np.savez_compressed(tmp_path / "bomb.npz", images=np.zeros(2 << 20, np.uint8))
    with pytest.raises(DataError, match=r"bomb\.npz: .* 2,097,[0-9]+ once it is unpacked"):
        Splits.load(tmp_path / "bomb.npz")
    assert len(Splits.load(write(tmp_path / "faces.npz", NPZ)).train) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=60).map(lambda end: b"PK\x03\x04" + end),
        st.integers(0, len(NPZ)).map(lambda cut: NPZ[:cut]),
        CHANGES.map(_changed),
    )
)
def test_any_bytes_as_npz_give_splits_or_a_data_error(tmp_path, content):
    try:
        splits = Splits.load(write(tmp_path / "any.npz", content))
    except DataError:
        return
    assert isinstance(splits, Splits)


def test_one_set_is_not_taken_for_the_three(tmp_path):
    FaceSet(np.zeros((2, 4, 4), np.uint8), [0, 1]).save(tmp_path / "val.npz")
    with pytest.raises(DataError, match=r"one set of faces \(FaceSet\.save\)"):
        Splits.load(tmp_path / "val.npz")
