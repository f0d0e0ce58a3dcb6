"""Temperature, its cross-fitted error, and the confidence below which an answer is uncertain."""

import numpy as np
import pytest

from mien.cards import Card
from mien.cli.calibrated import print_calibration
from mien.evaluation import calibration
from mien.evaluation.calibration import (
    Calibration,
    coverage_curve,
    sure,
    temperature,
    uncertain_below,
    warm,
)
from mien.evaluation.figures import confidence_picture
from mien.evaluation.metrics import calibration_error, log_loss
from mien.recognition.recognizer import faces_of

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
    found = Calibration.of(labels, sharp)
    assert found.ece > 0.1 > 0.02 > found.ece_after


def test_few_faces_do_not_spoil_the_confidence(
    honest: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, given = honest

    def cost() -> float:
        """By how much the temperatures of fifty dozens of faces raise the log loss of all."""
        degrees = [temperature(labels[at : at + 12], given[at : at + 12]) for at in range(0, 600, 12)]
        return float(np.mean([log_loss(labels, warm(given, degree)) for degree in degrees])) - log_loss(labels, given)

    found = cost()
    assert found < 0.03
    monkeypatch.setattr(calibration, "PRIOR", 0.0)
    assert cost() > 2 * found


def test_where_every_answer_is_right_the_confidence_rises_with_their_number() -> None:
    """The lowest temperature would fit best: it would say of a dozen faces that the network is never wrong."""
    labels = np.array([0, 0, 1, 1] * 3)
    given = np.array([[0.6, 0.4], [0.7, 0.3], [0.4, 0.6], [0.3, 0.7]] * 3)
    found = Calibration.of(labels, given)
    assert (found.at_bound, found.all_right) == (False, True)
    assert found.temperature == pytest.approx(0.5, abs=0.1)
    assert temperature(np.tile(labels, 10), np.tile(given, (10, 1))) < 0.6 * found.temperature
    assert found.uncertain == pytest.approx(warm(given, found.temperature).max(1).min(), abs=1e-6)


def test_a_temperature_at_its_bound_is_known_as_such(honest: tuple[np.ndarray, np.ndarray]) -> None:
    labels, given = honest
    assert not Calibration.of(labels, given).at_bound
    wrong = Calibration.of((given.argmax(1) + 1) % 7, given)  # always
    assert (wrong.at_bound, wrong.all_right) == (True, False)
    unsure = np.full((1000, 2), [0.51, 0.49])
    unsure[0] = unsure[0, ::-1]
    assert Calibration.of(np.zeros(1000, int), unsure).at_bound  # all but one right, and hardly sure


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
    assert (found.coverage_after, found.reliable_after, found.reliable_by_answer) == (0.0, None, (None, None))
    print_calibration(found, ("sad", "happy"))


def test_a_threshold_of_1_lets_in_no_one() -> None:
    certain = np.array([[1.0, 0.0]], np.float32)
    assert not sure(certain, 1.0).any()
    assert uncertain_below(np.array([0, 1]), np.array([[1.0, 0.0], [0.9, 0.1]]), 0.8) == 0.999999
    assert sure(certain, 0.999999).all()
    cards = [Card(model="cnn", classes=("sad", "happy"), uncertain=threshold) for threshold in (1.0, 0.999999, 0.0)]
    crop = np.arange(2304, dtype=np.uint8).reshape(1, 1, 48, 48)
    assert [faces_of(card, [], crop, certain)[0].uncertain for card in cards] == [True, False, False]


def test_each_half_is_judged_by_the_threshold_of_the_other() -> None:
    """As below: by the wrong one's threshold nothing is sure, by that of the right one the wrong one is."""
    found = Calibration.of(np.array([0, 0]), np.array([[0.8, 0.2], [0.2, 0.8]]))
    assert (found.coverage_after, found.reliable_after, found.reliable_by_answer) == (0.5, 0.0, (None, 0.0))


def test_what_other_faces_get_is_foretold(
    honest: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    """On the faces that the threshold was chosen on it is 0.8 or more by construction; on others it is less."""
    labels, given = honest
    chosen, foretold, reached = [], [], []
    for start in range(0, 10_000, 500):
        part = slice(start, start + 500)
        found = Calibration.of(labels[part], given[part])
        known = sure(warm(given[10_000:], found.temperature), found.uncertain)
        reached.append((given.argmax(1) == labels)[10_000:][known].mean())
        chosen.append(found.reliable)
        foretold.append(found.reliable_after)
        right = [share for share in found.reliable_by_answer if share is not None]
        assert min(right) <= foretold[-1] <= max(right)
    assert min(chosen) >= 0.8 > min(foretold)
    assert np.mean(foretold) == pytest.approx(np.mean(reached), abs=0.02)
    print_calibration(found, "abcdefg")
    assert f" {found.reliable_after:.4f} " in capsys.readouterr().out


def test_one_draw_of_halves_doesn_t_decide(
    honest: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, given = (part[:500] for part in honest)
    five = Calibration.of(labels, given).ece_after
    for draws in (1, 5):
        monkeypatch.setattr(calibration, "DRAWS", draws)
        assert (Calibration.of(labels, given).ece_after == five) is (draws == 5)


def test_each_half_is_judged_by_the_temperature_of_the_other() -> None:
    """Two faces of one class, so that each is a half: answers of 80 %, one right, one wrong. Each gets the temperature
    that the other needs, which makes the right one less sure and the wrong one surer."""
    labels, given = np.array([0, 0]), np.array([[0.8, 0.2], [0.2, 0.8]])

    def share(sign: int) -> float:
        """The answer's share at the best 1 / temperature of one face that is right (-1) or wrong (1)."""
        u = np.linspace(0.1, 10, 100_000)
        best = u[np.argmin(np.log1p(4 ** (sign * u)) + 4 * (u - 1 - np.log(u)))]
        return float(1 / (1 + 0.25**best))

    assert share(1) < 0.79 < 0.81 < share(-1)
    by_hand = (1 - share(1) + share(-1)) / 2
    assert Calibration.of(labels, given).ece_after == pytest.approx(by_hand, abs=1e-3)
