"""The loop: it learns, it is the same for the same seed, it goes on exactly, it ends with the best epoch's weights."""

import copy
import io
import pickle
import weakref
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import mien.training.learner as learner_module
from mien.checkpoint import load_run
from mien.data.drawn import draw
from mien.data.faces import FaceSet
from mien.errors import CheckpointError, DataError, RecipeError, TooLittleMemory
from mien.evaluation.scores import evaluate
from mien.models import create_model
from mien.training.fit import Epoch, fit
from mien.training.recipe import Recipe, recipe

TRAIN, VAL = draw(96, seed=3), draw(48, seed=4)
TINY = {"widths": [8, 8, 8, 8]}
EVERYTHING: dict[str, Any] = {
    "options": TINY,
    "epochs": 4,
    "batch": 16,
    "smoothing": 0.1,
    "class_weights": "balanced",
    "mixup": 0.2,
    "cutmix": 0.5,
    "ema": 0.9,
    "flip": True,
    "shift": 0.1,
    "brightness": 0.1,
    "erase": 0.3,
    "clip": 1.0,
    "start_size": 32,
}


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fresh(made: Recipe) -> nn.Module:
    torch.manual_seed(made.seed)
    return create_model(made.model, **made.options)


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([value.double().flatten() for value in model.state_dict().values()])


def trained(made: Recipe, **more: Any) -> tuple[nn.Module, list[Epoch]]:
    model = fresh(made)
    return model, list(fit(model, TRAIN, VAL, made, device="cpu", **more))


