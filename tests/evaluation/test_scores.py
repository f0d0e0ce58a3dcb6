import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mien.data.faces import FaceSet
from mien.errors import CheckpointError, DataError, MediaError
from mien.evaluation.scores import evaluate, joined, score
from mien.recognition.recognizer import Recognizer


class Lopsided(nn.Module):
    """A small network with everything that behaves differently in training: dropout and batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(64, 7)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.drop(self.norm(pixels.float() / 255)).flatten(1))
        return logits


def faces(n: int = 20) -> FaceSet:
    rng = np.random.default_rng(0)
    return FaceSet(rng.integers(0, 256, (n, 8, 8), np.uint8), rng.integers(0, 7, n), source="noise")


def network() -> Lopsided:
    torch.manual_seed(0)
    return Lopsided()


def test_a_module_is_asked_in_eval_mode_and_left_as_it_was() -> None:
    model = network()
    model.norm.eval()  # frozen on its own
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = score(model, faces(), batch=6)
    assert (model.training, model.norm.training, model.drop.training) == (True, False, True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.eval()
    with torch.no_grad():
        expected = model(torch.from_numpy(faces().images[:, None])).softmax(1).numpy()
    np.testing.assert_allclose(result.probabilities, expected, atol=1e-6)
    assert result.probabilities.dtype == np.float32
    assert result.labels.dtype == np.int64
    np.testing.assert_array_equal(result.correct, expected.argmax(1) == faces().labels)


def test_what_a_module_keeps_can_be_trained_with() -> None:
    class Keeping(Lopsided):
        kept: Tensor | None = None

        def forward(self, pixels: Tensor) -> Tensor:
            if self.kept is None:
                self.kept = torch.linspace(1, 2, 7)
            return super().forward(pixels) * self.kept

    model = Keeping()
    score(model, faces())
    model(torch.from_numpy(faces().pixels)).sum().backward()
    assert model.head.weight.grad is not None


def test_a_module_that_fails_is_left_as_it_was() -> None:
    model = network()
    with pytest.raises(RuntimeError):
        score(model, FaceSet(np.zeros((2, 9, 9), np.uint8), [0, 1]))
    assert model.training
    assert torch.is_grad_enabled()


def test_a_network_of_other_numbers_is_told_what_to_do() -> None:
    with pytest.raises(DataError, match=r"fails on uint8 faces: .* weights are torch\.float16; model\.float\(\)"):
        score(network().half(), faces())


def test_a_recognizer_says_what_to_ask_instead() -> None:
    with pytest.raises(MediaError, match=r"cropped faces, as `mien\.evaluate` brings them, .* recognizer\.net"):
        score(Recognizer(), faces())


def test_two_views_average_the_face_and_its_mirror_image() -> None:
    model, plain = network(), faces()
    mirrored = FaceSet(np.ascontiguousarray(plain.images[..., ::-1]), plain.targets)
    both = score(model, plain, views=2)
    mean = (score(model, plain).probabilities + score(model, mirrored).probabilities) / 2
    np.testing.assert_allclose(both.probabilities, mean, atol=1e-6)
    np.testing.assert_allclose(both.probabilities, score(model, mirrored, views=2).probabilities, atol=1e-6)
    assert not np.allclose(both.probabilities, score(model, plain).probabilities)
    assert both.views == 2
    with pytest.raises(DataError, match="3 views"):
        score(model, plain, views=3)


def test_it_says_how_far_it_is() -> None:
    heard: list[float] = []
    labelled = len(faces().labelled)
    score(network(), faces(), batch=2, tick=heard.append)
    assert heard == [min(1.0, done / labelled) for done in range(2, labelled + 2, 2)]
    assert heard[-1] == 1.0


def test_the_mirror_of_a_colour_face_keeps_its_colours() -> None:
    seen: list[np.ndarray] = []

    def look(pixels: np.ndarray) -> np.ndarray:
        seen.append(pixels)
        return np.full((len(pixels), 7), 1 / 7)

    images = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), np.uint8)
    score(look, FaceSet(images, [0, 1]), views=2)
    assert seen[0].shape == (2, 3, 4, 6)
    np.testing.assert_array_equal(seen[0][1, 2], images[1, :, :, 2])
    np.testing.assert_array_equal(seen[1][1, 2], images[1, :, ::-1, 2])


def test_unlabelled_faces_are_left_out() -> None:
    model, every = network(), faces()
    targets = every.targets.copy()
    targets[[0, 7]] = -1
    result = score(model, FaceSet(every.images, targets), batch=4)
    assert result.index.tolist() == [i for i in range(20) if i not in (0, 7)]
    np.testing.assert_allclose(result.probabilities, score(model, every).probabilities[result.index], atol=1e-6)


def test_soft_targets_are_judged_by_their_largest_share() -> None:
    targets = np.array([[0.3, 0.7], [0, 0], [0.9, 0.1]], np.float32)
    mixed = FaceSet(np.zeros((3, 8, 8), np.uint8), targets, classes=("no", "yes"))
    assert score(lambda pixels: np.tile([0.2, 0.8], (len(pixels), 1)), mixed).correct.tolist() == [True, False]


def test_what_cannot_be_judged_is_an_error() -> None:
    empty = FaceSet(np.zeros((0, 8, 8), np.uint8), [], source="fer.csv")
    with pytest.raises(DataError, match=r"set is empty: fer\.csv has no faces for 'test'"):
        evaluate(network(), empty, split="test")
    with pytest.raises(DataError, match="no labelled faces"):
        evaluate(network(), FaceSet(np.zeros((2, 8, 8), np.uint8), [-1, -1]))
    with pytest.raises(DataError, match="doesn't fit these faces"):
        evaluate(network(), FaceSet(np.zeros((2, 8, 8), np.uint8), [0, 1], classes=("a", "b")))
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        evaluate(lambda pixels: np.full((len(pixels), 7), np.nan), faces())
    with pytest.raises(DataError, match=r"A str can't be asked; .*mien\.Net"):
        evaluate("small", faces())
    for wrong in ({"batch": 0}, {"batch": -1}, {"temperature": 0.0}, {"temperature": -1.0}, {"temperature": np.nan}):
        with pytest.raises(DataError, match="batch is 1 or more, temperature more than 0"):
            evaluate(network(), faces(), **wrong)
    for logits, found in ((-1.0, "negative"), (0.5, "add to 3.5")):
        with pytest.raises(DataError, match=rf"{found}: are these logits\?"):
            evaluate(lambda pixels, value=logits: np.full((len(pixels), 7), value), faces())


def test_of_a_network_s_other_classes_nothing_is_left() -> None:
    class Knows:
        classes = ("contempt", "no", "yes")

        def __call__(self, pixels: np.ndarray) -> np.ndarray:
            return np.array([[1, 0, 0], [0.5, 0.4, 0.1]])

    few = FaceSet(np.zeros((2, 8, 8), np.uint8), [0, 1], classes=("yes", "no"))
    np.testing.assert_allclose(score(Knows(), few).probabilities, [[0.5, 0.5], [0.2, 0.8]], atol=1e-7)


def test_evaluate_reports_what_was_answered() -> None:
    truth = faces().labels
    answers = np.eye(7, dtype=np.float32)[truth]
    answers[:5] = np.eye(7)[(truth[:5] + 1) % 7]
    given = iter([answers])
    report = evaluate(lambda pixels: next(given), faces(), split="val")
    assert (report.accuracy, report.n, report.split, report.views) == (0.75, 20, "val", 1)
    assert report.interval[0] < 0.75 < report.interval[1]
    assert report.ece == pytest.approx(0.25)
    assert sum(map(sum, report.confusion)) == 20
    assert [score.n for score in report.per_class] == np.bincount(truth, minlength=7).tolist()
    assert report.classes == faces().classes


def test_it_runs_where_torch_is_not() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np\n"
        "from mien.data.faces import FaceSet\n"
        "from mien.evaluation.scores import evaluate\n"
        "faces = FaceSet(np.zeros((4, 8, 8), np.uint8), [3, 3, 3, 1])\n"
        "print(evaluate(lambda pixels: np.eye(7)[[3] * len(pixels)], faces).accuracy)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0.75"


def test_marked_faces_are_not_judged() -> None:
    shares = np.eye(7, dtype=np.float32)[[0, 1, 2, 3]]
    shares[0] = [0.6, 0.4, 0, 0, 0, 0, 0]
    marked = FaceSet(np.zeros((4, 8, 8), np.uint8), shares, marks=["", "", "tie", "unknown"])
    report = evaluate(lambda pixels: np.eye(7)[[0] * len(pixels)], marked)
    assert (report.n, report.left_out, report.accuracy) == (2, 2, 0.5)
    assert report.distance == pytest.approx((0.4 + 1) / 2)


def test_shares_without_a_winner_are_not_judged() -> None:
    """Else the order of the classes would decide which of them is right."""
    shares = np.array([[0.5, 0.5, 0], [0, 0.5, 0.5], [1, 0, 0], [0, 0, 0]], np.float32)
    tied = FaceSet(np.zeros((4, 8, 8), np.uint8), shares, classes=("a", "b", "c"))
    report = evaluate(lambda pixels: np.eye(3)[[0] * len(pixels)], tied)
    assert (report.n, report.left_out, report.accuracy) == (1, 3, 1.0)


def test_answers_about_several_sets_become_one() -> None:
    sets = [FaceSet(np.zeros((3, 8, 8), np.uint8), np.eye(7)[[0, n, 1]], marks=["", "", "tie"]) for n in range(2)]
    parts = [score(lambda pixels: np.eye(7)[[0] * len(pixels)], each) for each in sets]
    whole = joined(parts)
    assert whole.index.tolist() == [0, 1, 3, 4]  # places 2 and 5 are in doubt
    assert (whole.left_out, whole.correct.tolist()) == (2, [True, True, True, False])
    assert whole.shares is not None
    assert whole.shares.argmax(1).tolist() == whole.labels.tolist() == [0, 0, 0, 1]
    assert joined(parts[:1]) is parts[0]


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_network_that_knows_more_classes_is_asked_about_those_of_the_faces(kind: type) -> None:
    class Wider:
        classes = kind(("b", "c", "a"))

        def __call__(self, pixels: np.ndarray) -> np.ndarray:
            return np.tile([0.2, 0.5, 0.3], (len(pixels), 1))

    faces = FaceSet(np.zeros((3, 8, 8), np.uint8), [0, 1, 0], classes=("a", "b"))
    given = score(Wider(), faces)
    np.testing.assert_allclose(given.probabilities, [[0.6, 0.4]] * 3, rtol=1e-6)
    assert given.correct.tolist() == [True, False, True]


@pytest.mark.parametrize("wrap", [lambda model: torch.compile(model, backend="eager"), nn.DataParallel])
def test_a_network_in_a_wrapper_is_asked_about_its_own_classes(wrap: Callable[[nn.Module], Any]) -> None:
    model = network()
    model.classes = faces().classes[::-1]  # type: ignore[assignment]
    np.testing.assert_allclose(
        score(wrap(model), faces()).probabilities, score(model, faces()).probabilities, atol=1e-6
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_network_of_torchscript_is_asked_too() -> None:
    traced = torch.jit.trace(network().eval(), torch.from_numpy(faces().pixels))
    np.testing.assert_allclose(score(traced, faces()).probabilities, score(network(), faces()).probabilities, atol=1e-6)


def test_classes_that_are_no_names_say_nothing() -> None:
    model = network()
    model.classes = [3, 2, 1]  # type: ignore[assignment]
    np.testing.assert_array_equal(score(model, faces()).probabilities, score(network(), faces()).probabilities)


def test_a_softmax_too_many_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="leave its last softmax out"):
        score(nn.Sequential(network(), nn.Softmax(1)), faces())


def test_a_temperature_softens_a_module_and_changes_no_answer() -> None:
    model, some = network(), faces()
    plain, soft = score(model, some), score(model, some, temperature=4.0)
    assert (plain.predicted == soft.predicted).all()
    assert (soft.confidence < plain.confidence).all()
