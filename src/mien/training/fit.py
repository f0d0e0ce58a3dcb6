"""The training loop. `fit` is a generator: it yields after every epoch, and whoever calls it prints, saves or stops."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mien.data.faces import UNLABELLED, FaceSet
from mien.errors import DataError, Diverged
from mien.training.augment import augment
from mien.training.averaging import average_
from mien.training.device import OnDevice, pick_device
from mien.training.distributed import Team, check_divides, join
from mien.training.losses import class_weights, cross_entropy
from mien.training.mixing import mix
from mien.training.recipe import Recipe
from mien.training.schedule import rate


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Losses in nats, accuracies 0..1.

    `train_*` are means over the epoch's augmented batches, as the weights changed; `val_*` are measured after it.
    `best` says that no earlier epoch had a higher `val_accuracy`. `state` resumes the training after this epoch; it
    refers to live tensors, so save it before the next epoch is asked for or the loop is left.
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
    state: dict[str, Any] = field(repr=False, compare=False)

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
    device: str | None = None,
    state: dict[str, Any] | None = None,
    tick: Callable[[float], None] | None = None,
    second: FaceSet | None = None,
) -> Iterator[Epoch]:
    """Train `model` on `train` by `recipe`, and yield an Epoch after every epoch.

    Under `torchrun` all processes call it alike and share the work (`mien.training.distributed`).

    At each yield `model` holds the weights that were just measured on `val` (their moving average, when the recipe
    keeps one); when the loop ends, by itself or by `break`, it holds those of the best epoch by `val_accuracy`.

    Args:
        model: pixels 0..255 `(B, C, H, W)` in, logits `(B, K)` out. Changed in place, moved to the device.
        train: faces with labels; unlabelled ones are left out.
        val: the same, judged after each epoch; those with a mark are left out, too.
        device: "cpu", "cuda", ...; None picks.
        state: an earlier Epoch's `state`, of the same model and recipe: goes on after that epoch. On a CPU the
            weights are then bit for bit those of a training that was never stopped.
        tick: called after every step with the share of the epoch that is done, for progress bars.
        second: the faces of `train`, row by row, with another labelling, such as FER+'s votes; a face without one there
            counts with its first alone. `model` needs a head for it: `model.joint(pixels)` gives the logits of both.

    Raises:
        DataError: when either set has no labelled face, the two have other classes, `second` has other faces than
            `train`.
        Diverged: the loss is no longer a number; a DataError, too.
    """
    where = pick_device(device)
    _check(train, val, second)
    team = join(where)
    judge = OnDevice(val, where, judged=True)
    model.to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    learner = _Learner(model, train, recipe, where, second, team)
    best, best_accuracy, best_epoch, start = _copy(model), -1.0, 0, 0
    if state:
        learner.load(state)
        best, best_accuracy, best_epoch, start = (state[key] for key in ("best", "accuracy", "best_epoch", "epoch"))
    try:
        for epoch in range(start, recipe.epochs):
            if recipe.early_stop and epoch - best_epoch >= recipe.early_stop:
                return
            began = time.perf_counter()
            train_loss, train_accuracy = learner.epoch(epoch, tick)
            seconds = time.perf_counter() - began
            val_loss, val_accuracy = _judge(model, judge, team)
            is_best = val_accuracy > best_accuracy
            if is_best:
                best, best_accuracy, best_epoch = _copy(model), val_accuracy, epoch + 1
            known = {"best": best, "accuracy": best_accuracy, "best_epoch": best_epoch, "epoch": epoch + 1}
            yield Epoch(
                epoch + 1, recipe.epochs, train_loss, train_accuracy, val_loss, val_accuracy, learner.lr, seconds,
                learner.steps * learner.batch / seconds, is_best, state={**learner.state(), **known},
            )  # fmt: skip
    finally:
        model.load_state_dict(best)


class _Learner:
    """A network that is being trained: the weights that take the steps, their average, and what the steps need."""

    def __init__(
        self,
        model: nn.Module,
        train: FaceSet,
        recipe: Recipe,
        where: torch.device,
        second: FaceSet | None,
        team: Team,
    ) -> None:
        self.recipe, self.where, self.classes, self.team = recipe, where, len(train.classes), team
        self.faces = OnDevice(train, where)
        self.model = model  # what is measured: the average of `live`, or where the recipe keeps none `live` itself
        self.live = copy.deepcopy(model) if recipe.ema else model
        forward: Any = self.live if second is None else self.live.joint
        self.forward = torch.compile(forward) if recipe.compile else forward
        self.optimiser = _optimiser(self.live, recipe)
        balanced = recipe.class_weights == "balanced"
        self.weights = class_weights(self.faces.targets, self.classes) if balanced else None
        if second is not None:  # both labellings side by side, so that they are shuffled and mixed as one
            others = torch.from_numpy(second.targets[train.labels != UNLABELLED]).to(where)
            self.faces.targets = torch.cat([_soft(self.faces.targets, self.classes), others], 1)
        self.half = bfloat16(recipe, where)
        self.batch = min(recipe.batch, len(self.faces))
        check_divides(self.batch, team)
        self.steps = len(self.faces) // self.batch

    @property
    def lr(self) -> float:
        """The learning rate of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def state(self) -> dict[str, Any]:
        """What `load` takes: live tensors, not copies."""
        parts: dict[str, Any] = {"model": self.model, "live": self.live, "optimiser": self.optimiser}
        return {name: part.state_dict() for name, part in parts.items()}

    def load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.live.load_state_dict(state["live"])
        self.optimiser.load_state_dict(state["optimiser"])

    def epoch(self, number: int, tick: Callable[[float], None] | None) -> tuple[float, float]:
        """One pass over the faces: (mean loss, accuracy). Its random numbers follow from the seed and its number."""
        generator = torch.Generator(self.where).manual_seed(self.recipe.seed * 100_003 + number)
        size = _size(self.recipe, self.faces.side, number)
        balanced = self.recipe.sampling == "balanced"
        sums = torch.zeros(2, device=self.where)  # loss, right ones: read once an epoch, so a GPU never waits
        self.live.train()
        with torch.random.fork_rng(devices=[self.where] if self.where.type == "cuda" else []):
            torch.manual_seed(generator.initial_seed() + self.team.rank)  # dropout draws from here
            for step, (images, targets) in enumerate(self.faces.shuffled(self.batch, generator, balanced)):
                done = (number + step / self.steps) / self.recipe.epochs
                for group in self.optimiser.param_groups:
                    group["lr"] = self.recipe.lr * rate(self.recipe.schedule, done, self.recipe.warmup)
                sums += self._step(images, targets, size, generator)
                if self.recipe.ema:
                    average_(self.model, self.live, self.recipe.ema, number * self.steps + step)
                if tick:
                    tick((step + 1) / self.steps)
        self.team.mean_([sums, *_norms(self.live), *(_norms(self.model) if self.recipe.ema else ())])
        loss, accuracy = (sums / self.steps).tolist()
        if not math.isfinite(loss):
            raise Diverged(f"The loss is {loss} after epoch {number + 1}: lower lr (now {self.recipe.lr}) or set clip.")
        return loss, accuracy

    def _step(self, images: Tensor, targets: Tensor, size: int, generator: torch.Generator) -> Tensor:
        """One step on one batch: `(2,)`, its loss and accuracy."""
        pixels = augment(images, self.recipe, generator, size)
        pixels, goals = mix(pixels, targets, self.classes, self.recipe, generator)
        pixels, goals, targets = (self.team.share(part) for part in (pixels, goals, targets))
        self.optimiser.zero_grad()
        sums = torch.zeros(2, device=self.where)
        for part in zip(*(whole.chunk(self.recipe.accumulate) for whole in (pixels, goals, targets)), strict=True):
            loss, right = self._loss(*part)
            share = len(part[0]) / len(pixels)
            (loss * share).backward()
            sums += torch.stack([loss.detach(), right]) * share
        self.team.mean_(p.grad for p in self.live.parameters() if p.grad is not None)
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(self.live.parameters(), self.recipe.clip)
        self.optimiser.step()
        return sums

    def _loss(self, pixels: Tensor, goals: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The loss on these faces, and the share of them that are right."""
        with torch.autocast(self.where.type, torch.bfloat16, enabled=self.half):
            given = self.forward(pixels)  # (B, K), or with a second labelling (B, K + K2), goals and targets likewise
        own = slice(self.classes)
        logits, first = given[:, own], goals[:, own] if goals.ndim == 2 else goals
        loss = cross_entropy(logits, first, self.recipe.smoothing, self.weights)
        if given.shape[1] > self.classes:
            loss = loss + self.recipe.second * cross_entropy(given[:, self.classes :], goals[:, self.classes :])
        return loss, (logits.argmax(1) == _hard(targets, self.classes)).float().mean()


def _check(train: FaceSet, val: FaceSet, second: FaceSet | None) -> None:
    known = train.labels != UNLABELLED, (val.labels != UNLABELLED) & (val.marks == "")
    for name, usable, purpose in (("train", known[0], "learn from"), ("val", known[1], "judge by")):
        if not usable.any():
            raise DataError(f"There are no labelled faces to {purpose} ({name}).")
    if train.classes != val.classes:
        raise DataError(f"train has the classes {', '.join(train.classes)}; val has {', '.join(val.classes)}.")
    if second is not None and not (second.soft and np.array_equal(second.images, train.images)):
        raise DataError("The second labelling must be shares of classes for the very faces of train, in their order.")


def bfloat16(recipe: Recipe, device: torch.device) -> bool:
    """Whether a training by `recipe` on `device` computes in bfloat16 (weights stay float32)."""
    if recipe.precision != "auto":
        return recipe.precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def _optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD or AdamW, with weight decay on matrices and filters only: norms and biases have one dimension."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, recipe.lr, recipe.momentum, nesterov=recipe.momentum > 0)
    return torch.optim.AdamW(groups, recipe.lr, (recipe.momentum, 0.999))


def _size(recipe: Recipe, full: int, epoch: int) -> int:
    """Side of the faces in this epoch: from `start_size` in a straight line to full at 70 % of the epochs, by fours."""
    grown = epoch / max(1.0, 0.7 * recipe.epochs)
    if not recipe.start_size or grown >= 1:
        return full
    return min(full, 4 * round((recipe.start_size + (full - recipe.start_size) * grown) / 4))


@torch.inference_mode()
def _judge(model: nn.Module, faces: OnDevice, team: Team) -> tuple[float, float]:
    """(mean loss, accuracy) over all faces, in float32."""
    model.eval()
    sums = torch.zeros(2, device=faces.device)
    for place, (images, targets) in enumerate(faces.batches(512)):
        if place % team.size != team.rank:
            continue
        logits = model(images)
        right = (logits.argmax(1) == _hard(targets, logits.shape[1])).float()
        sums += torch.stack([cross_entropy(logits, targets) * len(images), right.sum()])
    sums *= team.size
    team.mean_([sums])
    loss, right_ones = (sums / len(faces)).tolist()
    return loss, right_ones


def _norms(model: nn.Module) -> list[Tensor]:
    """The running means and variances."""
    return [buffer for buffer in model.buffers() if buffer.is_floating_point()]


def _hard(targets: Tensor, classes: int) -> Tensor:
    return targets[:, :classes].argmax(1) if targets.ndim == 2 else targets


def _soft(targets: Tensor, classes: int) -> Tensor:
    return targets if targets.ndim == 2 else nn.functional.one_hot(targets, classes).float()


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
