import numpy as np

from mien.data.faces import FaceSet
from mien.evaluation.gallery import choose
from mien.evaluation.scores import Scores


def case() -> tuple[Scores, FaceSet]:
    """100 faces; class 2 has only two. Every third face is wrong, the more confidently the later it comes."""
    labels = np.where(np.arange(100) % 50 == 0, 2, np.arange(100) % 2)
    faces = FaceSet(np.arange(100, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8), labels, classes="abc")
    answer = np.where(np.arange(100) % 3 == 1, (labels + 1) % 3, labels)
    confidence = 0.5 + np.arange(100) / 250
    given = np.eye(3)[answer] * (confidence - (1 - confidence) / 2)[:, None] + ((1 - confidence) / 2)[:, None]
    index = np.flatnonzero(np.arange(100) != 10)  # as when one face has no label
    return Scores(given[index].astype(np.float32), labels[index], faces.classes, index), faces


def test_the_right_faces_with_their_right_answers() -> None:
    shown = choose(*case(), each=8)
    assert [face.kind for face in shown] == ["right"] * 8 + ["wrong"] * 8 + ["sure"] * 8
    for face in shown:
        i = int(face.image[0, 0])
        assert face.row == i != 10
        assert face.right == (face.kind == "right") == (i % 3 != 1)
        assert face.confidence == np.float32(0.5 + i / 250)
        assert face.true == "abc"[2 if i % 50 == 0 else i % 2]


def test_the_surest_mistakes_come_in_order_and_rare_classes_are_seen() -> None:
    shown = choose(*case(), each=4)
    assert [face.row for face in shown if face.kind == "sure"] == [97, 94, 91, 88]
    assert "c" in [face.true for face in shown if face.kind == "right"]


def test_the_same_seed_chooses_the_same_faces() -> None:
    rows = [[face.row for face in choose(*case(), seed=seed)] for seed in (0, 0, 1)]
    assert rows[0] == rows[1] != rows[2]


def test_a_network_without_mistakes_has_none_to_show() -> None:
    scores, faces = case()
    perfect = Scores(np.eye(3, dtype=np.float32)[scores.labels], scores.labels, scores.classes, scores.index)
    assert {face.kind for face in choose(perfect, faces)} == {"right"}
