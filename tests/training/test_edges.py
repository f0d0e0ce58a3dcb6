"""Where the parts of training meet their edges: weights with shares, both ways of mixing, the ends of a training."""

import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from mien.data.drawn import draw
from mien.data.faces import FaceSet
from mien.errors import CheckpointError, DataError, RecipeError
from mien.models import create_model
from mien.training.augment import augment
from mien.training.distributed import Team
from mien.training.fit import Epoch, fit
from mien.training.learner import Learner
from mien.training.losses import cross_entropy
from mien.training.mixing import mix
from mien.training.presets import PRESETS
from mien.training.recipe import Recipe, recipe
from mien.training.schedule import rate

TRAIN, VAL = draw(64, seed=3), draw(64, seed=4)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(**fields: Any) -> tuple[nn.Module, Recipe]:
    made = recipe("cnn", "demo", options={"widths": [8, 8], "depths": [1, 1]}, **{"batch": 16} | fields)
    torch.manual_seed(0)
    return create_model(made.model, **made.options), made


def test_class_weights_by_hand() -> None:
    logits, labels, weights = torch.tensor([[2.0, 0.0], [1.0, 1.0]]), torch.tensor([0, 1]), torch.tensor([0.5, 3.0])
    losses = np.array([np.log1p(np.exp(-2)), np.log(2)])
    hard = cross_entropy(logits, labels, weights=weights)
    assert float(hard) == pytest.approx((0.5 * losses[0] + 3 * losses[1]) / 3.5)  # by the weights of the batch
    soft = cross_entropy(logits, torch.eye(2)[labels], weights=weights)
    assert float(soft) == pytest.approx((0.5 * losses[0] + 3 * losses[1]) / 2)  # by its faces: balanced weights mean 1


def test_the_loss_is_computed_in_float32() -> None:
    logits = torch.randn(64, 7, generator=seeded()).bfloat16()
    assert cross_entropy(logits, torch.arange(64) % 7).dtype == torch.float32


def test_schedules_at_their_ends() -> None:
    assert rate("onecycle", 0, 0.3) == pytest.approx(1 / 25)
    assert rate("cosine", 0, 0.3) == 0
    for kind in ("onecycle", "cosine"):
        assert rate(kind, 0, 0) == 1  # without a warm-up it starts at the top
        assert rate(kind, 0.3, 0.3) == 1
        assert rate(kind, 0.65, 0.3) == pytest.approx(0.5)  # half-way down
        assert rate(kind, 1, 0.3) == pytest.approx(0)