class Answering(nn.Module):
    """A network of one's own, without weights."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, pixels: torch.Tensor) -> Any:
        return self.answer(pixels)


def test_a_small_network_learns_32_faces_by_heart() -> None:
    plain = {"widths": [16, 32], "depths": [1, 1], "dropout": 0.0}
    made = recipe("cnn", "article", epochs=90, batch=32, lr=0.01, flip=False, shift=0, options=plain)
    model = fresh(made)
    faces = draw(32, seed=1)
    last = list(fit(model, faces, faces, made, device="cpu"))[-1]
    assert last.train_accuracy >= 0.95
    assert last.train_loss < 0.8


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_the_same_seed_gives_the_same_weights_bit_for_bit(optimiser: str) -> None:
    made = recipe("cnn", optimiser=optimiser, lr=0.01, **EVERYTHING)
    (first, epochs), (again, _) = trained(made), trained(made)
    assert len(epochs) == 4
    assert torch.equal(weights(first), weights(again))
    other, _ = trained(made.model_copy(update={"seed": 1}))
    assert not torch.equal(weights(first), weights(other))


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_stopped_and_resumed_is_never_stopped_bit_for_bit(optimiser: str, precision: str) -> None:
    made = recipe("cnn", optimiser=optimiser, lr=0.01, precision=precision, **EVERYTHING)
    whole, epochs = trained(made)
    saved = io.BytesIO()
    for epoch in fit(fresh(made), TRAIN, VAL, made, device="cpu"):
        if epoch.epoch == 2:
            torch.save(epoch.state, saved)
            break
    saved.seek(0)
    torch.manual_seed(99)  # whatever a new process starts with
    resumed, rest = trained(made, state=torch.load(saved, weights_only=True))
    assert [epoch.epoch for epoch in rest] == [3, 4]
    assert [epoch.val_loss for epoch in rest] == [epoch.val_loss for epoch in epochs[2:]]
    assert torch.equal(weights(whole), weights(resumed))


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_it_ends_with_the_weights_of_the_best_epoch(ema: float) -> None:
    made = recipe("cnn", "demo", epochs=6, options={"widths": [8] * 3}, lr=0.03, ema=ema)
    model, epochs = trained(made)
    best = max(epoch.val_accuracy for epoch in epochs)
    assert evaluate(model, VAL).accuracy == pytest.approx(best)
    scores = [(epoch.val_accuracy, -epoch.val_loss) for epoch in epochs]
    assert [epoch.best for epoch in epochs] == [score == max(scores[: k + 1]) for k, score in enumerate(scores)]


def test_of_epochs_with_equal_accuracy_that_with_the_lowest_loss_is_the_best() -> None:
    made = recipe("cnn", "demo", epochs=6, options={"widths": [8] * 3}, lr=0.003)
    model, happy = fresh(made), VAL[:3]
    epochs, saved = [], dict[str, Any]()
    for epoch in fit(model, TRAIN, happy, made, device="cpu"):
        epochs.append(epoch)
        saved = epoch.state if epoch.epoch == 5 else saved
    scores = [(epoch.val_accuracy, -epoch.val_loss) for epoch in epochs]
    assert [epoch.best for epoch in epochs] == [score == max(scores[: k + 1]) for k, score in enumerate(scores)]
    assert sum(one.best and one.val_accuracy == other.val_accuracy for other, one in pairwise(epochs)) > 0
    assert evaluate(model, happy).loss == pytest.approx(-max(scores)[1])
    [last] = fit(fresh(made), TRAIN, happy, made, device="cpu", state=saved)
    assert last.best == epochs[-1].best


def test_at_each_yield_the_model_holds_what_was_measured_and_after_break_the_best() -> None:
    made = recipe("cnn", "demo", epochs=9, options={"widths": [8] * 3}, lr=0.03, ema=0.8)
    model = fresh(made)
    seen = []
    for epoch in fit(model, TRAIN, VAL, made, device="cpu"):
        assert evaluate(model, VAL).accuracy == pytest.approx(epoch.val_accuracy)
        seen.append(epoch.val_accuracy)
        if len(seen) == 4:
            break
    assert evaluate(model, VAL).accuracy == pytest.approx(max(seen))


def test_early_stop_ends_so_many_epochs_after_the_best() -> None:
    made = recipe("logistic", "demo", epochs=60, lr=0.1, early_stop=3)
    _, epochs = trained(made)
    best = max(epoch.epoch for epoch in epochs if epoch.best)
    assert len(epochs) < 60
    assert len(epochs) == best + 3


def test_soft_targets_train() -> None:
    shares = np.eye(7, dtype=np.float32)[TRAIN.labels] * 0.8 + 0.2 / 7
    soft = FaceSet(TRAIN.images, shares)
    made = recipe("logistic", "demo", epochs=5, batch=16)
    epochs = list(fit(fresh(made), soft, VAL, made, device="cpu"))
    assert epochs[-1].train_loss < epochs[0].train_loss


def test_a_loss_that_is_no_number_is_said() -> None:
    made = recipe("logistic", "demo", epochs=5, lr=1e30)
    with pytest.raises(DataError, match="lower lr"):
        trained(made)


@pytest.mark.parametrize("empty", ["train", "val"])
def test_a_set_without_labels_is_refused(empty: str) -> None:
    none = FaceSet(TRAIN.images, np.full(len(TRAIN), -1))
    made = recipe("logistic", "demo")
    with pytest.raises(DataError, match=rf"\({empty}\)"):
        next(fit(fresh(made), none if empty == "train" else TRAIN, none if empty == "val" else VAL, made))


def test_the_callers_random_numbers_are_left_alone() -> None:
    made = recipe("feedforward", "demo", epochs=2)
    model = fresh(made)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    list(fit(model, TRAIN, VAL, made, device="cpu"))
    assert torch.equal(torch.rand(3), expected)


def test_ticks_tell_how_far_an_epoch_is() -> None:
    made = recipe("logistic", "demo", epochs=2, batch=32)
    ticks: list[float] = []
    trained(made, tick=ticks.append)
    assert ticks == pytest.approx([1 / 3, 2 / 3, 1] * 2)


def test_norms_and_biases_are_not_decayed() -> None:
    made = recipe("cnn", options=TINY, weight_decay=0.1)
    decayed, kept = learner_module._optimiser(fresh(made), made).param_groups
    assert {p.ndim for p in decayed["params"]} == {2, 4}
    assert decayed["weight_decay"] == 0.1
    assert {p.ndim for p in kept["params"]} == {1}
    assert kept["weight_decay"] == 0


def test_faces_grow_to_full_size() -> None:
    made = recipe("resnet", epochs=20, start_size=32)
    sizes = [learner_module.side(made, 48, epoch) for epoch in range(20)]
    assert sizes[0] == 32
    assert sizes == sorted(sizes)
    assert set(sizes[14:]) == {48}
    assert learner_module.side(made.model_copy(update={"start_size": 0}), 48, 0) == 48


def test_a_compiled_network_sees_two_sizes() -> None:
    made = recipe("resnet", epochs=20, start_size=32, compile=True)
    assert [learner_module.side(made, 48, epoch) for epoch in range(20)] == [32] * 7 + [48] * 13


def test_a_compilation_forgets_earlier_ones_and_is_for_fixed_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(torch.compiler, "reset", lambda: asked.append("reset"))
    monkeypatch.setattr(torch, "compile", lambda forward, **how: (asked.append(how), forward)[1])
    trained(recipe("logistic", "demo", epochs=1, compile=True))
    assert asked == ["reset", {"dynamic": False}]


@pytest.mark.soak
def test_each_network_is_compiled_however_many_came_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    own, graphs = torch.compile, []
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 3)

    def counted(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda forward, **how: own(forward, backend=counted, **how))
    for width in range(4, 9):
        shape = {"widths": [width], "depths": [1]}
        trained(recipe("cnn", "demo", epochs=4, batch=32, start_size=24, compile=True, options=shape))
        assert len(graphs) == 2
        graphs.clear()


@pytest.mark.parametrize(("clear", "sharps"), [(0.25, 5), (0.7, 14)])  # 20 * (1 - 0.7) isn't 6 in float64
def test_the_last_epochs_are_without_blur_and_noise(clear: float, sharps: int) -> None:
    made = recipe("resnet", epochs=20, blur=0.02, noise=0.05, clear=clear)
    sharp = made.model_copy(update={"blur": 0.0, "noise": 0.0})
    expected = [made] * (20 - sharps) + [sharp] * sharps
    assert [learner_module._changes(made, epoch) for epoch in range(20)] == expected
    always = made.model_copy(update={"clear": 0.0})
    assert learner_module._changes(always, 19) == always


def votes(faces: FaceSet) -> FaceSet:
    """A second labelling of three classes that follows from the first; every fifth face has none."""
    shares = np.eye(3, dtype=np.float32)[faces.labels % 3]
    shares[::5] = 0
    return FaceSet(faces.images, shares, classes=("zero", "one", "two"))


SECOND: dict[str, Any] = {"stem": 8, "widths": [8, 16], "depths": [1, 1], "second": 3}


def test_the_second_head_learns_the_second_labelling() -> None:
    made = recipe("flagship_small", "demo", epochs=12, batch=16, options=SECOND)
    model = fresh(made)
    faces = draw(192, seed=5)
    for label, image in zip(faces.labels, faces.images, strict=True):
        image[16 * (label % 3) : 16 * (label % 3) + 16] = 255  # what the second labelling is about, easy to see
    list(fit(model, faces, faces, made, device="cpu", second=votes(faces)))
    model.eval()
    with torch.inference_mode():
        given = model.joint(torch.from_numpy(faces.images[:, None]))
    told = votes(faces).labels
    assert (given[:, 7:].argmax(1).numpy() == told)[told >= 0].mean() > 0.8  # by chance 0.43 at most


def test_rows_without_a_second_label_move_the_second_head_not_at_all() -> None:
    made = recipe("flagship_small", "demo", epochs=1, batch=16, weight_decay=0.0, options=SECOND)
    model = fresh(made)
    before = model.second.weight.clone()
    none = FaceSet(TRAIN.images, np.zeros((len(TRAIN), 3), np.float32), classes=("zero", "one", "two"))
    list(fit(model, TRAIN, VAL, made, device="cpu", second=none))
    torch.testing.assert_close(model.second.weight, before)


def test_a_second_labelling_of_other_faces_is_refused() -> None:
    made = recipe("flagship_small", "demo", epochs=1, options=SECOND)
    with pytest.raises(DataError, match="very faces"):
        next(fit(fresh(made), TRAIN, VAL, made, device="cpu", second=votes(draw(96, seed=9))))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("cnn", {"widths": [4], "depths": [1]}, "cnn has no second head"),
        ("flagship_small", SECOND | {"second": 0}, "second head answers for 0 classes; the second labelling has 3"),
        (
            "flagship_small",
            SECOND | {"second": 8},
            "head answers for 8 classes; the second labelling has 3: zero, one",
        ),
    ],
)
def test_a_second_labelling_needs_a_head_of_its_own(name: str, options: dict[str, Any], said: str) -> None:
    made = recipe(name, "demo", epochs=1, options=options)
    with pytest.raises(DataError, match=said):
        next(fit(fresh(made), TRAIN, VAL, made, device="cpu", second=votes(TRAIN)))


def test_faces_that_are_too_small_are_told() -> None:
    assert learner_module.side(recipe("cnn", start_size=1), 48, 0) == 4
    tiny = [FaceSet(np.ascontiguousarray(faces.images[:, ::6, ::6]), faces.targets) for faces in (TRAIN, VAL)]
    made = recipe("cnn", "demo", options={"widths": [4] * 4, "depths": [1] * 4})
    with pytest.raises(RecipeError, match=r"cnn can't take faces of 8 pixels; give it larger ones \(--size\)"):
        next(fit(fresh(made), *tiny, made, device="cpu"))
    made = made.model_copy(update={"start_size": 2})
    with pytest.raises(RecipeError, match=r"of 4 pixels; give it a larger start_size \(--start-size\)"):
        next(fit(fresh(made), TRAIN, VAL, made, device="cpu"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda pixels: torch.zeros(len(pixels), 9), r"gives shape \(2, 9\) for 2 faces; it must .* of shape \(2, 7\)"),
        (lambda pixels: torch.zeros(len(pixels)), r"gives shape \(2,\) for"),
        (lambda pixels: {"logits": torch.zeros(len(pixels), 7)}, "gives a dict for"),
        (lambda pixels: torch.zeros(1, 7), r"gives shape \(1, 7\) for"),
    ],
)
def test_what_gives_no_logits_of_the_classes_is_refused(answer: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        next(fit(Answering(answer), TRAIN, VAL, recipe("cnn", "demo"), device="cpu"))


def test_what_a_network_keeps_besides_tensors_is_refused() -> None:
    class Counting(Answering):
        def get_extra_state(self) -> dict[str, int]:
            return {"seen": 3}

    model = Counting(lambda pixels: torch.zeros(len(pixels), 7))
    model.learned = nn.Parameter(torch.zeros(1))
    with pytest.raises(RecipeError, match="The Counting's _extra_state isn't a tensor; fit keeps tensors alone"):
        next(fit(model, TRAIN, VAL, recipe("cnn", "demo"), device="cpu"))


def test_a_trained_network_answers_for_the_classes_that_it_learned() -> None:
    three = ("left", "middle", "right")
    train, val = (FaceSet(faces.images, faces.labels % 3, classes=three) for faces in (TRAIN, VAL))
    model, _ = load_run("small")
    model.linear = nn.Linear(model.linear.in_features, 3)  # type: ignore[arg-type]
    made = recipe("flagship_small", "demo", epochs=1)
    with pytest.raises(DataError, match="gives shape"):
        next(fit(model, TRAIN, VAL, made, device="cpu"))
    assert len(model.classes) == 7  # type: ignore[arg-type]
    (epoch,) = fit(model, train, val, made, device="cpu")
    assert evaluate(model, val).accuracy == pytest.approx(epoch.val_accuracy)
    assert model.classes == three


@pytest.mark.parametrize("own", [7, np.arange(7), [0, 1]])
def test_what_a_network_of_ones_own_calls_classes_stays(own: Any) -> None:
    made = recipe("logistic", "demo", epochs=1)
    model = fresh(made)
    model.classes = own
    list(fit(model, TRAIN, VAL, made, device="cpu"))
    assert model.classes is own

    class Fixed(type(model)):  # type: ignore[misc]
        @property
        def classes(self) -> tuple[str, ...]:
            return TRAIN.classes

    list(fit(Fixed(), TRAIN, VAL, made, device="cpu"))


@pytest.mark.parametrize(("ema", "norm_faces"), [(0.0, 0), (0.9, 0), (0.0, 32), (0.9, 32)])
def test_frozen_norms_stay_as_they_are(ema: float, norm_faces: int) -> None:
    options = {"widths": [8] * 3}
    made = recipe("cnn", "demo", epochs=2, batch=16, ema=ema, norm_faces=norm_faces, options=options)
    model = fresh(made)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    norms[0].requires_grad_(False)
    norms[1].weight.requires_grad_(False)  # its bias is learned, so it is not frozen
    norms[2].weight = norms[2].bias = None  # it has nothing that could be
    before = [{name: value.clone() for name, value in norm.state_dict().items()} for norm in norms[:3]]
    list(fit(model, TRAIN, VAL, made, device="cpu"))
    assert all(torch.equal(value, before[0][name]) for name, value in norms[0].state_dict().items())
    for norm, was in zip(norms[1:], before[1:], strict=False):
        assert not torch.equal(norm.running_mean, was["running_mean"])


@pytest.mark.parametrize(("optimiser", "ema"), [("adamw", 0.0), ("adamw", 0.9), ("sgd", 0.0)])
def test_the_loop_may_thaw_and_freeze(optimiser: str, ema: float) -> None:
    made = recipe("cnn", "demo", epochs=3, batch=16, optimiser=optimiser, ema=ema, options={"widths": [8] * 3})
    model = fresh(made)
    model.requires_grad_(False)
    model.linear.requires_grad_(True)
    body = next(name for name, _ in model.named_parameters())
    found = [model.state_dict()[body].clone()]
    for epoch in fit(model, TRAIN, VAL, made, device="cpu"):
        found.append(epoch.state["live"][body])
        model.requires_grad_(epoch.epoch == 1)
        model.linear.requires_grad_(True)
    assert [torch.equal(*pair) for pair in pairwise(found)] == [True, False, True]


def test_a_network_that_is_frozen_as_a_whole_is_refused() -> None:
    made = recipe("logistic", "demo", epochs=1)
    model = fresh(made).requires_grad_(False)
    with pytest.raises(RecipeError, match=r"The logistic has nothing to train: all of it is frozen\. Thaw some of it"):
        next(fit(model, TRAIN, VAL, made, device="cpu"))
    answering = Answering(lambda pixels: torch.zeros(len(pixels), 7))
    with pytest.raises(RecipeError, match="Answering has nothing to train: it has no parameters"):
        next(fit(answering, TRAIN, VAL, made, device="cpu"))


def test_a_network_of_ones_own_that_fails_is_not_called_too_small() -> None:
    def fails(pixels: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("expected Float\nand more")

    own = Answering(fails)
    with pytest.raises(
        RecipeError, match=r"Answering fails on uint8 faces of shape \(2, 1, 48, 48\): expected Float$"
    ) as e:
        next(fit(own, TRAIN, VAL, recipe("cnn", "demo"), device="cpu"))
    assert isinstance(e.value.__cause__, RuntimeError)  # which says where
    own.answer = lambda pixels: pixels.float().flatten(1)[:, : 48 * 48 : 330].reshape(len(pixels), 7)
    with pytest.raises(RecipeError, match=r"Answering can't take faces of 24 pixels; .*--start-size"):
        next(fit(own, TRAIN, VAL, recipe("cnn", "demo", start_size=24), device="cpu"))


def test_faces_to_judge_by_of_another_size_are_refused() -> None:
    small = FaceSet(np.ascontiguousarray(VAL.images[:, ::2, ::2]), VAL.targets)
    with pytest.raises(DataError, match="The faces of train are 48×48, those of val 24×24"):
        next(fit(Answering(None), TRAIN, small, recipe("cnn", "demo"), device="cpu"))


def test_what_is_no_state_is_no_start_from_nothing() -> None:
    made = recipe("logistic", "demo", epochs=1)
    with pytest.raises(CheckpointError, match="isn't an Epoch's state"):
        next(fit(fresh(made), TRAIN, VAL, made, device="cpu", state={}))
    (epoch,) = trained(made)[1]
    with pytest.raises(CheckpointError, match=r"from an Epoch's state, such as epoch\.state\. Found an Epoch\."):
        next(fit(fresh(made), TRAIN, VAL, made, device="cpu", state=epoch))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("feedforward", {}),
        ("feedforward", {"options": {"hidden": [8], "batch_norm": False, "dropout": 0.0}}),
        ("logistic", {"optimiser": "adamw"}),
    ],
)
def test_the_state_of_another_training_is_refused_and_changes_nothing(name: str, fields: dict[str, Any]) -> None:
    made, other = recipe("logistic", "demo", epochs=2, optimiser="sgd"), recipe(name, "demo", **fields)
    state = next_state(made)
    model = fresh(other)
    before = weights(model)
    with pytest.raises(CheckpointError, match="The state is of another network or optimiser than this training's"):
        next(fit(model, TRAIN, VAL, other, device="cpu", state=state))
    assert torch.equal(weights(model), before)


def next_state(made: Recipe) -> dict[str, Any]:
    """The state after the first epoch."""
    return next(epoch.state for epoch in fit(fresh(made), TRAIN, VAL, made, device="cpu"))


def test_a_state_stays_what_it_was_and_is_there_while_its_epoch_is() -> None:
    made = recipe("cnn", "demo", epochs=4, batch=16, ema=0.5, options={"widths": [8] * 3})
    whole, _ = trained(made)
    states, epochs = [], []
    for epoch in fit(fresh(made), TRAIN, VAL, made, device="cpu"):
        states.append(epoch.state)
        epochs.append(epoch)
        assert Epoch(**vars(epoch)) == pickle.loads(pickle.dumps(epoch)) == copy.deepcopy(epoch) == epoch
        for earlier in epochs[:-1]:
            with pytest.raises(CheckpointError, match=f"Epoch {earlier.epoch} is over: take its state"):
                _ = earlier.state
    with pytest.raises(CheckpointError, match="Epoch 4 is over"):
        _ = epochs[-1].state
    again, rest = trained(made, state=states[1])  # which two epochs later is still that of the second
    assert [epoch.epoch for epoch in rest] == [3, 4]
    assert torch.equal(weights(whole), weights(again))


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_state_can_be_gone_on_from_twice(optimiser: str) -> None:
    made = recipe("cnn", epochs=2, batch=32, options=TINY, optimiser=optimiser, lr=0.01)
    state = next(epochs := fit(fresh(made), TRAIN, VAL, made, device="cpu")).state
    epochs.close()
    losses = [trained(made, state=state)[1][0].train_loss for _ in range(2)]
    assert losses[0] == losses[1]


def test_a_history_keeps_no_weights() -> None:
    made = recipe("logistic", "demo", epochs=3)
    held = []
    for epoch in fit(fresh(made), TRAIN, VAL, made, device="cpu"):
        held.append(weakref.ref(epoch._training["best"]["linear.weight"]))
        history = [epoch]
    assert [ref() for ref in held] == [None] * 3
    assert [*vars(history[0])] == [*(field.name for field in fields(Epoch))]


@pytest.mark.parametrize(("batch", "parts"), [(1, 1), (8, 8), (8, 5)])
def test_batch_normalisation_of_one_face_is_refused(batch: int, parts: int) -> None:
    made = recipe("feedforward", "demo", batch=batch, accumulate=parts, options={"hidden": [4]})
    with pytest.raises(RecipeError, match=f"a batch of {batch} in {parts} parts? is fewer"):
        next(fit(fresh(made), TRAIN, VAL, made, device="cpu"))
    plain = made.model_copy(update={"options": {"hidden": [4], "batch_norm": False}})
    next(fit(fresh(plain), TRAIN, VAL, plain, device="cpu"))


def test_so_is_it_where_its_maps_are_one_pixel() -> None:
    tiny = [FaceSet(faces.images[:16, ::6, ::6].copy(), faces.targets[:16]) for faces in (TRAIN, VAL)]
    made = recipe("resnet", "demo", batch=1)
    model = fresh(made)
    with pytest.raises(RecipeError, match="a batch of 1 in 1 part is fewer"):
        next(fit(model, *tiny, made, device="cpu"))
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.requires_grad_(False)  # frozen ones take no variance of the batch
    next(fit(model, *tiny, made, device="cpu"))
    larger = [faces[:16] for faces in (TRAIN, VAL)]
    next(fit(fresh(made), *larger, made, device="cpu"))


def test_too_little_memory_is_told() -> None:
    class Greedy(torch.nn.Linear):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            if self.training:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
            return super().forward(given)

    made = recipe("logistic", "demo", batch=32)
    model = fresh(made)
    model.linear = Greedy(48 * 48, 7)
    with pytest.raises(RecipeError, match="memory of cpu is too small for 32 faces in 1 part: choose a smaller batch"):
        next(fit(model, TRAIN, VAL, made, device="cpu"))


def test_too_little_memory_is_told_before_the_first_epoch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    made = recipe("logistic", "demo", batch=500, accumulate=2)
    monkeypatch.setattr("mien.training.fit.Learner", full)
    with pytest.raises(TooLittleMemory, match=r"memory of cpu is too small for 96 faces in 2 parts.*more parts"):
        next(fit(fresh(made), TRAIN, VAL, made, device="cpu"))


@pytest.mark.parametrize(("fields", "most"), [({"batch": 600}, 512), ({"batch": 40}, 40), ({"accumulate": 3}, 11)])
def test_it_is_judged_in_parts_no_larger_than_a_steps(fields: dict[str, int], most: int) -> None:
    class Counting(nn.Linear):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            if not self.training:
                seen.append(len(given))
            return super().forward(given)

    seen: list[int] = []
    made, faces = recipe("logistic", "demo", epochs=1, **{"batch": 32, **fields}), draw(600, seed=1)
    model = fresh(made)
    model.linear = Counting(48 * 48, 7)
    (epoch,) = fit(model, faces, faces, made, device="cpu")
    judged = seen[3:]  # without the three pairs that go through first, to see what comes out
    assert max(judged) == most
    assert sum(judged) == 600
    assert evaluate(model, faces).accuracy == pytest.approx(epoch.val_accuracy)


def test_with_a_second_labelling_it_goes_on_bit_for_bit() -> None:
    made = recipe("flagship_small", "demo", epochs=3, batch=16, mixup=0.2, options=SECOND)
    whole, _ = trained(made, second=votes(TRAIN))
    model = fresh(made)
    for epoch in fit(model, TRAIN, VAL, made, device="cpu", second=votes(TRAIN)):
        buffer = io.BytesIO()
        torch.save(epoch.state, buffer)
        break
    buffer.seek(0)
    again, _ = trained(made, second=votes(TRAIN), state=torch.load(buffer, weights_only=True))
    assert torch.equal(weights(whole), weights(again))


@pytest.mark.parametrize(("parts", "weighed"), [(3, "none"), (5, "none"), (5, "balanced")])
def test_a_step_in_parts_is_the_step_in_one(parts: int, weighed: str) -> None:
    made = recipe("feedforward", "demo", epochs=2, batch=32, clip=1.0, optimiser="sgd", lr=0.05, class_weights=weighed)
    made = made.model_copy(
        update={"precision": "float32", "options": {"hidden": [32], "batch_norm": False, "dropout": 0.0}}
    )
    whole, epochs = trained(made)
    split, again = trained(made.model_copy(update={"accumulate": parts}))  # 32 = 11 + 11 + 10 = 7 + 7 + 6 + 6 + 6
    torch.testing.assert_close(weights(split), weights(whole), atol=1e-4, rtol=1e-3)
    assert [one.train_loss for one in again] == pytest.approx([one.train_loss for one in epochs], rel=1e-3)
    assert [one.train_accuracy for one in again] == pytest.approx([one.train_accuracy for one in epochs], abs=0.02)


def test_a_network_that_came_to_no_epoch_has_the_classes_it_had() -> None:
    model, _ = load_run("small")
    own = model.classes
    names = tuple("abcdefg")
    train, val = TRAIN.replaced(classes=names), VAL.replaced(classes=names)

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(fit(model, train, val, recipe("flagship_small", "demo"), device="cpu", tick=stop))
    assert model.classes is own


class Keeping(nn.Module):
    """A network of one's own whose last layer is sized by the first faces, and which keeps what it made of them."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.LazyLinear(7)
        self.kept: torch.Tensor | None = None

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        flat = pixels.float().flatten(1) / 255
        if self.kept is None:
            self.kept = torch.linspace(1, 2, flat.shape[1])
        logits: torch.Tensor = self.linear(flat * self.kept)
        return logits * self.kept[:7]


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_what_a_network_makes_of_its_first_faces_can_be_trained_with(ema: float) -> None:
    model, teacher = Keeping(), Keeping()
    assert list(fit(model, TRAIN, VAL, recipe("cnn", "demo", epochs=1, ema=ema), device="cpu", teachers=[teacher]))
    for network in (model, teacher):
        network(torch.zeros(2, 1, 48, 48)).sum().backward()


