"""Test-time views: what they do to a face, and to a network's answer."""

import numpy as np
import pytest

from mien.data.drawn import drawn_faces
from mien.data.faces import FaceSet
from mien.errors import DataError
from mien.evaluation.scores import score
from mien.evaluation.views import VIEWS, View, seen, views_of


def faces(n: int = 6) -> np.ndarray:
    return drawn_faces(n * 3).train.images[:n, None]


def test_the_plain_view_is_the_face_itself() -> None:
    pixels = faces()
    assert (seen(pixels, View()) == pixels).all()
    assert (seen(pixels, View(mirror=True))[..., ::-1] == pixels).all()


def test_a_view_moves_and_scales() -> None:
    pixels = faces()
    down = seen(pixels, View(down=1 / 24))
    assert (down[:, :, 2:] == pixels[:, :, :-2]).all()  # two pixels of 48
    assert (down[:, :, :2] == pixels[:, :, :1]).all()  # the edge repeats
    dot = np.zeros((1, 1, 49, 49), np.uint8)
    dot[..., 24, 36] = 255  # 12 to the right of the middle
    assert seen(dot, View(scale=0.5))[0, 0, 24].argmax() == 30
    assert seen(dot, View(scale=1.5))[0, 0, 24].argmax() == 42


def test_the_views_are_as_many_as_they_say_and_all_different() -> None:
    pixels = faces()
    for count, looks in VIEWS.items():
        assert len(looks) == count
        assert len({seen(pixels, look).tobytes() for look in looks}) == count
    with pytest.raises(DataError, match="1, 2, 10"):
        views_of(5)


def test_the_ten_views_are_these() -> None:
    """Figures that were measured with ten views stay comparable."""
    places = [(1.0, 0.0), (1.08, 0.0), (0.94, 0.0), (1.0, 0.04), (1.0, -0.04)]
    assert VIEWS[10] == tuple((*place, mirror) for place in places for mirror in (False, True))


def test_ten_views_ask_ten_times_and_average() -> None:
    asked = []

    def predict(pixels: np.ndarray) -> np.ndarray:
        asked.append(pixels)
        return np.eye(7)[[len(asked) % 7] * len(pixels)]

    given = score(predict, FaceSet(faces()[:, 0], [0] * 6), views=10)
    assert len(asked) == 10
    np.testing.assert_allclose(given.probabilities.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(given.probabilities[0], np.array([1, 2, 2, 2, 1, 1, 1]) / 10, atol=1e-6)
