"""What a training changes: the network, its average and its optimiser, one epoch at a time."""

import copy
import math
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from mien.data.faces import UNLABELLED, FaceSet
from mien.errors import CheckpointError, Diverged, MienError, first_line
from mien.training.augment import augment
from mien.training.averaging import average_
from mien.training.device import OnDevice
from mien.training.distillation import Teachers
from mien.training.distributed import Team
from mien.training.losses import class_weights, cross_entropy
from mien.training.mixing import mix
from mien.training.norms import measure_, statistics, train_mode
from mien.training.precision import number_kind
from mien.training.recipe import Recipe
from mien.training.schedule import rate


class Learner:
    """A network that is being trained: the weights that take the steps, their average, and what the steps need."""

    def __init__(
        self,
        model: nn.Module,
        train: FaceSet,
        recipe: Recipe,
        where: torch.device,
        second: FaceSet | None,
        team: Team,
        teachers: Sequence[nn.Module] = (),
    ) -> None:
        self.recipe, self.where, self.classes, self.team = recipe, where, len(train.classes), team
        self.faces = OnDevice(train, where)
        self.model = model  # what is judged: the average of `live`, or `live` itself where the recipe has no `ema`
        with torch.no_grad():  # what TorchScript copies would otherwise lead back to the original, and take no steps
            self.live = copy.deepcopy(model) if recipe.ema else model
        forward: Any = self.live if second is None else self.live.joint
        if recipe.compile:
            torch.compiler.reset()  # or torch would silently compile no more after a few networks in one process
            forward = torch.compile(forward, dynamic=False)  # once for each size of faces; `side` gives two
        self.forward = forward
        self.teachers = Teachers(teachers if recipe.distil else (), train, where)
        self.optimiser = _optimiser(self.live, recipe)
        balanced = recipe.class_weights == "balanced"
        self.weights = class_weights(self.faces.targets, self.classes) if balanced else None
        if balanced:  # torch divides by the weights of hard targets in a batch: its parts wouldn't add up to it
            self.faces.targets = _soft(self.faces.targets, self.classes)
        if second is not None:  # both labellings side by side, so that they are shuffled and mixed as one
            others = torch.from_numpy(second.targets[train.labels != UNLABELLED]).to(where)
            self.faces.targets = torch.cat([_soft(self.faces.targets, self.classes), others], 1)
        self.kind = number_kind(recipe, where)
        # float16 ends at 6e-8: losses are scaled, so that small gradients aren't lost (Micikevicius et al., 2018)
        self.scaler = torch.amp.GradScaler(where.type, enabled=self.kind == torch.float16)
        self.batch = min(recipe.batch, len(self.faces))
        if self.batch % team.size:
            raise MienError(
                f"A batch of {self.batch} can't be shared among {team.size} processes: choose a multiple of "
                f"{team.size}."
            )
        self.steps = len(self.faces) // self.batch

    @property
    def lr(self) -> float:
        """The learning rate of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def state(self) -> dict[str, Any]:
        """What `load` takes: live tensors, not copies."""
        parts: dict[str, Any] = {"model": self.model, "live": self.live, "optimiser": self.optimiser}
        if self.scaler.is_enabled():
            parts["scaler"] = self.scaler
        return {name: part.state_dict() for name, part in parts.items()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave.

        Raises:
            CheckpointError: of another network, or another optimiser.
        """
        try:
            self.model.load_state_dict(state["model"])
            self.live.load_state_dict(state["live"])
            had = [set(group) for group in self.optimiser.param_groups]  # an optimiser is known by its settings
            self.optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))  # it would keep these very tensors
            if any(own - set(group) for own, group in zip(had, self.optimiser.param_groups, strict=True)):
                raise ValueError("another optimiser's")
            if self.scaler.is_enabled():
                self.scaler.load_state_dict(state["scaler"])
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"The state is of another network or optimiser than this training's ({first_line(error)}): give fit "
                "the model and recipe that it was taken with."
            ) from None

    @torch.enable_grad()  # the loop's owner may have switched gradients off since the last one
    def epoch(self, number: int, tick: Callable[[float], None] | None) -> tuple[float, float]:
        """One pass over the faces: (mean loss, accuracy). Its random numbers follow from the seed and its number."""
        generator = torch.Generator(self.where).manual_seed(self.recipe.seed * 100_003 + number)
        size, changes = side(self.recipe, self.faces.side, number), _changes(self.recipe, number)
        dice = generator if self.where.type == "cpu" else torch.Generator().manual_seed(generator.initial_seed())
        balanced = self.recipe.sampling == "balanced"
        sums = torch.zeros(2, device=self.where)  # loss, accuracy; read once an epoch, so that a GPU never waits
        for judged, moved in zip(self.model.parameters(), self.live.parameters(), strict=True):
            moved.requires_grad_(judged.requires_grad)  # the loop's owner may have frozen or thawed it
        _begin_momenta(self.optimiser)
        train_mode(self.live)
        with torch.random.fork_rng(devices=[self.where] if self.where.type in ("cuda", "mps") else []):
            _seed(self.where, generator.initial_seed() + self.team.rank)
            for step, (images, targets) in enumerate(self.faces.shuffled(self.batch, generator, balanced)):
                done = (number + step / self.steps) / self.recipe.epochs
                for group in self.optimiser.param_groups:
                    group["lr"] = self.recipe.lr * rate(self.recipe.schedule, done, self.recipe.warmup)
                sums += self._step(images, targets, size, changes, generator, dice)
                if self.recipe.ema:
                    average_(self.model, self.live, self.recipe.ema, number * self.steps + step)
                if tick:
                    tick((step + 1) / self.steps)
        if self.recipe.norm_faces:
            self._measure_norms(generator)
        self.team.mean_([sums, *statistics(self.live), *(statistics(self.model) if self.recipe.ema else ())])
        loss, accuracy = (sums / self.steps).tolist()
        if not math.isfinite(loss):
            raise Diverged(f"The loss is {loss} after epoch {number + 1}: lower lr (now {self.recipe.lr}) or set clip.")
        return loss, accuracy

    def _measure_norms(self, generator: torch.Generator) -> None:
        """Measure the judged network's running means and variances anew, on training faces as they are."""
        batches = islice(self.faces.shuffled(self.batch, generator), max(1, self.recipe.norm_faces // self.batch))
        shares = (self.team.share(images) for images, _ in batches)
        with self._narrow():
            measure_(self.model, (part for share in shares for part in self._parts(share)))

    def _narrow(self) -> torch.autocast:
        return torch.autocast(self.where.type, self.kind, enabled=self.kind != torch.float32)

    def _parts(self, faces: Tensor) -> tuple[Tensor, ...]:
        """These faces in equal parts, of the size that a step computes at a time; the last few may be left out."""
        size = max(1, len(faces) // self.recipe.accumulate)
        return tuple(faces[: len(faces) // size * size].split(size))

    def _step(
        self,
        images: Tensor,
        targets: Tensor,
        size: int,
        changes: Recipe,
        generator: torch.Generator,
        dice: torch.Generator,
    ) -> Tensor:
        """One step on one batch: `(2,)`, its loss and accuracy."""
        pixels = augment(images, changes, generator, size)
        pixels, goals = mix(pixels, targets, self.classes, self.recipe, generator, dice)
        pixels, goals, targets = (self.team.share(part) for part in (pixels, goals, targets))
        self.optimiser.zero_grad()
        sums = torch.zeros(2, device=self.where)
        parts = min(self.recipe.accumulate, len(pixels))
        for part in zip(*(whole.tensor_split(parts) for whole in (pixels, goals, targets)), strict=True):
            loss, right = self._loss(*part)
            share = len(part[0]) / len(pixels)
            self.scaler.scale(loss * share).backward()
            sums += torch.stack([loss.detach(), right]) * share
        self.team.mean_(p.grad for p in self.live.parameters() if p.grad is not None)
        if self.recipe.clip:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.live.parameters(), self.recipe.clip)
        self.scaler.step(self.optimiser)  # in float16 a step with an infinite gradient is left out
        self.scaler.update()
        return sums

    def _loss(self, pixels: Tensor, goals: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The loss on these faces, and the share of them that are right."""
        with self._narrow():
            given = self.forward(pixels)  # (B, K), or with a second labelling (B, K + K2), goals and targets likewise
        own = slice(self.classes)
        logits, first = given[:, own], goals[:, own] if goals.ndim == 2 else goals
        smoothing = self.recipe.smoothing
        if self.teachers:
            first, smoothing = self._taught(pixels, first), 0.0
        loss = cross_entropy(logits, first, smoothing, self.weights)
        if given.shape[1] > self.classes:
            loss = loss + self.recipe.second * cross_entropy(given[:, self.classes :], goals[:, self.classes :])
        return loss, (logits.argmax(1) == hard(targets, self.classes)).float().mean()

    def _taught(self, pixels: Tensor, goals: Tensor) -> Tensor:
        """`(B, K)`: the goals, smoothed, and the teachers' answers for these very pixels, mixed as `distil` says.

        The answers aren't smoothed: they are smooth already. Cross-entropy is linear in its targets, so this is the
        usual sum of two losses at temperature 1 (Hinton et al., 2015). That teachers see what the network sees is from
        Beyer et al., 2022.
        """
        with self._narrow():
            answers = self.teachers(pixels)
        smoothing = self.recipe.smoothing
        own = _soft(goals, self.classes) * (1 - smoothing) + smoothing / self.classes
        return torch.lerp(own, answers, self.recipe.distil)


def _seed(device: torch.device, seed: int) -> None:
    """Seed what dropout on this device draws from; `torch.manual_seed` would seed every GPU."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def _optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD or AdamW, with weight decay on matrices and filters only: norms and biases have one dimension.

    Fused on CPU and GPU: with large layers, torch's default would take most of a step's time. Torch refuses complex
    weights there, as of a Fourier layer.
    """
    fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in model.parameters())
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, recipe.lr, recipe.momentum, nesterov=recipe.momentum > 0, fused=fused)
    return torch.optim.AdamW(groups, recipe.lr, (recipe.momentum, 0.999), fused=fused)


def _begin_momenta(optimiser: torch.optim.Optimizer) -> None:
    """Let SGD's momenta begin at 0 for the weights that are trained and have none yet.

    torch makes them in the first step: with whatever was in that memory, if float16 leaves that step out. And it fails
    where some weights have them and others, thawed since, don't.
    """
    for group in optimiser.param_groups:
        for parameter in group["params"] if group.get("momentum") else ():
            if parameter.requires_grad and "momentum_buffer" not in optimiser.state[parameter]:
                optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def side(recipe: Recipe, full: int, epoch: int) -> int:
    """Side of the faces in this epoch: it grows linearly from `start_size` to full at 70 % of the epochs, by fours.

    A network is compiled anew for each size, so a compiled one has two: `start_size`, and full from half-way on.
    """
    grown = epoch / max(1.0, 0.7 * recipe.epochs)
    if recipe.compile:
        grown = float(grown >= 0.5)
    if not recipe.start_size or grown >= 1:
        return full
    return min(full, max(4, 4 * round((recipe.start_size + (full - recipe.start_size) * grown) / 4)))


def _changes(recipe: Recipe, epoch: int) -> Recipe:
    """The recipe of this epoch's augmentation: the last epochs are without blur and noise (`clear`), and without shift,
    scale and rotation (`plain`).

    These resample a face, which blurs it a little and shifts the norms' statistics; faces in use aren't resampled.
    """
    still: dict[str, float] = {}
    left = (recipe.epochs - epoch) / recipe.epochs
    if left <= recipe.clear:
        still |= {"blur": 0.0, "noise": 0.0}
    if left <= recipe.plain:
        still |= {"shift": 0.0, "scale": 0.0, "rotate": 0.0}
    return recipe.model_copy(update=still) if still else recipe


def hard(targets: Tensor, classes: int) -> Tensor:
    return targets[:, :classes].argmax(1) if targets.ndim == 2 else targets


def _soft(targets: Tensor, classes: int) -> Tensor:
    return targets if targets.ndim == 2 else nn.functional.one_hot(targets, classes).float()