@pytest.mark.parametrize("wrap", [lambda model: torch.compile(model, backend="eager"), nn.DataParallel])
def test_a_network_in_a_wrapper_answers_for_the_classes_that_it_learned(wrap: Any) -> None:
    made = recipe("logistic", "demo", epochs=1)
    model = fresh(made)
    model.classes = TRAIN.classes[::-1]  # of an earlier training
    (epoch,) = fit(wrap(model), TRAIN, VAL, made, device="cpu")
    assert model.classes == TRAIN.classes
    for asked in (model, wrap(model)):
        assert evaluate(asked, VAL).accuracy == pytest.approx(epoch.val_accuracy)


@pytest.mark.parametrize("wrap", [lambda model: torch.compile(model, backend="eager"), nn.DataParallel])
def test_another_network_in_a_wrapper_is_warned_of(wrap: Any) -> None:
    made = recipe("cnn", "demo", epochs=1, options=TINY)
    with pytest.warns(UserWarning, match="for another network than this one: it is a logistic, not a cnn"):
        next(fit(wrap(create_model("logistic")), TRAIN, VAL, made, device="cpu"))


def test_torchs_default_dtype_changes_nothing() -> None:
    everything = {"erase": 0.5, "blur": 0.1, "noise": 0.1, "mixup": 0.4, "cutmix": 0.4, "ema": 0.9, "clip": 1.0}
    made = recipe("cnn", "demo", epochs=1, options={"widths": [4, 4], "depths": [1, 1]}, **everything)
    expected, _ = trained(made)
    model = fresh(made)
    torch.set_default_dtype(torch.float64)
    try:
        assert list(fit(model, TRAIN, VAL, made, device="cpu"))
        made_here = create_model("cnn", **made.options)
        loaded, _ = load_run("small")
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(weights(model), weights(expected))
    assert {one.dtype for part in (made_here, loaded) for one in part.parameters()} == {torch.float32}


class Waves(nn.Module):
    """A network of one's own with complex weights, as Fourier layers have them."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.ones(48, 25, dtype=torch.cfloat))
        self.linear = nn.Linear(48 * 48, 7)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        waves = torch.fft.rfft2(pixels[:, 0].float() / 255)
        logits: torch.Tensor = self.linear(torch.fft.irfft2(waves * self.filters, (48, 48)).flatten(1))
        return logits


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_complex_weights_are_trained_and_averaged(optimiser: str) -> None:
    model = Waves()
    made = recipe("cnn", "demo", epochs=1, optimiser=optimiser, precision="float32", ema=0.9)
    state: dict[str, Any] = {}
    for epoch in fit(model, TRAIN, VAL, made, device="cpu"):
        state |= epoch.state
    averaged, live = (state[name]["filters"] for name in ("model", "live"))
    assert not torch.equal(live, torch.ones_like(live))
    assert not torch.equal(averaged, live)
