"""Losses, the schedule, mixing, averaging, recipes and devices: each against its formula."""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch import nn
from torch.utils.data import DataLoader

from mien.data.faces import FaceSet
from mien.errors import MienError, RecipeError
from mien.models import LADDER, create_model
from mien.training.averaging import average_
from mien.training.device import DeviceLoader, OnDevice, pick_device, to_device
from mien.training.losses import class_weights, cross_entropy
from mien.training.mixing import mix
from mien.training.presets import PRESETS
from mien.training.recipe import Recipe, read_recipe, recipe
from mien.training.schedule import rate

CPU = torch.device("cpu")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_cross_entropy_is_scikit_learns_log_loss() -> None:
    logits, labels = torch.randn(50, 7, generator=seeded()), torch.arange(50) % 7
    expected = log_loss(labels.numpy(), logits.double().softmax(1).numpy(), labels=range(7))
    assert float(cross_entropy(logits, labels)) == pytest.approx(expected, rel=1e-5)


def test_a_one_hot_target_is_the_hard_one() -> None:
    logits, labels = torch.randn(9, 7, generator=seeded()), torch.arange(9) % 7
    hot = nn.functional.one_hot(labels, 7).float()
    weights = class_weights(labels, 7)
    for smoothing in (0.0, 0.1):
        hard, soft = cross_entropy(logits, labels, smoothing), cross_entropy(logits, hot, smoothing)
        torch.testing.assert_close(hard, soft)
    torch.testing.assert_close(class_weights(hot, 7), weights)


def test_smoothing_spreads_its_share_evenly() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    log_p = logits.log_softmax(1)[0]
    by_hand = -(0.7 * log_p[0] + 0.1 * (log_p[0] + log_p[1] + log_p[2]))
    assert float(cross_entropy(logits, torch.tensor([0]), 0.3)) == pytest.approx(float(by_hand))


def test_class_weights_make_every_class_count_the_same() -> None:
    labels = torch.tensor([0] * 8 + [1] * 2 + [3] * 5)
    weights = class_weights(labels, 4)
    assert weights[2] == 0
    torch.testing.assert_close(weights[labels].mean(), torch.tensor(1.0))
    torch.testing.assert_close(weights[0] * 8, weights[1] * 2)


@pytest.mark.parametrize("kind", ["onecycle", "cosine"])
def test_the_rate_rises_to_its_peak_and_falls_to_nothing(kind: Any) -> None:
    course = [rate(kind, done, 0.25) for done in np.linspace(0, 1, 401)]
    assert max(course) == course[100] == 1
    assert course[-1] == pytest.approx(0, abs=1e-9)
    assert (np.diff(course[:101]) > 0).all()
    assert (np.diff(course[100:]) < 0).all()
    assert np.abs(np.diff(course)).max() < 0.02  # no jumps
    assert rate("constant", 0.7, 0.25) == 1


@pytest.mark.parametrize("field", ["mixup", "cutmix"])
def test_mixed_targets_are_what_the_pixels_hold(field: str) -> None:
    # face i is all i: the share of each value in the blend is the share of its target
    pixels = torch.arange(7.0).view(7, 1, 1, 1).expand(7, 1, 48, 48)
    for seed in range(20):
        mixed, shares = mix(
            pixels, torch.arange(7), 7, Recipe(model="cnn", **{field: 1.0}), seeded(seed), seeded(seed + 1)
        )
        torch.testing.assert_close(shares.sum(1), torch.ones(7))
        torch.testing.assert_close(mixed.mean((1, 2, 3)), shares @ torch.arange(7.0))


def test_mixing_nothing_gives_what_came() -> None:
    pixels, labels = torch.rand(4, 1, 8, 8), torch.arange(4)
    same, targets = mix(pixels, labels, 7, Recipe(model="cnn"), seeded(), seeded())
    assert same is pixels
    assert targets is labels