def one_hot_faces(n: int = 28, size: int = 20) -> tuple[Tensor, Tensor]:
    """Face i of class k: channel k is 1 everywhere, the others 0. The mean over the places is the target."""
    labels = torch.arange(n) % 7
    return torch.eye(7)[labels][:, :, None, None].repeat(1, 1, size, size), labels


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("fields", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_a_mixed_face_holds_what_its_target_says(fields: dict[str, float], soft: bool) -> None:
    pixels, labels = one_hot_faces()
    made, whole = Recipe(model="cnn", **fields), []
    for seed in range(30):
        given = torch.eye(7)[labels] if soft else labels
        mixed, targets = mix(pixels, given, 7, made, seeded(seed), seeded(seed + 1))
        torch.testing.assert_close(mixed.mean((2, 3)), targets, atol=1e-5, rtol=0)
        torch.testing.assert_close(targets.sum(1), torch.ones(28))
        again, same = mix(pixels, given, 7, made, seeded(seed), seeded(seed + 1))
        assert torch.equal(mixed, again)
        assert torch.equal(targets, same)
        whole.append(((mixed == 0) | (mixed == 1)).all())  # cut and not blended
    assert any(whole) == ("cutmix" in fields)
    assert all(whole) == ("mixup" not in fields)
    assert torch.equal(pixels, one_hot_faces()[0])  # what came stays as it was


def test_a_face_turned_by_half_a_circle_and_mirrored() -> None:
    # rotate = 180 draws any angle; a face that looks the same from every side stays what it is
    side = torch.arange(33) - 16.0
    rings = ((side[:, None] ** 2 + side[None] ** 2).sqrt() / 16).clamp(max=1).mul(255).expand(40, 1, 33, 33)
    turned = augment(rings, Recipe(model="cnn", rotate=180, flip=True), seeded())
    middle = (slice(None), slice(None), slice(6, 27), slice(6, 27))
    assert (turned - rings)[middle].abs().max() < 8  # bilinear sampling rounds the tip of the cone
    assert (turned - rings)[middle].abs().max() > 0.1


def test_a_larger_face_is_nearer() -> None:
    spot = torch.zeros(200, 1, 65, 65)
    spot[..., 16:49, 16:49] = 255
    side = (augment(spot, Recipe(model="cnn", scale=0.5), seeded()).sum((1, 2, 3)) / 255).sqrt()
    assert pytest.approx(float(side.min()), abs=1) == 33 * 0.5
    assert pytest.approx(float(side.max()), abs=1) == 33 * 1.5


def test_a_copy_of_a_recipe_is_checked_as_the_recipe_was() -> None:
    made = recipe("cnn", "demo", seed=3)
    assert made.model_copy(update={"epochs": 2}) == recipe("cnn", "demo", seed=3, epochs=2)
    assert made.model_copy() == made
    for wrong, says in (({"epoch": 2}, "no field 'epoch'"), ({"epochs": -1}, "epochs can't be -1")):
        with pytest.raises(RecipeError, match=says):
            made.model_copy(update=wrong)


def test_what_is_done_to_one_recipes_options_stays_there() -> None:
    before = recipe("cnn", "demo").model_dump()
    made, own = recipe("cnn", "demo"), [4, 8]
    for each in (made, made.model_copy(), recipe("cnn", "demo", options={"widths": own})):
        each.options["widths"].append(99)
    assert made.options["widths"] == [16, 32, 64, 99]
    assert recipe("cnn", "demo").model_dump() == before
    assert own == [4, 8]


def test_a_recipe_without_a_preset_names_none() -> None:
    assert Recipe(model="cnn").preset == ""


def test_a_recipe_cannot_be_changed() -> None:
    made = recipe("cnn")
    with pytest.raises(ValidationError, match="frozen"):
        made.lr = 1.0  # type: ignore[misc]
    before = dict(PRESETS["cnn", "demo"]["options"])
    recipe("cnn", "demo", options={"dropout": 0.9})
    assert PRESETS["cnn", "demo"]["options"] == before


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"options": 3}, "options can't be 3: Input should be a valid dictionary"),
        ({"epochs": "many"}, "epochs can't be 'many': Input should be a valid integer"),
        ({"momentum": 1.0}, "momentum can't be 1.0: Input should be less than 1"),
        ({"flip": "perhaps"}, "flip can't be 'perhaps'"),
        ({"lr": -1, "warmup": 2}, "(?s)lr can't be -1.*warmup can't be 2"),  # every fault, not the first only
    ],
)
def test_a_wrong_type_or_value(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        recipe("cnn", **fields)


def test_a_training_that_was_finished_resumes_to_the_same_weights() -> None:
    model, made = small(epochs=3, lr=0.03, ema=0.5)
    saved = io.BytesIO()
    for epoch in fit(model, TRAIN, VAL, made, device="cpu"):
        saved.seek(0)
        torch.save(epoch.state, saved)
    other, _ = small()
    saved.seek(0)
    assert list(fit(other, TRAIN, VAL, made, device="cpu", state=torch.load(saved, weights_only=True))) == []
    for mine, its in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(mine, its)


def test_a_resumed_training_that_had_stopped_early_stays_stopped() -> None:
    model, made = small(epochs=20, lr=1e-12, early_stop=2)
    saved, epochs = io.BytesIO(), list[Epoch]()
    for epoch in fit(model, TRAIN, VAL, made, device="cpu"):
        epochs.append(epoch)
        saved.seek(0)
        torch.save(epoch.state, saved)
    assert len(epochs) < 20
    saved.seek(0)
    assert list(fit(model, TRAIN, VAL, made, device="cpu", state=torch.load(saved, weights_only=True))) == []


def test_a_loss_that_is_no_number_leaves_the_best_weights() -> None:
    torch.manual_seed(0)
    model = create_model("logistic")
    made = recipe("logistic", "demo", epochs=6, batch=16, lr=1e38, schedule="cosine", warmup=0.99)
    with pytest.raises(DataError, match=r"loss is (nan|inf) after epoch \d"):
        list(fit(model, TRAIN, VAL, made, device="cpu"))
    assert all(value.isfinite().all() for value in model.state_dict().values())


@pytest.mark.parametrize(("precision", "clip"), [("bfloat16", 0.0), ("float16", 0.0), ("float16", 0.5)])
def test_narrow_numbers_learn_nearly_as_float32_does_and_weights_stay_in_it(precision: str, clip: float) -> None:
    # torch.compile isn't tried here: on a CPU it wants a C++ compiler and takes a minute
    faces, losses = FaceSet(TRAIN.images[:, ::2, ::2], TRAIN.targets), []  # small, as most CPUs emulate these numbers
    for kind in ("float32", precision):
        model, made = small(epochs=4, precision=kind, lr=0.02, clip=clip)
        losses.append([epoch.train_loss for epoch in fit(model, faces, faces[:8], made, device="cpu")])
        assert {value.dtype for value in model.parameters()} == {torch.float32}
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[1] != losses[0]
    assert losses[1][-1] < losses[1][0]


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_in_float16_a_step_with_infinite_gradients_is_left_out_and_the_next_is_scaled_less(clip: float) -> None:
    model, made = small(epochs=1, precision="float16", batch=len(TRAIN), clip=clip, optimiser="sgd")
    before = [value.clone() for value in model.parameters()]
    learner = Learner(model, TRAIN, made, torch.device("cpu"), None, Team())
    learner.scaler = torch.amp.GradScaler("cpu", init_scale=1e30)
    loss, _ = learner.epoch(0, None)
    assert math.isfinite(loss)
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))
    state = learner.state()
    assert state["scaler"]["scale"] == pytest.approx(5e29)
    assert not any(kept["momentum_buffer"].any() for kept in state["optimiser"]["state"].values())


