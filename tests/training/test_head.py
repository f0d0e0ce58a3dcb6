"""The head that a training with other classes begins with."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import nn

from mien.checkpoint import load_run
from mien.data.drawn import draw
from mien.data.faces import UNLABELLED, FaceSet
from mien.data.splits import Splits
from mien.evaluation.report import Report
from mien.evaluation.scores import evaluate
from mien.experiment import train
from mien.models import create_model
from mien.training import head as head_module
from mien.training.fit import Epoch
from mien.training.head import fit_head_
from mien.training.recipe import recipe

SMILES = ("smile", "none")
PLAIN = recipe("cnn")


def small(classes: int = 2) -> Any:
    torch.manual_seed(0)
    return create_model("cnn", widths=[4, 8], depths=[1, 1], classes=classes)


def of_smiles(faces: FaceSet) -> FaceSet:
    return faces.replaced(targets=np.where(faces.targets == 3, 0, 1), classes=SMILES)


def seen(model: Any, faces: FaceSet) -> NDArray[np.float64]:
    """What comes into the head."""
    given: list[torch.Tensor] = []
    with model.linear.register_forward_pre_hook(lambda _, x: given.append(x[0])), torch.no_grad():
        model.eval()(torch.from_numpy(faces.pixels))
    return given[0].double().numpy()


def test_it_is_a_logistic_regression_on_what_the_layers_below_see() -> None:
    faces, model = draw(70), small(classes=7)
    features = seen(model, faces)
    features[:, 0] = 0  # as of a channel that is never used
    model.linear.register_forward_pre_hook(lambda _, x: x[0] * (torch.arange(x[0].shape[1]) > 0))
    fit_head_(model, faces, PLAIN, batch=32)
    x = (features - features.mean(0)) / np.maximum(features.std(0), 1e-6)
    found = LogisticRegression(C=1 / len(x), tol=1e-8, max_iter=1000).fit(x, faces.targets)  # the mean loss, decay 1
    with torch.no_grad():
        logits = model(torch.from_numpy(faces.pixels)).numpy()
    expected = found.decision_function(x)
    assert np.ptp(expected) > 0.5
    np.testing.assert_allclose(logits - logits.mean(1, keepdims=True), expected, atol=2e-3)


@pytest.mark.parametrize(
    ("wanted", "power"), [({}, 0), ({"class_weights": "balanced"}, 1), ({"sampling": "balanced"}, 1)]
)
def test_an_earlier_heads_logits_are_trusted_more_than_what_comes_into_it(wanted: dict[str, str], power: int) -> None:
    faces, earlier = of_smiles(draw(140)), small(classes=7)
    fit_head_(earlier, draw(700), PLAIN, batch=70)
    model = small()
    model.load_state_dict({name: value for name, value in earlier.state_dict().items() if "linear" not in name}, False)
    features = seen(model, faces)
    with torch.no_grad():
        logits = earlier.eval()(torch.from_numpy(faces.pixels)).double().numpy()
    both = [logits - logits.mean(1, keepdims=True), features]
    # scikit-learn has one decay for all: a column is as many times larger as its weight is to be smaller
    x = np.hstack(
        [part / np.maximum(part.std(0), 1e-6) / decay**0.5 for part, decay in zip(both, (0.03, 3), strict=True)]
    )
    counts = (1 / np.bincount(faces.targets))[faces.targets] ** power  # rare classes for more
    found = LogisticRegression(C=2 / len(x), tol=1e-8, max_iter=1000)  # 2: for two classes it has one row of weights
    found.fit(x, faces.targets, counts / counts.mean())
    with torch.device("meta"):  # somebody's default is nothing to it
        fit_head_(model, faces, recipe("cnn", **wanted), batch=32, earlier=earlier)
    with torch.no_grad():
        given = model(torch.from_numpy(faces.pixels)).double().numpy()
    np.testing.assert_allclose(given[:, 1] - given[:, 0], found.decision_function(x), atol=2e-3)


@pytest.mark.parametrize("last", [nn.Identity(), nn.Linear(3, 7)])
def test_an_earlier_head_of_another_kind_tells_nothing(last: nn.Module) -> None:
    faces, earlier, (one, other) = of_smiles(draw(28)), small(classes=7), (small(), small())
    earlier.linear = last
    fit_head_(one, faces, PLAIN, batch=14, earlier=earlier)
    fit_head_(other, faces, PLAIN, batch=14)
    assert torch.equal(one.linear.weight, other.linear.weight)


def test_the_rest_of_the_network_its_modes_and_random_numbers_stay_as_they_are() -> None:
    model = small().train()
    model.linear.eval()
    was = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    with torch.no_grad():
        fit_head_(model, of_smiles(draw(14)), PLAIN, batch=5)
    assert torch.equal(torch.get_rng_state(), random)
    assert [name for name, value in model.state_dict().items() if not torch.equal(value, was[name])] == [
        "linear.weight",
        "linear.bias",
    ]
    assert model.training
    assert not model.linear.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_what_a_gpu_without_float64_gives_is_taken_to_the_cpu_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Apple's are; the device `meta` stands in for one."""
    faces, model, double = draw(70), small(classes=7).to("meta"), torch.Tensor.double

    def doubled(x: torch.Tensor) -> torch.Tensor:
        assert not x.is_meta
        return double(x)

    monkeypatch.setattr(torch.Tensor, "double", doubled)
    monkeypatch.setattr(torch.Tensor, "cpu", lambda x: torch.ones(x.shape, dtype=x.dtype))
    x = head_module.into_head(model, faces, 32)
    weight, _ = head_module.fitted(x, torch.from_numpy(faces.labels), torch.ones(7), model.linear)
    assert (weight.dtype, weight.device.type) == (torch.float64, "cpu")


