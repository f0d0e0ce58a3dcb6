"""Temperature, its cross-fitted error, and the confidence below which an answer is uncertain."""

import numpy as np
import pytest

from mien.cli.tables import print_calibration
from mien.evaluation.calibration import (
    Calibration,
    coverage_curve,
    cross_fitted_error,
    temperature,
    uncertain_below,
    warm,
)
from mien.evaluation.figures import confidence_picture
from mien.evaluation.metrics import calibration_error, log_loss

N = 20_000


@pytest.fixture(scope="module")
def honest() -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the probabilities themselves: calibrated by construction."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (N, 7))
    given = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (generator.random((N, 1)) > given.cumsum(1)).sum(1)
    return labels, given


@pytest.mark.parametrize("degree", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(honest: tuple[np.ndarray, np.ndarray], degree: float) -> None:
    labels, given = honest
    assert temperature(labels, warm(given, 1 / degree)) == pytest.approx(degree, rel=0.03)


def test_it_is_the_least_log_loss(honest: tuple[np.ndarray, np.ndarray]) -> None:
    labels, given = honest
    sharp = warm(given, 0.4)
    found = temperature(labels, sharp)
    losses = {factor: log_loss(labels, warm(sharp, found * factor)) for factor in (0.9, 1.0, 1.1)}
    assert min(losses, key=losses.__getitem__) == 1.0


def test_cross_fitting_mends_an_overconfident_network(honest: tuple[np.ndarray, np.ndarray]) -> None:
    labels, given = honest
    sharp = warm(given, 0.4)
    assert calibration_error(labels, sharp) > 0.1
    assert cross_fitted_error(labels, sharp) < 0.02
    found = Calibration.of(labels, sharp)
    assert found.ece > 0.1 > 0.02 > found.ece_after


def test_no_face_judges_itself() -> None:
    # Two faces of each class and one-hot answers that are all right: each half's temperature makes the other surer,
    # and faces of one class only fall into different halves.
    labels = np.array([0, 0, 1, 1])
    given = np.array([[0.6, 0.4], [0.6, 0.4], [0.4, 0.6], [0.4, 0.6]])
    assert cross_fitted_error(labels, given) < calibration_error(labels, given)


def test_the_threshold_keeps_its_promise(honest: tuple[np.ndarray, np.ndarray]) -> None:
    labels, given = honest
    found = Calibration.of(labels, given)
    assert found.reliable == pytest.approx(0.8, abs=0.002)
    assert 0.2 < found.coverage < 1
    assert found.temperature == pytest.approx(1, abs=0.03)
    coverage, accuracy = coverage_curve(labels, given)
    assert coverage[-1] == 1.0
    assert accuracy[-1] == pytest.approx((given.argmax(1) == labels).mean())


def test_equal_confidences_stay_together_and_never_is_one() -> None:
    labels, given = np.array([0, 1, 1]), np.array([[0.8, 0.2], [0.8, 0.2], [0.8, 0.2]])
    assert uncertain_below(labels, given, 0.9) == 1.0
    assert uncertain_below(labels, given, 0.3) == 0.8


def test_the_order_of_equal_confidences_says_nothing() -> None:
    labels, given = np.array([0, 0, 1, 1]), np.array([[0.9, 0.1]] + [[0.8, 0.2]] * 3)
    curves = [coverage_curve(labels[order], given[order])[1] for order in ([0, 1, 2, 3], [3, 2, 1, 0])]
    assert curves[0].tolist() == curves[1].tolist() == pytest.approx([1, (1 + 1 / 3) / 2, (1 + 2 / 3) / 3, 0.5])
    pictures = [confidence_picture(labels[order], given[order]) for order in ([0, 1, 2, 3], [3, 2, 1, 0])]
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("lowest", [0.6887777, 0.6887773, 0.688777])
def test_the_threshold_lets_in_the_face_that_it_comes_from_and_no_less_sure_one(lowest: float) -> None:
    given = np.array([[0.9, 0.1], [lowest, 1 - lowest], [0.688772, 0.311228]])
    threshold = uncertain_below(np.array([0, 0, 1]), given, 1.0)
    assert 0.688772 < threshold <= lowest
    assert threshold == round(threshold, 6)


def test_where_nothing_is_sure_no_accuracy_is_claimed() -> None:
    found = Calibration.of(np.array([0, 1, 1]), np.array([[0.8, 0.2]] * 3))
    assert (found.uncertain, found.coverage, found.reliable) == (1.0, 0.0, None)
    print_calibration(found)


def test_one_draw_of_halves_doesn_t_decide(honest: tuple[np.ndarray, np.ndarray]) -> None:
    labels, given = (part[:500] for part in honest)
    one, five = (cross_fitted_error(labels, given, draws) for draws in (1, 5))
    assert cross_fitted_error(labels, given) == five != one


@pytest.mark.parametrize("draws", [1, 3])
def test_each_half_is_judged_by_the_temperature_of_the_other(draws: int) -> None:
    """Two faces of one class, so that each is a half: answers of 80 %, one right, one wrong. Alone the right one is
    best at the lowest temperature (0.1), the wrong one at the highest (10): each gets what the other needs."""
    labels, given = np.array([0, 0]), np.array([[0.8, 0.2], [0.2, 0.8]])
    hot, cold = 1 / (1 + 0.25**0.1), 1 / (1 + 0.25**10)  # the answer's share at these: 0.25 is 0.2 / 0.8
    by_hand = (abs(hot - 1) + abs(cold - 0)) / 2
    assert by_hand == pytest.approx(0.7327, abs=1e-4)
    assert cross_fitted_error(labels, given, draws) == pytest.approx(by_hand, abs=1e-3)  # by itself: 0.27
