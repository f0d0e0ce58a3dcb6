"""The training loop. `fit` is a generator: it yields after every epoch, and whoever calls it prints, saves or stops."""

import copy
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import InitVar, dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from mien.data.faces import FaceSet
from mien.errors import CheckpointError, RecipeError, UnknownModel, check_kind
from mien.labels import as_names
from mien.modes import unwrapped
from mien.training.checks import check_faces, check_network, enough_memory, warn_of_another
from mien.training.device import OnDevice, arrange, pick_device, to_device
from mien.training.distillation import check_teachers
from mien.training.distributed import Team, join
from mien.training.learner import Learner, hard
from mien.training.losses import cross_entropy
from mien.training.recipe import Recipe


class _Held:
    """Holds an Epoch's training state in a slot, so that `vars(epoch)` has the figures alone."""

    __slots__ = ("_training",)
    _training: dict[str, Any] | None

    def __getstate__(self) -> dict[str, Any]:
        return dict(vars(self))  # only the figures are pickled or copied


@dataclass(frozen=True)
class Epoch(_Held):
    """The figures of one epoch, `vars(epoch)` by their names. Losses are in nats, accuracies 0..1.

    `train_*` are means over the epoch's augmented batches, as the weights changed; `val_*` are measured after it.
    `best` says that it is better than all before: by `val_accuracy`, and where that is equal by `val_loss`.
    """

    epoch: int
    epochs: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    lr: float
    seconds: float
    faces_per_second: float
    best: bool
    _of: InitVar[dict[str, Any] | None] = None

    def __post_init__(self, _of: dict[str, Any] | None) -> None:
        object.__setattr__(self, "_training", _of)  # no copy: `fit` empties it

    @property
    def state(self) -> dict[str, Any]:
        """What `fit(state=...)` resumes from after this epoch: a copy, on the CPU, for `torch.save` and `torch.load`.

        Raises:
            CheckpointError: the loop has gone on to the next epoch, or was left.
        """
        if not (training := getattr(self, "_training", None)):
            raise CheckpointError(f"Epoch {self.epoch} is over: take its state inside the loop, before the next epoch.")
        return copy.deepcopy(to_device(training, "cpu"))

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch:3d}/{self.epochs}  "
            f"train loss {self.train_loss:.4f} accuracy {self.train_accuracy:.4f}  "
            f"val loss {self.val_loss:.4f} accuracy {self.val_accuracy:.4f}{' best' if self.best else '     '}  "
            f"{self.faces_per_second:,.0f} faces/s"
        )


def fit(
    model: nn.Module,
    train: FaceSet,
    val: FaceSet,
    recipe: Recipe,
    *,
    device: str | torch.device | None = None,
    state: dict[str, Any] | None = None,
    tick: Callable[[float], None] | None = None,
    second: FaceSet | None = None,
    teachers: Sequence[nn.Module] = (),
) -> Generator[Epoch, None, None]:
    """Train `model` on `train` by `recipe`, and yield an Epoch after every epoch.

    It is a generator: nothing happens until a loop asks for the epochs, `for epoch in mien.fit(...)`, or
    `history = list(mien.fit(...))`, which trains them all.

    It starts from the weights that `model` has; only `mien.train` reads `recipe.init`. The recipe's network is
    `mien.create_model("cnn", **recipe.options)`; a UserWarning says how another one of mien's differs from it.

    At each yield `model` holds the weights that were just measured on `val` (their moving average, when the recipe
    keeps one); when the loop ends, by itself or by `break`, it holds those of the best epoch.
    If a variable holds the generator, as in a notebook, a loop that was left ends with that variable's `.close()`.
    Frozen parameters (`requires_grad` is False) stay as they are, and so do the running means of norms whose own
    parameters are frozen. The loop may freeze and thaw some between epochs.

    Args:
        model: pixels 0..255 `(B, C, H, W)` in, logits `(B, K)` out. Changed in place, moved to the device.
        train: faces with labels; unlabelled ones are left out.
        val: likewise, to judge by after each epoch; faces with a mark are left out, too.
        device: "cpu", "cuda", ...; None picks.
        state: an earlier Epoch's `state`, of the same model and recipe: training goes on after that epoch. On a CPU the
            weights are then bit for bit those of a training that was never stopped.
        tick: called after every step with the share of the epoch that is done, for progress bars.
        second: the faces of `train`, row by row, with another labelling, such as FER+'s votes; a face without one there
            counts with its first alone. `model` needs a head for it: `model.joint(pixels)` gives the logits of both.
        teachers: trained networks such as `mien.load_run("flagship")[0]`, pixels in and logits out for at least these
            classes (their `classes`, if they have any, say which). The share `recipe.distil` of each target is their
            mean answer for the augmented face; one of mien's sees it at the size that it was trained on. They stay as
            they are.

    Raises:
        DataError: when either set has no labelled face, faces that aren't square, or a transform, `train` has faces of
            one class alone, the two have other classes or faces of another shape, `second` has other faces than
            `train`, the model has no head for it, or it or a teacher gives something else than a logit for each class.
        UnknownModel: `model` is a network's name.
        RecipeError: `recipe` is a preset's name; the model can't take these faces, or faces as small as the recipe's
            `start_size`; all of it is frozen; its batch normalisation would see single faces; or the device has too
            little memory for the batch.
        CheckpointError: `state` isn't an Epoch's, or is that of another network or optimiser.
        Diverged: the loss is no longer a number.

    Under `torchrun` all processes call it alike, begin with the first one's weights and share the work
    (`mien.training.distributed`).
    """
    name = model if isinstance(model, str) else getattr(model, "name", "cnn")
    check_kind(model, nn.Module, UnknownModel, f"fit trains a network, such as mien.create_model({name!r}).")
    check_kind(recipe, Recipe, RecipeError, f"fit trains by a recipe, such as mien.recipe({name!r}).")
    if state is not None:
        check_kind(state, dict, CheckpointError, "fit goes on from an Epoch's state, such as epoch.state.")
        if not {"model", "live", "optimiser", "best", "accuracy", "loss", "best_epoch", "epoch"} <= state.keys():
            raise CheckpointError("`state` isn't an Epoch's state; fit goes on from an earlier epoch.state.")
    warn_of_another(model, recipe)
    if torch.is_inference_mode_enabled() or not torch.is_grad_enabled():
        raise RecipeError("fit needs gradients: call it outside of torch.no_grad and torch.inference_mode.")
    where = pick_device(device)
    check_faces(train, val, second)
    check_teachers(teachers, train, recipe)
    team = join(where)
    with enough_memory(where, recipe, train):
        yield from _epochs(model, train, val, recipe, where, team, state, tick, second, teachers)