def test_the_average_moves_by_its_share() -> None:
    averaged, live = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    nn.init.constant_(averaged.weight, 1.0)
    nn.init.constant_(live.weight, 3.0)
    live.num_batches_tracked += 5
    average_(averaged, live, 0.75, step=1000)
    assert averaged.weight.tolist() == [1.5] * 3
    assert averaged.num_batches_tracked == 5
    average_(averaged, live, 0.999, step=0)  # early steps forget the start: a tenth stays
    torch.testing.assert_close(averaged.weight, torch.full((3,), 0.1 * 1.5 + 0.9 * 3))


def test_the_norms_running_means_are_averaged_too() -> None:
    averaged, live = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    nn.init.constant_(averaged.running_mean, 1.0)
    nn.init.constant_(averaged.running_var, 2.0)
    nn.init.constant_(live.running_mean, 5.0)
    nn.init.constant_(live.running_var, 4.0)
    average_(averaged, live, 0.75, step=1000)
    assert averaged.running_mean.tolist() == [2.0] * 2
    assert averaged.running_var.tolist() == [2.5] * 2
    assert live.running_mean.tolist() == [5.0] * 2


def test_weights_that_two_layers_share_move_once() -> None:
    averaged, live = (nn.Sequential(*[nn.Linear(2, 2)] * 2) for _ in range(2))
    nn.init.constant_(averaged[0].bias, 1.0)
    nn.init.constant_(live[0].bias, 3.0)
    average_(averaged, live, 0.75, step=1000)
    assert averaged[1].bias.tolist() == [1.5] * 2


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_mixup_draws_its_share_from_the_beta_distribution_of_alpha(alpha: float) -> None:
    pixels, eye = torch.zeros(2, 1, 1, 1), torch.eye(2)
    dice, order = seeded(1), seeded(2)
    made, kept = Recipe(model="cnn", mixup=alpha), []
    while len(kept) < 1000:
        _, shares = mix(pixels, eye, 2, made, order, dice)
        kept.append(float(shares[0, 0]))  # 1 where a face met itself
    mixed = np.array([share for share in kept if share < 1])
    assert mixed.mean() == pytest.approx(0.5, abs=0.05)
    assert mixed.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.15)


def test_cutmix_draws_its_own_from_its_alpha() -> None:
    """A large alpha cuts about half of each face, or less at an edge; a small one hardly any or nearly all."""
    pixels, spread = torch.zeros(2, 1, 64, 64), {}
    for alpha in (0.1, 50.0):
        made, dice, order = Recipe(model="cnn", cutmix=alpha), seeded(1), seeded(2)
        cut = [1 - float(mix(pixels, torch.eye(2), 2, made, order, dice)[1][0, 0]) for _ in range(400)]
        spread[alpha] = np.array([share for share in cut if share > 0])
    assert 0.1 < spread[50.0].min() < spread[50.0].max() < 0.7
    assert (spread[0.1] < 0.1).mean() > 0.2
    assert spread[0.1].max() > 0.8


def test_with_both_one_is_drawn_for_each_batch() -> None:
    made, dice, order = Recipe(model="cnn", mixup=8.0, cutmix=8.0), seeded(1), seeded(2)
    pixels, labels = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 32, 32), torch.arange(2)
    batches = [mix(pixels, labels, 2, made, order, dice)[0] for _ in range(400)]
    values = [batch.unique() for batch in batches if not torch.equal(batch, pixels)]  # where each met the other
    cut = sum(set(found.tolist()) == {0, 1} for found in values)
    assert 0.4 < cut / len(values) < 0.6


@pytest.mark.parametrize(("model", "preset"), PRESETS)
def test_every_preset_builds(model: str, preset: str) -> None:
    made = recipe(model, preset)
    assert read_recipe(made.model_dump(mode="json")) == made
    assert create_model(model, **made.options)(torch.zeros(2, 1, 48, 48)).shape == (2, 7)


