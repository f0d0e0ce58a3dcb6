"""Likely mislabels: the ranking by hand, and labels that were changed on purpose."""

import numpy as np
import pytest

from mien.data.drawn import drawn_faces
from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.doctor.groups import Groups
from mien.doctor.mislabels import out_of_sample, suspects
from mien.doctor.pool import Pool
from mien.errors import DataError


def test_the_ranking_by_hand() -> None:
    answers = np.array(
        [
            [0.8, 0.1, 0.1],  # 0: label 0
            [0.6, 0.3, 0.1],  # 1: label 0; thresholds: class 0 (0.8+0.6)/2 = 0.7, 1 (0.2+0.5)/2 = 0.35, 2 0.4
            [0.75, 0.2, 0.05],  # 2: label 1, reaches 0's threshold: a mislabel, margin -0.55
            [0.1, 0.5, 0.4],  # 3: label 1, reaches 1's and 2's; 1 is likelier: none
            [0.1, 0.5, 0.4],  # 4: label 2, reaches 1's and 2's; 1 is likelier: a mislabel, margin -0.1
            [0.9, 0.1, 0.0],  # 5: unlabelled
        ]
    )
    found = suspects(answers, np.array([0, 0, 1, 1, 2, -1]))
    assert found.count == 2
    assert found.order.tolist() == [2, 4, 3, 1, 0]
    assert found.suggested.tolist() == [0, 0, 0, 1, 1, 0]
    assert found.own[[2, 4]] == pytest.approx([0.2, 0.4])
    assert found.other[[2, 4]] == pytest.approx([0.75, 0.5])
    assert found.accuracy == pytest.approx(3 / 5)


def test_labels_changed_on_purpose_are_found() -> None:
    drawn = drawn_faces(400).train  # 280
    labels = drawn.labels.copy()
    wrong = np.random.default_rng(0).choice(len(labels), 24, replace=False)
    labels[wrong] = (labels[wrong] + 3) % 7
    faces = FaceSet(drawn.images, labels)
    pool = Pool(Splits(faces, faces[[]], faces[[]]))
    told: list[float] = []
    alone = Groups(np.arange(len(pool)))
    answers = out_of_sample(pool, alone, folds=2, tick=told.append)
    assert answers.sum(1) == pytest.approx(1, abs=1e-4)
    assert told == sorted(told)
    assert told[-1] == 1
    found = suspects(answers, pool.labels)
    place = np.flatnonzero(np.isin(found.order, wrong)) / len(found.order)
    assert place.mean() < 0.35  # by chance 0.5, give or take 0.06


def test_too_few_faces_to_say() -> None:
    faces = drawn_faces(20).train
    with pytest.raises(DataError, match="too few"):
        out_of_sample(Pool(Splits(faces, faces[[]], faces[[]])), Groups(np.arange(len(faces))))


def test_faces_alike_are_never_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    from mien.doctor import mislabels

    images = np.zeros((200, 24, 24), np.uint8)
    images[:, 0, 0] = np.arange(200)  # the name of each face
    faces = FaceSet(images, np.arange(200) % 7)
    first = np.arange(200) // 4 * 4
    seen: list[tuple[set[int], set[int]]] = []

    def watched(learn: FaceSet, held: FaceSet, *_: object) -> np.ndarray:
        seen.append((set(first[learn.images[:, 0, 0]]), set(first[held.images[:, 0, 0]])))
        return np.full((len(held), 7), held.images[:, 0, 0].astype(float)[:, None])

    monkeypatch.setattr(mislabels, "_answers", watched)
    answers = out_of_sample(Pool(Splits(faces, faces[[]], faces[[]])), Groups(first), folds=3)
    assert len(seen) == 3
    assert all(not learn & held for learn, held in seen)
    assert (answers[:, 0] == np.arange(200)).all()  # each face has its own answer


def test_a_suggestion_is_never_the_label_itself() -> None:
    """A sure class has a high threshold: its faces may miss that, be nearest to it, and reach another one's."""
    answers = np.array([[0.99, 0.01], [0.99, 0.01], [0.6, 0.4], [0.8, 0.2], [0.7, 0.3]])
    found = suspects(answers, np.array([0, 0, 0, 1, 1]))  # thresholds 0.86 and 0.25
    assert (found.order[: found.count].tolist(), found.suggested[2]) == ([2], 1)
    assert (found.own[2], found.other[2]) == pytest.approx((0.6, 0.4))
    assert found.accuracy == pytest.approx(3 / 5)