def test_a_state_of_other_numbers_is_refused() -> None:
    model, made = small(epochs=2, precision="float32")
    state = next(epochs := fit(model, TRAIN, VAL, made, device="cpu")).state
    epochs.close()
    with pytest.raises(CheckpointError, match="the model and recipe that it was taken with"):
        next(fit(model, TRAIN, VAL, made.model_copy(update={"precision": "float16"}), device="cpu", state=state))


def test_only_the_recipes_seed_decides_and_each_epoch_drops_other_units() -> None:
    seen: list[list[bool]] = []
    ends = []
    for elsewhere in (1, 2):
        model, made = small(epochs=2, lr=1e-12)
        model.dropout.register_forward_hook(
            lambda module, given, left: seen.append((left == 0).flatten().tolist()) if module.training else None
        )
        torch.manual_seed(elsewhere)  # whatever the caller's random state is
        ends.append([epoch.train_loss for epoch in fit(model, TRAIN, VAL, made, device="cpu")])
    assert ends[0] == ends[1]
    assert len(seen) == 16  # four steps in an epoch
    assert seen[:8] == seen[8:]
    assert seen[0] != seen[4]


def test_the_average_forgets_its_start_once_and_not_in_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    monkeypatch.setattr("mien.training.learner.average_", lambda averaged, live, decay, step: steps.append(step))
    model, made = small(epochs=3, ema=0.9)
    saved: dict[str, Any] = {}
    for epoch in fit(model, TRAIN, VAL, made, device="cpu"):
        if epoch.epoch == 2:
            saved = epoch.state
            break
    list(fit(model, TRAIN, VAL, made, device="cpu", state=saved))
    assert steps == list(range(12))  # 64 faces in steps of 16, three epochs, a stop between