def test_only_labelled_faces_are_looked_at_and_no_more_than_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    faces, given = of_smiles(draw(60)), list[int]()
    faces.targets[::2] = UNLABELLED
    monkeypatch.setattr(head_module, "FACES", 20)

    def count(_: nn.Module, x: tuple[torch.Tensor, ...]) -> None:
        given.append(len(x[0]))

    heads = []
    for seed in (0, 0, 1):
        model = small()
        model.register_forward_pre_hook(count)
        fit_head_(model, faces, PLAIN.model_copy(update={"seed": seed}), batch=8)
        heads.append(model.linear.weight)
    assert given == [8, 8, 4] * 3
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    monkeypatch.setattr(head_module, "FACES", 1000)
    known, all_of_them = small(), small()
    fit_head_(known, faces.labelled, PLAIN, batch=60)
    fit_head_(all_of_them, faces, PLAIN, batch=60)
    assert torch.equal(known.linear.weight, all_of_them.linear.weight)


@pytest.mark.parametrize("last", [nn.Sequential(nn.Linear(8, 2)), nn.Linear(8, 2, bias=False)])
def test_a_head_of_another_kind_stays_as_it_is(last: nn.Module) -> None:
    model = small()
    model.linear = last
    was = [parameter.clone() for parameter in last.parameters()]
    fit_head_(model, of_smiles(draw(14)), PLAIN, batch=14)
    assert all(map(torch.equal, was, last.parameters()))


def test_a_training_with_other_classes_begins_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was a head of random weights, right on half of these faces; where the classes are the same, it is kept."""
    seven, smiles = draw(140), of_smiles(draw(140))
    smiles = smiles[np.concatenate([np.flatnonzero(smiles.targets == label)[:20] for label in (0, 1)])]
    made = recipe("flagship_small", "finetune", epochs=2, init="small", options={"second": 0})
    steps, reports = dict[str, Generator[Epoch, None, None]](), list[Report]()
    for name, faces in (("other", smiles), ("same", seven)):
        splits = Splits(faces, faces, faces[:0])
        steps[name] = train(tmp_path / name, splits, made, device="cpu", before=reports.append, export=False)
        next(steps[name])
    other, same = (report.accuracy for report in reports)
    assert other > 0.85
    assert same == pytest.approx(evaluate(load_run("small")[0], seven).accuracy)
    steps["other"].close()
    monkeypatch.setattr("mien.experiment.fit_head_", None)  # a run that goes on has its head
    assert (
        len(list(train(tmp_path / "other", Splits(smiles, smiles, smiles[:0]), made, resume=True, export=False))) == 1
    )
