"""The exercises' solutions against known equals: PyTorch, scikit-learn, or a case worked by hand."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from mien.data.drawn import draw

SOLUTIONS = Path(__file__).parents[2] / "lessons" / "solutions"


def solutions(number: int) -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(SOLUTIONS / f"solution_{number}.py")))


solution_0, solution_1, solution_2, solution_3 = (solutions(number) for number in range(4))


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
