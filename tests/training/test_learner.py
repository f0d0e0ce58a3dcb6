"""Every field of a recipe changes a training: with it the weights end elsewhere than without it, and by how much."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import mien.training.learner as learner_module
from mien.data.faces import FaceSet
from mien.errors import DataError, RecipeError
from mien.models import create_model
from mien.training.fit import Epoch, fit
from mien.training.losses import class_weights
from mien.training.recipe import Recipe
from mien.training.schedule import rate

SIDE, CLASSES = 16, ("angry", "happy", "sad")
RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], [36, 8, 4])  # rare and common ones
FACES = FaceSet(RNG.integers(0, 256, (48, SIDE, SIDE), np.uint8), LABELS, classes=CLASSES)
VAL = FACES[::4]
VOTES = FaceSet(FACES.images, RNG.dirichlet(np.ones(2), 48).astype(np.float32), classes=("left", "right"))

PLAIN: dict[str, Any] = {
    "model": "cnn", "options": {"widths": [4, 4], "depths": [1, 1], "dropout": 0.0}, "epochs": 1, "batch": 16,
    "lr": 0.05, "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant", "precision": "float32",
}  # fmt: skip
TWO_HEADS: dict[str, Any] = {
    "model": "flagship_small",
    "options": {"stem": 4, "widths": [4, 4], "depths": [1, 1], "squeeze": False, "dropout": 0.0, "second": 2},
}


def trained(votes: FaceSet | None = None, **fields: Any) -> tuple[nn.Module, nn.Module, list[Epoch]]:
    """The network before, the same after, and its epochs."""
    made = Recipe(**PLAIN | fields)
    torch.manual_seed(0)
    before, after = (create_model(made.model, classes=3, size=SIDE, **made.options) for _ in range(2))
    after.load_state_dict(before.state_dict())
    return before, after, list(fit(after, FACES, VAL, made, device="cpu", second=votes))


def moved(votes: FaceSet | None = None, **fields: Any) -> torch.Tensor:
    """How far each parameter went."""
    before, after, _ = trained(votes, **fields)
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    return torch.cat([(its - mine).detach().flatten() for mine, its in pairs])


@cache
def plain(two_heads: bool, *fields: tuple[str, Any]) -> torch.Tensor:
    return moved(VOTES, **TWO_HEADS, **dict(fields)) if two_heads else moved(**dict(fields))


@pytest.mark.parametrize(
    ("fields", "without"),
    [
        ({"flip": True}, {}),
        ({"shift": 0.2}, {}),
        ({"scale": 0.3}, {}),
        ({"rotate": 30}, {}),
        ({"brightness": 0.3}, {}),
        ({"contrast": 0.5}, {}),
        ({"blur": 0.1}, {}),
        ({"noise": 0.1}, {}),
        ({"erase": 0.5}, {}),
        ({"clear": 1.0, "blur": 0.1}, {"blur": 0.1}),
        ({"clear": 1.0, "noise": 0.1}, {"noise": 0.1}),
        ({"plain": 1.0, "shift": 0.2}, {"shift": 0.2}),
        ({"plain": 1.0, "scale": 0.3}, {"scale": 0.3}),
        ({"plain": 1.0, "rotate": 30}, {"rotate": 30}),
        ({"start_size": 12}, {}),
        ({"mixup": 0.4}, {}),
        ({"cutmix": 1.0}, {}),
        ({"smoothing": 0.2}, {}),
        ({"class_weights": "balanced"}, {}),
        ({"sampling": "balanced"}, {}),
        ({"schedule": "onecycle"}, {}),
        ({"schedule": "cosine"}, {"schedule": "onecycle"}),
        ({"schedule": "cosine", "warmup": 0.5}, {"schedule": "cosine"}),
        ({"clip": 0.01}, {}),
        ({"momentum": 0.9}, {}),
        ({"weight_decay": 0.1}, {}),
        ({"optimiser": "adamw"}, {}),
        ({"optimiser": "adamw", "momentum": 0.9, "batch": 8}, {"optimiser": "adamw", "batch": 8}),
        ({"lr": 0.01}, {}),
        ({"ema": 0.5}, {}),
        ({"batch": 8}, {}),
        ({"accumulate": 2}, {}),  # batch normalisation sees parts
        ({"seed": 1}, {}),
        ({"second": 0.5}, {"second": 1.0}),
    ],
    ids=lambda fields: "-".join(map(str, fields)),
)
def test_each_field_changes_the_weights(fields: dict[str, Any], without: dict[str, Any]) -> None:
    two_heads = "second" in fields
    away = plain(two_heads, *fields.items()) - plain(two_heads, *without.items())
    assert float(away.abs().max()) > 1e-5


def test_the_same_fields_give_the_same_weights() -> None:
    """Else the one above would pass by itself."""
    assert torch.equal(moved(flip=True, mixup=0.4), moved(flip=True, mixup=0.4))


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "constant"])
def test_an_epoch_tells_the_rate_of_its_last_step(schedule: Any) -> None:
    _, _, epochs = trained(schedule=schedule, epochs=4, warmup=0.3)
    steps = 48 // 16
    last = [(number + (steps - 1) / steps) / 4 for number in range(4)]
    assert [epoch.lr for epoch in epochs] == pytest.approx([0.05 * rate(schedule, done, 0.3) for done in last])


ONE_STEP: dict[str, Any] = {"batch": 48}


@pytest.mark.parametrize("lr", [0.05, 0.2])
def test_a_clipped_step_is_as_long_as_clip_allows(lr: float) -> None:
    assert float(moved(**ONE_STEP, lr=lr).norm()) > 0.01 * lr * 1.5
    assert float(moved(**ONE_STEP, lr=lr, clip=0.01).norm()) == pytest.approx(0.01 * lr, rel=1e-3)


def test_the_first_step_of_nesterov_s_momentum_looks_ahead() -> None:
    torch.testing.assert_close(moved(**ONE_STEP, momentum=0.9), 1.9 * moved(**ONE_STEP), rtol=1e-4, atol=1e-7)


def test_the_average_forgets_its_start_by_the_steps_of_all_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, int]] = []
    monkeypatch.setattr(learner_module, "average_", lambda mine, its, decay, step: asked.append((decay, step)))
    trained(ema=0.5, epochs=2)
    assert asked == [(0.5, step) for step in range(6)]


def test_the_second_head_moves_by_the_weight_of_its_loss() -> None:
    whole, half, none = (trained(VOTES, **ONE_STEP, **TWO_HEADS, second=share) for share in (1.0, 0.5, 0.0))
    steps = [(after.second.weight - before.second.weight).detach() for before, after, _ in (whole, half, none)]
    assert float(steps[0].abs().max()) > 1e-4
    torch.testing.assert_close(2 * steps[1], steps[0], rtol=1e-3, atol=1e-7)
    assert not steps[2].any()


def test_the_loss_gets_the_smoothing_and_the_weights_of_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, torch.Tensor | None]] = []
    own = learner_module.cross_entropy

    def spy(logits: Any, goals: Any, smoothing: float = 0.0, weights: Any = None) -> torch.Tensor:
        asked.append((smoothing, weights))
        return own(logits, goals, smoothing, weights)

    monkeypatch.setattr(learner_module, "cross_entropy", spy)
    trained(smoothing=0.2)
    assert asked == [(0.2, None)] * 3
    asked.clear()
    trained(class_weights="balanced")
    assert [smoothing for smoothing, _ in asked] == [0.0] * 3
    for _, weights in asked:
        assert weights is not None
        torch.testing.assert_close(weights, class_weights(torch.from_numpy(LABELS), 3))


def test_the_network_sees_small_faces_first(monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[int] = []
    own = learner_module.mix

    def spy(pixels: torch.Tensor, *rest: Any) -> Any:
        sides.append(pixels.shape[-1])
        return own(pixels, *rest)

    monkeypatch.setattr(learner_module, "mix", spy)
    trained(start_size=8, epochs=4, batch=48)
    assert sides == [8, 12, 12, 16]


def test_the_last_epochs_faces_are_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, float]] = []
    own = learner_module.augment

    def spy(images: Any, changes: Recipe, *rest: Any) -> torch.Tensor:
        asked.append((changes.blur, changes.noise))
        return own(images, changes, *rest)

    monkeypatch.setattr(learner_module, "augment", spy)
    trained(blur=0.1, noise=0.2, clear=0.25, epochs=4, batch=48)
    assert asked == [*[(0.1, 0.2)] * 3, (0.0, 0.0)]


def first_norm(model: nn.Module) -> nn.BatchNorm2d:
    return next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d))


def test_norms_are_measured_in_parts_as_steps_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    own = learner_module.measure_
    monkeypatch.setattr(
        learner_module, "measure_", lambda model, batches: own(model, (noted(each) for each in batches))
    )

    def noted(faces: torch.Tensor) -> torch.Tensor:
        sizes.append(len(faces))
        return faces

    trained(batch=20, accumulate=3, norm_faces=48)
    assert sizes == [6, 6, 6] * 2


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_the_norms_can_be_those_of_faces_as_they_are(ema: float) -> None:
    """All 48 faces in one batch, so what the first norm knows is their mean and variance after the first layer."""
    changed = {"shift": 0.3, "erase": 1.0, "noise": 0.5, "ema": ema, **ONE_STEP}
    _, without, _ = trained(**changed)
    _, measured, _ = trained(**changed, norm_faces=48)
    for mine, its in zip(without.parameters(), measured.parameters(), strict=True):
        assert torch.equal(mine, its)
    norm, other = (first_norm(model) for model in (measured, without))
    seen: list[torch.Tensor] = []
    handle = norm.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        measured.eval()(torch.from_numpy(FACES.pixels))
    handle.remove()
    expected = seen[0].transpose(0, 1).flatten(1)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert other.running_var is not None
    torch.testing.assert_close(norm.running_mean, expected.mean(1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, expected.var(1), rtol=1e-4, atol=1e-5)
    assert float((norm.running_var / other.running_var - 1).abs().max()) > 0.1
    assert norm.momentum == 0.1
    assert not measured.training


MIDDLE = float(np.median(FACES.images.mean((1, 2))))


class Sure(nn.Module):
    """A teacher that answers `shares` for every bright face, the same backwards for a dark one; keeps what it sees."""

    def __init__(self, *shares: float) -> None:
        super().__init__()
        self.register_buffer("logits", torch.tensor(shares).log())
        self.shown: list[torch.Tensor] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> "Sure":
        return self  # so that the test sees what the copy sees

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        self.shown.append(pixels)
        bright = pixels.float().mean((1, 2, 3)) > MIDDLE
        return torch.where(bright[:, None], self.logits, self.logits.flip(0))


def taught(*teachers: nn.Module, faces: FaceSet = FACES, **fields: Any) -> torch.Tensor:
    """How far each parameter goes in one step with these teachers."""
    made = Recipe(**PLAIN | ONE_STEP | fields)
    torch.manual_seed(0)
    model = create_model(made.model, classes=3, size=SIDE, **made.options)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    list(fit(model, faces, VAL, made, device="cpu", teachers=teachers))
    return torch.cat([(its - was).detach().flatten() for was, its in zip(before, model.parameters(), strict=True)])


def told(bright: list[float], dark: list[float]) -> FaceSet:
    """The faces with these shares as targets."""
    is_bright = FACES.images.mean((1, 2)) > MIDDLE
    return FaceSet(FACES.images, np.where(is_bright[:, None], np.float32(bright), np.float32(dark)), classes=CLASSES)


def test_a_target_is_the_teachers_mean_answer_as_far_as_the_recipe_says() -> None:
    alone = taught(faces=told([0.6, 0.3, 0.1], [0.1, 0.3, 0.6]))
    both = Sure(0.8, 0.1, 0.1), Sure(0.4, 0.5, 0.1)
    torch.testing.assert_close(taught(*both, distil=1.0), alone)
    unasked = Sure(0.8, 0.1, 0.1)
    torch.testing.assert_close(taught(unasked, distil=0.0), moved(**ONE_STEP))
    assert not any(faces.is_floating_point() for faces in unasked.shown)
    half = (alone + moved(**ONE_STEP)) / 2  # one step's gradient is linear in the targets
    torch.testing.assert_close(taught(*both, distil=0.5), half, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("fields", [{}, {"start_size": 8, "epochs": 4}, {"accumulate": 3}])
def test_a_teacher_sees_each_face_as_the_network_sees_it_at_full_size(fields: dict[str, Any]) -> None:
    teacher, seen = Sure(0.8, 0.1, 0.1), []
    made = Recipe(**PLAIN | {"batch": 48, "flip": True, "shift": 0.3, "erase": 1.0, "mixup": 0.5} | fields)
    model = create_model(made.model, classes=3, size=SIDE, **made.options)
    model.register_forward_pre_hook(lambda module, given: seen.append(given[0]) if module.training else None)
    list(fit(model, FACES, VAL, made, device="cpu", teachers=[teacher]))
    shown = [faces for faces in teacher.shown if faces.is_floating_point()]  # others are empty: to see what it gives
    assert len(shown) == len(seen) == made.epochs * made.accumulate
    assert {faces.shape[-1] for faces in shown} == {SIDE}
    assert torch.equal(shown[-1], seen[-1])
    assert not torch.equal(shown[-1], torch.from_numpy(FACES.pixels).float()[: len(shown[-1])])


@pytest.mark.parametrize("size", [8, 24])
def test_a_teacher_sees_faces_of_the_size_that_it_learned(size: int) -> None:
    teacher, plain = Sure(0.8, 0.1, 0.1), Sure(0.8, 0.1, 0.1)
    teacher.options = {"size": size}  # type: ignore[assignment]
    taught(teacher, plain)
    shown, seen = teacher.shown[-1], plain.shown[-1]
    assert {faces.shape[-1] for faces in teacher.shown} == {size}
    assert seen.shape[-1] == SIDE
    resized = Image.fromarray(seen[0, 0].numpy()).resize((size, size), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(shown[0, 0], resized, atol=0.01)


def test_labels_are_smoothed_and_teachers_answers_are_not() -> None:
    teacher = Sure(0.8, 0.1, 0.1)
    smooth = taught(teacher, distil=0.5, smoothing=0.3)
    apart = (taught(teacher, distil=1.0) + moved(**ONE_STEP, smoothing=0.3)) / 2
    torch.testing.assert_close(smooth, apart, rtol=1e-3, atol=1e-6)


def test_a_teacher_stays_as_it_is() -> None:
    teacher = create_model("cnn", classes=3, size=SIDE, widths=[4], depths=[1])
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    teacher.train().features.eval()  # as where its norms are frozen
    modes = [module.training for module in teacher.modules()]
    taught(teacher, norm_faces=48)
    assert [module.training for module in teacher.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        ("flagship", r"A teacher is a network, such as .*\. Found a str"),
        (nn.Flatten(), r"Teacher 0, a Flatten, gives shape \(2, 256\) for 2 faces; it must give .* \(2, 3\)"),
        (nn.Linear(2, 3), "Teacher 0, a Linear, fails on uint8 faces of shape"),
        (Sure(0.5, 0.5), r"gives shape \(2, 2\) for 2 faces"),
    ],
)
def test_a_teacher_that_can_t_answer_is_refused(teacher: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        taught(teacher)


def test_networks_and_teachers_that_give_probabilities_are_warned_of() -> None:
    made = Recipe(**PLAIN | ONE_STEP)
    model = nn.Sequential(create_model(made.model, classes=3, size=SIDE, **made.options), nn.Softmax(1))
    with pytest.warns(UserWarning, match="The Sequential gives probabilities where logits are expected"):
        list(fit(model, FACES, VAL, made, device="cpu"))
    with pytest.warns(UserWarning, match="Teacher 1, a Sequential, gives probabilities where logits are expected"):
        taught(Sure(0.8, 0.1, 0.1), nn.Sequential(Sure(0.8, 0.1, 0.1), nn.Softmax(1)))


def test_a_teacher_may_know_the_classes_in_another_order_and_more_of_them() -> None:
    teacher = Sure(0.2, 0.5, 0.05, 0.25)
    teacher.classes = ["none", "happy", "sad", "angry"]  # type: ignore[assignment]
    faces = told([0.3125, 0.625, 0.0625], [4 / 15, 1 / 15, 10 / 15])  # 0.25, 0.05, 0.5, 0.2 for a dark one
    torch.testing.assert_close(taught(teacher, distil=1.0), taught(faces=faces), rtol=1e-3, atol=1e-5)


def test_a_teacher_of_other_classes_is_refused() -> None:
    teacher = Sure(0.8, 0.1, 0.1)
    teacher.classes = ("happy", "angry", "fear")  # type: ignore[assignment]
    with pytest.raises(DataError, match="Teacher 0, a Sure, tells apart happy, angry, fear; the faces are"):
        taught(teacher)


def test_teachers_that_the_recipe_names_must_be_given() -> None:
    made = Recipe(**PLAIN, teachers=["flagship"])
    model = create_model(made.model, classes=3, size=SIDE, **made.options)
    with pytest.raises(RecipeError, match=r"The recipe's teachers are flagship; fit takes the networks themselves"):
        list(fit(model, FACES, VAL, made, device="cpu"))


def test_balanced_sampling_shows_every_class_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[torch.Tensor] = []
    own = learner_module.mix

    def spy(pixels: torch.Tensor, targets: torch.Tensor, *rest: Any) -> Any:
        shown.append(targets)
        return own(pixels, targets, *rest)

    monkeypatch.setattr(learner_module, "mix", spy)
    trained(epochs=4)
    assert (torch.bincount(torch.cat(shown)) / 4).tolist() == [36, 8, 4]
    shown.clear()
    trained(sampling="balanced", epochs=4)
    assert float(torch.bincount(torch.cat(shown)).min()) > 4 * 48 / 3 * 0.75
