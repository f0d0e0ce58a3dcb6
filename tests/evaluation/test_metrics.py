import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn import metrics as sk

from mien.evaluation import metrics

Answers = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], int]


@st.composite
def answers(draw: st.DrawFn) -> Answers:
    """Labels, predictions and probabilities of 1 to 60 faces, some classes without any."""
    n, classes = draw(st.integers(1, 60)), draw(st.integers(2, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    present = draw(st.integers(1, classes))
    given = rng.dirichlet(np.full(classes, draw(st.floats(0.1, 5))), n)
    given = 0.999 * given + 0.001 / classes  # nobody is certain: scikit-learn clips at another place
    return rng.integers(0, present, n), given.argmax(1), given, classes


@given(answers())
def test_agrees_with_scikit_learn(case: Answers) -> None:
    labels, predicted, given, k = case
    counts = metrics.confusion(labels, predicted, k)
    names = np.arange(k)
    np.testing.assert_array_equal(counts, sk.confusion_matrix(labels, predicted, labels=names))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's own, on classes without faces
        assert metrics.accuracy(counts) == pytest.approx(sk.accuracy_score(labels, predicted))
        assert metrics.balanced_accuracy(counts) == pytest.approx(sk.balanced_accuracy_score(labels, predicted))
        assert metrics.macro_f1(counts) == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
        each = sk.precision_recall_fscore_support(labels, predicted, labels=names, zero_division=0)
    np.testing.assert_allclose(metrics.precisions(counts), each[0])
    np.testing.assert_allclose(metrics.recalls(counts), each[1])
    np.testing.assert_allclose(metrics.f1s(counts), each[2])
    assert metrics.log_loss(labels, given) == pytest.approx(sk.log_loss(labels, given, labels=names), abs=1e-6)


def test_by_hand() -> None:
    """Six faces: class 0 has 3 (2 found), class 1 has 2 (1 found), class 2 has 1 (found), and 3 none."""
    counts = metrics.confusion(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 2]), 4)
    assert counts.tolist() == [[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert metrics.accuracy(counts) == pytest.approx(4 / 6)
    assert metrics.recalls(counts) == pytest.approx([2 / 3, 1 / 2, 1, 0])
    assert metrics.precisions(counts) == pytest.approx([1, 1 / 2, 1 / 2, 0])
    assert metrics.f1s(counts) == pytest.approx([4 / 5, 1 / 2, 2 / 3, 0])
    assert metrics.balanced_accuracy(counts) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert metrics.macro_f1(counts) == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)


@pytest.mark.parametrize("kinds", [(np.uint64, np.uint64), (np.int64, np.uint64), (np.uint8, np.int8)])
def test_numbers_of_classes_may_be_of_any_whole_kind(kinds: tuple[type, type]) -> None:
    labels, predicted = (np.array(numbers, kind) for numbers, kind in zip(([0, 2, 2], [0, 1, 2]), kinds, strict=True))
    assert metrics.confusion(labels, predicted, 3).tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 1]]


def test_macro_f1_is_not_accuracy() -> None:
    """Micro-averaged F1 equals accuracy; a network that always answers the common class shows the difference."""
    counts = metrics.confusion(np.array([0] * 9 + [1]), np.zeros(10, np.int64), 2)
    assert metrics.accuracy(counts) == 0.9
    assert metrics.balanced_accuracy(counts) == 0.5
    assert metrics.macro_f1(counts) == pytest.approx((18 / 19) / 2)


def test_log_loss_of_a_certain_mistake_is_finite() -> None:
    assert metrics.log_loss(np.array([1]), np.array([[1.0, 0.0]])) == pytest.approx(-np.log(1e-12))


def binary(confidence: list[float]) -> NDArray[np.float64]:
    return np.array([[c, 1 - c] for c in confidence])


def test_calibration_error_by_hand() -> None:
    """Two bins of two: (0.6, 0.7) one right -> gap 0.15; (0.8, 0.9) both right -> gap 0.15."""
    error = metrics.calibration_error(np.array([0, 1, 0, 0]), binary([0.6, 0.7, 0.8, 0.9]), bins=2)
    assert error == pytest.approx((2 * 0.15 + 2 * 0.15) / 4)


def test_the_calibration_error_has_fifteen_bins_unless_asked_otherwise() -> None:
    """Thirty faces, so two in each bin: one right, one wrong, each pair more confident than the one before."""
    confidence = np.linspace(0.6, 0.89, 30)
    labels = np.tile([0, 1], 15)
    first, second = confidence[::2], confidence[1::2]
    by_hand = np.abs((first - 1) + (second - 0)).sum() / 30
    assert metrics.calibration_error(labels, binary(list(confidence))) == pytest.approx(by_hand)
    labels = np.repeat([0, 1], 15)  # the surer half is wrong
    by_hand = np.concatenate([1 - confidence[:14], [abs(confidence[14] - 1 + confidence[15])], confidence[16:]])
    assert metrics.calibration_error(labels, binary(list(confidence))) == pytest.approx(by_hand.sum() / 30)


def test_calibration_error_sees_overconfidence_and_no_order() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.5, 1, 20_000)
    labels = (rng.random(20_000) > truth).astype(np.int64)
    honest = metrics.calibration_error(labels, binary(list(truth)))
    boastful = metrics.calibration_error(labels, binary(list(np.minimum(truth + 0.2, 1))))
    assert honest < 0.02
    assert 0.1 < boastful < 0.25
    order = rng.permutation(20_000)
    coarse = np.round(truth, 1)  # many equal confidences
    error = metrics.calibration_error(labels, binary(list(coarse)))
    assert metrics.calibration_error(labels[order], binary(list(coarse[order]))) == pytest.approx(error)


@pytest.mark.parametrize(("right", "n"), [(350, 500), (1, 20), (0, 7), (39, 39)])
def test_the_interval_is_scipys(right: int, n: int) -> None:
    known = binomtest(right, n).proportion_ci(0.95, "wilson")
    assert metrics.wilson(right / n, n) == pytest.approx((known.low, known.high), abs=1e-6)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    drawn = np.random.default_rng(0).random((4000, 200)) < 0.9
    held = [low < 0.9 < high for low, high in (metrics.wilson(float(each.mean()), 200) for each in drawn)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("one", "other"), [(0, 0), (0, 3), (1, 9), (142, 196), (500, 560), (2000, 1800)])
def test_mcnemar_is_scipys(one: int, other: int) -> None:
    expected = binomtest(one, one + other).pvalue if one + other else 1.0
    assert metrics.mcnemar(one, other) == metrics.mcnemar(other, one) == pytest.approx(expected, abs=5e-4)
    counted = np.repeat([True, False], [one, other])  # sums of masks are numpy's numbers
    assert metrics.mcnemar(counted.sum(), (~counted).sum()) == metrics.mcnemar(one, other)


def test_the_interval_narrows_with_more_faces() -> None:
    low, high = metrics.wilson(0.5, 1000)
    closer, farther = metrics.wilson(0.5, 100_000)
    assert low < closer < 0.5 < farther < high
