"""The exercises' solutions against known equals: PyTorch, scikit-learn, or a case worked by hand."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from mien.data.drawn import draw
from mien.training.schedule import rate

SOLUTIONS = Path(__file__).parents[2] / "lessons" / "solutions"


def solutions(number: int) -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(SOLUTIONS / f"solution_{number}.py")))


solution_0, solution_1, solution_2, solution_3 = (solutions(number) for number in range(4))
solution_4, solution_5, solution_6 = (solutions(number) for number in range(4, 7))


def test_normalise_agrees_with_torch_and_survives_a_face_of_one_shade() -> None:
    images = draw(20).images
    x = torch.tensor(images).float()
    known = (x - x.mean((1, 2), keepdim=True)) / x.std((1, 2), keepdim=True, correction=0)
    np.testing.assert_allclose(solution_0.normalise(images), known.numpy(), atol=1e-4)
    assert solution_0.normalise(np.full((1, 48, 48), 7, np.uint8)).tolist() == np.zeros((1, 48, 48)).tolist()


def test_copies_counts_all_but_the_first_of_each() -> None:
    face, other = draw(2).images
    assert solution_0.copies(np.stack([face, face, other, face, other])) == 3
    assert solution_0.copies(draw(50).images) == 0


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_a_fair_split_holds_its_share_of_every_class(share: float) -> None:
    labels = np.repeat([0, 1, 6], [400, 40, 80])[np.random.default_rng(1).permutation(520)]
    rest, held = solution_0.fair_split(labels, share, seed=3)
    assert sorted([*rest, *held]) == list(range(520))
    assert [int((labels[held] == k).sum()) for k in (0, 1, 6)] == [400 * share, 40 * share, 80 * share]
    assert held.tolist() != solution_0.fair_split(labels, share, seed=4)[1].tolist()


def test_log_softmax_is_torchs_for_any_size_of_scores() -> None:
    scores = np.random.default_rng(0).normal(0, 500, (40, 7))
    np.testing.assert_allclose(solution_1.log_softmax(scores), torch.tensor(scores).log_softmax(1).numpy())


def test_the_decayed_gradient_is_autograds() -> None:
    rng = np.random.default_rng(0)
    X, labels, W, b = rng.normal(size=(30, 12)), rng.integers(0, 7, 30), rng.normal(size=(12, 7)), rng.normal(size=7)
    weights, biases = torch.tensor(W, requires_grad=True), torch.tensor(b, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(torch.tensor(X) @ weights + biases, torch.tensor(labels))
    total = loss + 0.3 / 2 * (weights**2).sum()
    total.backward()
    by_hand = solution_1.decayed_gradient(X, labels, W, b, 0.3)
    np.testing.assert_allclose(by_hand[0], weights.grad.numpy())
    np.testing.assert_allclose(by_hand[1], biases.grad.numpy())
    assert np.isclose(solution_1.loss(X, labels, W, b, 0.3), total.item())


def test_the_confusion_table_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 7, 300), rng.integers(0, 7, 300)
    known = confusion_matrix(true, predicted, labels=range(7))
    assert solution_1.confusion(true, predicted, 7).tolist() == known.tolist()


def test_xor_needs_no_training() -> None:
    inputs = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert solution_2.xor_network()(inputs).flatten().tolist() == [0, 1, 1, 0]


def test_dropout_keeps_the_mean_and_does_nothing_in_use() -> None:
    torch.manual_seed(0)
    x = torch.rand(50) + 1
    many = torch.stack([solution_2.dropout(x, 0.3, training=True) for _ in range(20_000)])
    torch.testing.assert_close(many.mean(0), x, atol=0.05, rtol=0)
    assert abs(float((many == 0).float().mean()) - 0.3) < 0.01
    assert solution_2.dropout(x, 0.3, training=False) is x


@pytest.mark.parametrize(
    ("losses", "patience", "known"),
    [
        ([3, 2, 1, 1.5, 1.2, 1.4, 0.5], 3, (2, 5)),
        ([3, 2, 1, 1.5, 1.2, 1.4, 0.5], 4, (6, 6)),
        ([3, 2, 1], 1, (2, 2)),
        ([1, 2], 1, (0, 1)),
    ],
)
def test_stopping_in_time(losses: list[float], patience: int, known: tuple[int, int]) -> None:
    assert solution_2.stop_at(losses, patience) == known


LESSON_3 = [(3, 1), (2, 2), (3, 1), (2, 2), (3, 1), (2, 2)]


@pytest.mark.parametrize(
    "layers", [LESSON_3[:1], LESSON_3[:5], LESSON_3, [*LESSON_3, (3, 1), (3, 1)], [(5, 2), (3, 3)]]
)
def test_the_receptive_field_is_what_a_gradient_reaches(layers: list[tuple[int, int]]) -> None:
    x = torch.zeros(1, 1, 129, 129, requires_grad=True)
    out = x
    for size, stride in layers:
        out = torch.nn.functional.conv2d(out, torch.ones(1, 1, size, size), stride=stride, padding=size // 2)
    middle = out.shape[-1] // 2
    out[0, 0, middle, middle].backward()
    assert x.grad is not None
    reached = x.grad[0, 0].abs().sum(0).nonzero()
    assert solution_3.receptive_field(layers) == len(reached)


def test_the_fast_convolution_is_torchs_and_commutes_with_a_shift() -> None:
    image = draw(1).images[0].astype(np.float32)
    kernel = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    known = torch.nn.functional.conv2d(torch.tensor(image)[None, None], torch.tensor(kernel)[None, None])[0, 0]
    np.testing.assert_allclose(solution_3.fast_convolve(image, kernel), known.numpy(), rtol=1e-4, atol=1e-3)
    assert solution_3.commutes(image, kernel, 5)


def deep_plain(depth: int) -> torch.nn.Sequential:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(1 if place == 0 else 16, 16, 3, padding=1) for place in range(depth)]
    return torch.nn.Sequential(*(part for layer in layers for part in (layer, torch.nn.ReLU())))


def test_a_good_start_keeps_the_gradient_of_twenty_layers_alive() -> None:
    x = torch.randn(32, 1, 12, 12, generator=torch.Generator().manual_seed(1))

    def shrinks_by(network: torch.nn.Sequential) -> float:
        network.zero_grad()
        network(x).square().mean().backward()
        return float(network[-2].weight.grad.norm() / network[0].weight.grad.norm())

    assert shrinks_by(deep_plain(20)) > 1e4
    started = solution_4.start_well(deep_plain(20))
    assert shrinks_by(started) < 100
    assert 0.1 < float(started(x).detach().square().mean().sqrt()) < 10, "the numbers themselves keep their size, too"


@pytest.mark.parametrize("warmup", [0.1, 0.3])
def test_one_cycle_is_miens(warmup: float) -> None:
    for done in np.linspace(0, 1, 41):
        assert np.isclose(solution_4.one_cycle(done, warmup), rate("onecycle", done, warmup))


@pytest.mark.parametrize("bias", [True, False])
def test_a_folded_norm_does_the_same_work(bias: bool) -> None:
    torch.manual_seed(0)
    pair = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=bias), torch.nn.BatchNorm2d(8))
    torch.nn.init.normal_(pair[1].weight)
    torch.nn.init.normal_(pair[1].bias)
    for _ in range(5):
        pair(torch.randn(16, 3, 12, 12) * 3 + 1)
    x = torch.randn(4, 3, 12, 12)
    torch.testing.assert_close(solution_4.fold(*pair)(x), pair.eval()(x), atol=1e-5, rtol=1e-4)


def test_the_best_of_many_figures_is_luck() -> None:
    assert abs(solution_5.expected_best(0.7, 1000, 1) - 0.7) < 0.005
    error = (0.21 / 1000) ** 0.5
    assert solution_5.expected_best(0.7, 1000, 100) == pytest.approx(0.7 + 2.508 * error, abs=error / 10)
    assert solution_5.expected_best(0.7, 53_000, 100) == pytest.approx(0.705, abs=0.0005)


def test_the_threshold_is_the_lowest_that_will_do() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(7) * 0.5, 400)
    labels = np.array([np.random.default_rng(row).choice(7, p=given) for row, given in enumerate(p)])
    found, share = solution_5.threshold(p, labels, 0.8)
    sure = p.max(1) >= found
    assert (p.argmax(1) == labels)[sure].mean() >= 0.8
    assert share == sure.mean()
    for lower in p.max(1)[p.max(1) < found]:
        assert (p.argmax(1) == labels)[p.max(1) >= lower].mean() < 0.8
    alike = np.array([[0.9, 0.1]] * 4)
    assert solution_5.threshold(alike, np.array([0, 0, 0, 1]), 0.8) == (float("inf"), 0.0)
    assert solution_5.threshold(alike, np.array([0, 0, 0, 1]), 0.75) == (0.9, 1.0)


def test_smooth_targets_are_torchs_label_smoothing() -> None:
    scores, labels = torch.randn(20, 7, dtype=torch.float64), torch.arange(20) % 7
    targets = torch.tensor(solution_5.smooth(labels.numpy(), 7, 0.1))
    known = torch.nn.functional.cross_entropy(scores, labels, label_smoothing=0.1)
    torch.testing.assert_close(torch.nn.functional.cross_entropy(scores, targets), known)


def test_a_steady_answer_forgets_half_in_a_half_life() -> None:
    p = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    smoothed = solution_6.steady([0.0, 0.5, 1.0, 3.0], p, half_life=0.5)
    np.testing.assert_allclose(smoothed[:, 0], [1, 0.5, 0.25, 0.25 / 16])
    np.testing.assert_allclose(smoothed.sum(1), 1)
    assert p[1].tolist() == [0, 1], "the answers given were changed"


def test_the_share_of_true_alarms_is_what_a_simulation_counts() -> None:
    rng = np.random.default_rng(0)
    real = rng.random(2_000_000) < 0.01
    alarm = np.where(real, rng.random(len(real)) < 0.9, rng.random(len(real)) < 0.05)
    assert solution_6.true_alarms(0.01, 0.9, 0.05) == pytest.approx(real[alarm].mean(), abs=0.005)
    assert solution_6.true_alarms(0.0001, 0.9, 9 / 99_990) == pytest.approx(0.5)


@pytest.mark.parametrize(("right", "n"), [(9, 9), (0, 4), (3, 7), (250, 900)])
def test_wilsons_interval_is_scipys(right: int, n: int) -> None:
    known = binomtest(right, n).proportion_ci(method="wilson")
    assert solution_6.wilson(right, n) == pytest.approx((known.low, known.high), abs=1e-6)