def test_every_rung_has_every_preset() -> None:
    rungs = {(model, preset) for model in LADDER for preset in ("article", "tuned", "demo", "finetune")}
    beyond = {(model, preset) for model in ("flagship", "flagship_small") for preset in ("tuned", "demo", "finetune")}
    assert set(PRESETS) == rungs | beyond  # the article knows no fifth rung


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"epoch": 3}, "no field 'epoch'; its fields are model"),
        ({"epochs": 0}, "epochs can't be 0"),
        ({"lr": float("inf")}, "lr can't be inf"),
        ({"seed": 10**20}, "seed can't be"),
        ({"optimiser": "lion"}, "'sgd' or 'adamw'"),
        ({"schedule": "step"}, "'onecycle', 'cosine' or 'constant'"),
        ({"options": {"classes": 3}}, "classes follow from the data"),
    ],
)
def test_a_wrong_recipe_says_what_is_allowed(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        recipe("cnn", **fields)


def test_an_unknown_preset_lists_the_known() -> None:
    with pytest.raises(RecipeError, match="article, demo, finetune, tuned"):
        recipe("cnn", "best")


def test_options_are_merged_into_the_presets() -> None:
    merged = recipe("cnn", "demo", options={"dropout": 0.1}).options
    assert merged == recipe("cnn", "demo").options | {"dropout": 0.1}


def test_to_device_moves_whatever_is_in_it() -> None:
    moved = to_device({"a": [torch.zeros(2), (torch.ones(1), "word")], "b": nn.Linear(2, 2)}, "meta")
    assert moved["a"][0].is_meta
    assert moved["a"][1][0].is_meta
    assert moved["a"][1][1] == "word"
    assert moved["b"].weight.is_meta
    given = defaultdict(list, a=torch.zeros(2))
    moved = to_device(given, "meta")
    assert (moved["a"].is_meta, given["a"].is_meta, moved["none"]) == (True, False, [])


def test_a_device_may_be_torchs_own() -> None:
    assert pick_device(torch.device("cpu")) == pick_device("cpu")


def test_the_articles_way_a_data_loader_of_batches_of_400() -> None:
    faces = FaceSet(np.random.default_rng(0).integers(0, 256, (900, 48, 48), np.uint8), np.arange(900) % 7)
    loader = DeviceLoader(DataLoader(faces, batch_size=400, shuffle=False), "cpu")
    batches = list(loader)
    assert [len(labels) for _, labels in batches] == [400, 400, 100]
    assert len(loader) == 3
    images, labels = batches[0]
    assert (images.shape, images.dtype, labels.dtype) == ((400, 1, 48, 48), torch.uint8, torch.int64)
    assert create_model("logistic")(images).shape == (400, 7)


def test_a_transform_in_place_leaves_the_data_alone() -> None:
    faces = FaceSet(np.full((2, 48, 48), 51, np.uint8), [0, 1], lambda face: np.negative(face, out=face))
    assert [faces[0][0][0, 0], faces[0][0][0, 0], faces.images[0, 0, 0]] == [205, 205, 51]


def test_a_transform_stands_in_the_faces_place() -> None:
    faces = FaceSet(np.full((3, 48, 48), 51, np.uint8), [0, 1, 2], lambda face: torch.from_numpy(face)[None] / 255)
    images, _ = next(iter(DataLoader(faces, batch_size=3)))
    assert images.dtype == torch.float32
    assert images.unique().item() == pytest.approx(0.2)


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(MienError, match="no device 'warp'"):
        pick_device("warp")


def test_under_torchrun_a_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "31")  # so many aren't here
    for name in (None, "cuda"):
        with pytest.raises(MienError, match="no device 'cuda:31'"):
            pick_device(name)
    with pytest.raises(MienError, match="no device 'cuda:30'"):
        pick_device("cuda:30")


def test_on_device_leaves_the_unlabelled_out_and_shuffles_all() -> None:
    faces = FaceSet(np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8), [0, -1] * 5)
    held = OnDevice(faces, CPU)
    assert held.images[:, 0, 0, 0].tolist() == [0, 2, 4, 6, 8]
    seen = torch.cat([images[:, 0, 0, 0] for images, _ in held.shuffled(2, seeded())])
    assert len(seen) == 4  # the last batch would be of one
    assert set(seen.tolist()) < {0, 2, 4, 6, 8}
    again = torch.cat([images[:, 0, 0, 0] for images, _ in held.shuffled(2, seeded())])
    assert torch.equal(seen, again)
    assert [len(images) for images, _ in held.shuffled(100, seeded())] == [5]
    assert [len(images) for images, _ in held.batches(2)] == [2, 2, 1]