def _epochs(
    model: nn.Module,
    train: FaceSet,
    val: FaceSet,
    recipe: Recipe,
    where: torch.device,
    team: Team,
    state: dict[str, Any] | None,
    tick: Callable[[float], None] | None,
    second: FaceSet | None,
    teachers: Sequence[nn.Module],
) -> Generator[Epoch, None, None]:
    judge = OnDevice(val, where, judged=True)
    model.to(where)
    check_network(model, train, recipe, second, team)
    team.as_first_(model.state_dict().values())
    arrange(model, where, train.pixels.shape[1:])
    learner = Learner(model, train, recipe, where, second, team, teachers)
    part = -(-learner.batch // (team.size * recipe.accumulate))  # of what a step computes at a time
    best, best_epoch, start, score = _copy(model), 0, 0, (-1.0, 0.0)
    holder: nn.Module = model if "classes" in vars(model) else unwrapped(model)
    named, names = _names_classes(holder), vars(holder).get("classes")
    try:
        if state is not None:
            learner.load(state)
            best, best_epoch, start = (state[key] for key in ("best", "best_epoch", "epoch"))
            score = state["accuracy"], -state["loss"]
        if named:
            holder.classes = train.classes  # type: ignore[assignment]
        for epoch in range(start, recipe.epochs):
            if recipe.early_stop and epoch - best_epoch >= recipe.early_stop:
                return
            began = time.perf_counter()
            train_loss, train_accuracy = learner.epoch(epoch, tick)
            seconds = time.perf_counter() - began
            val_loss, val_accuracy = _judge(model, judge, team, part)
            is_best = (val_accuracy, -val_loss) > score
            if is_best:
                best, best_epoch, score = _copy(model), epoch + 1, (val_accuracy, -val_loss)
            known = {"best": best, "accuracy": score[0], "loss": -score[1], "best_epoch": best_epoch}
            training = {**learner.state(), **known, "epoch": epoch + 1}
            try:
                yield Epoch(
                    epoch + 1, recipe.epochs, train_loss, train_accuracy, val_loss, val_accuracy, learner.lr, seconds,
                    learner.steps * learner.batch / seconds, is_best, training,
                )  # fmt: skip
            finally:
                training.clear()  # an epoch that is kept holds no weights, which would go on changing
    finally:
        model.load_state_dict(best)
        if named and not best_epoch:  # nothing was trained: undo it
            holder.classes = names  # type: ignore[assignment]
            if names is None:
                del holder.classes


def _names_classes(model: nn.Module) -> bool:
    """Whether `model.classes` are names of classes, or free to be."""
    own = vars(model).get("classes")
    return as_names(own) is not None if own is not None else not hasattr(model, "classes")


@torch.no_grad()  # not inference_mode, as in `check_network`
def _judge(model: nn.Module, faces: OnDevice, team: Team, part: int) -> tuple[float, float]:
    """(mean loss, accuracy) over all faces, in float32 (of which recent NVIDIA chips round convolutions to TF32).

    `part` faces at a time, at most 512: where a step's gradients have room, as many faces without them have, too.
    """
    model.eval()
    sums = torch.zeros(2, device=faces.device)
    for images, targets in islice(faces.batches(min(512, part)), team.rank, None, team.size):
        logits = model(images)
        right = (logits.argmax(1) == hard(targets, logits.shape[1])).float()
        sums += torch.stack([cross_entropy(logits, targets) * len(images), right.sum()])
    sums *= team.size
    team.mean_([sums])
    loss, accuracy = (sums / len(faces)).tolist()
    return loss, accuracy


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
