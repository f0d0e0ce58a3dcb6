"""Net: a network from an ONNX file and its card. The one way to run a network without torch."""

import os
import timeit
import weakref
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.cards import CARD, Card, checksum
from mien.errors import CheckpointError, DataError, first_line
from mien.prior import Prior, adapted
from mien.session import device_of, open_session, workers
from mien.shipped import find, shipped

MODEL = "model.onnx"
"""The network's name in a run folder."""

WEIGHTS = "weights.safetensors"
"""The name there of the weights as PyTorch takes them."""

METADATA = "mien.card"
"""Where in the ONNX file's metadata its card stands, as JSON."""

BESIDE = "mien.weights"
"""Where in it the SHA-256 of `weights.safetensors` stands, if the graph takes its weights from there."""

PIECE = 8
"""Crops that a thread takes at a time: what so few leave between layers stays in the processor's cache."""

QUICK = 0.5e-3
"""Seconds that one thread takes for a crop, below which a second isn't worth it: threads wait for each other in every
layer."""

_NETS: "weakref.WeakSet[Net]" = weakref.WeakSet()

_LEFT: list[Any] = []
"""In a forked process: objects whose threads only its parent has. They are kept, as freeing them waits for those."""


class Net:
    """A trained network: pixels in, probabilities out.

    Args:
        path: a `.onnx` file that mien wrote, a run folder that holds a `model.onnx`, or a network that comes with mien,
            such as "small" or "small:int8".
        threads: how many threads one call may use; 0: one for each core. A batch of many is shared out among them; on
            a few crops all work together in every layer, or in a quick network (`QUICK`) one alone.
        device: where it runs, as `open_session` has it; `device` then says which one it got.
        spin: whether its threads stay awake between calls; see `open_session`.
        prior: how frequent the classes are expected to be, "even" or shares 0..1 by class (those not named divide what
            is left as in training); its answers are what they are then (`mien.prior`). None: as in its training.

    `prior` says which shares its answers are for; it is None where that isn't known.

    The card in the file says what the network is. Where a `card.json` beside the file lists it, that card is taken
    (it may know scores that came later) and the file must have the checksum that stands there. The ONNX file of a
    network in the box takes its weights from the `weights.safetensors` beside it, whose checksum it knows; `files` are
    the file and, where it is so, that one.

    It can be used in forked processes, and pickled: then the same file is opened again.

    Raises:
        DataError: fewer than 0 threads, or a prior that can't be.
        CheckpointError: a file is missing, truncated, changed, or wasn't written by mien; or a prior is given, and its
            card doesn't say what it learned.
    """

    card: Card
    classes: tuple[str, ...]
    prior: dict[str, float] | None

    device: str

    files: tuple[Path, ...]

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int = 0,
        device: str | None = None,
        spin: bool = True,
        prior: Prior | None = None,
    ) -> None:
        if threads < 0:
            raise DataError(f"threads is {threads}; it is 0, for one on each core, or more.")
        self.path = located(path)
        prior = dict(prior) if isinstance(prior, Mapping) else prior  # the caller's may change
        self._again = partial(type(self), self.path, threads=threads, device=device, spin=spin, prior=prior)
        beside = self.path.with_name(CARD)
        whole = find(path).is_dir() or self.path.with_name(WEIGHTS).is_file()
        listed = _listed(beside, whole=whole) if beside.is_file() else None
        if listed is not None and self.path.name in listed.checksums:
            listed.verify(self.path.parent, [self.path.name])
        else:
            listed = None
        try:
            self._session = open_session(self.path, 1, device)
        except CheckpointError:
            if listed is not None:
                listed.verify(self.path.parent)  # the file is whole; the one it takes its weights from may not be
            raise
        self.device = device_of(self._session)
        self._spin = spin
        self._threads = (threads or workers()) if self.device == "cpu" else 1
        known = _metadata(self._session, self.path)
        self.files = (self.path, *_beside(known, self.path))
        inside = _card_inside(known, self._session, self.path)
        if listed is not None and (listed.classes, listed.input_shape) != (inside.classes, inside.input_shape):
            raise CheckpointError(f"{beside}: its classes or input shape aren't those in {self.path.name}.")
        self.card = listed or inside
        self.classes = self.card.classes
        self._expected = self.card.prior if prior is None else self.card.expecting(prior)
        self.prior = dict(zip(self.classes, self._expected, strict=True)) if self._expected else None
        self._try()
        _NETS.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._again, ()

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities `(B, K)` float32, in the order of `classes`, for a batch of faces.

        Args:
            pixels: uint8 0..255, `(B, C, H, W)`, or `(B, H, W)` gray; C, H and W as in `card.input_shape`. An empty
                batch gives `(0, K)`.

        Raises:
            DataError: another dtype or shape.
        """
        channels, height, width = self.card.input_shape
        batch = np.asarray(pixels)
        if batch.ndim == 3:
            batch = np.repeat(batch[:, None], channels, axis=1)
        if batch.dtype != np.uint8 or batch.shape[1:] != (channels, height, width):
            raise DataError(
                f"This network takes uint8 pixels of shape (B, {channels}, {height}, {width}); "
                f"found {batch.dtype} of shape {np.shape(pixels)}."
            )
        if not len(batch):
            return np.empty((0, len(self.classes)), np.float32)
        answers = self._answers(np.ascontiguousarray(batch))
        if self._expected != self.card.prior:
            answers = adapted(answers, self.card.prior, self._expected)
        return answers

    def _answers(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._threads == 1:
            many = self.device == "cpu" and len(batch) >= 4 * PIECE
            return (_in_pieces if many else _run)(self._session, batch)
        if (shares := min(self._threads, len(batch) // (2 if self._quick else PIECE))) < 2:
            return _run(self._session if self._quick else self._together, batch)
        own, *others = np.array_split(batch, shares)
        working = [self._others.submit(_in_pieces, self._session, share) for share in others]
        return np.concatenate([_in_pieces(self._session, own), *(one.result() for one in working)])

    @cached_property
    def _quick(self) -> bool:
        """Whether one thread reads a crop in less than `QUICK` seconds."""
        black = np.zeros((1, *self.card.input_shape), np.uint8)
        return min(timeit.repeat(lambda: _run(self._session, black), number=1, repeat=3)) < QUICK

    @cached_property
    def _together(self) -> Any:
        """The same network for several threads that share each layer; if its files are gone, or another network's by
        now, the one that is open."""
        with suppress(CheckpointError, OSError):
            session = open_session(self.path, self._threads, spin=self._spin)
            known = _metadata(session, self.path)
            if known == _metadata(self._session, self.path) and _beside(known, self.path) == self.files[1:]:
                return session
        return self._session

    @cached_property
    def _others(self) -> ThreadPoolExecutor:
        """The threads that take shares of a batch, beside the one that calls."""
        return ThreadPoolExecutor(self._threads - 1, "mien net")

    def _try(self) -> None:
        """One black face: a graph that loads may still fail when it runs, and it should do so here."""
        try:
            answer = _run(self._session, np.zeros((1, *self.card.input_shape), np.uint8))
        except Exception as error:  # onnxruntime's own errors share no other root
            raise CheckpointError(f"{self.path}: damaged: it doesn't run ({first_line(error)}).") from None
        if answer.dtype != np.float32 or answer.shape != (1, len(self.classes)) or not np.isfinite(answer).all():
            raise CheckpointError(f"{self.path}: damaged: its answer isn't {len(self.classes)} probabilities.")

    def __repr__(self) -> str:
        return f"Net({self.card.model}, {len(self.classes)} classes, {self.path})"


def _forked() -> None:
    """Threads stay behind in the parent: the child starts its own when it needs them."""
    for net in _NETS:
        _LEFT.extend(net.__dict__.pop(name, None) for name in ("_together", "_others"))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def located(path: str | os.PathLike[str]) -> Path:
    """The ONNX file that `path` names, as `Net` takes it; not opened yet.

    Raises:
        CheckpointError: there is none.
    """
    given = find(path)
    folder = os.path.isdir(given)  # False for a name that is too long, for which Path.is_dir raises
    file = given / MODEL if folder else given
    if not os.path.isfile(file):
        found = f"{given}: no {MODEL} in this folder" if folder else f"{given}: no such file"
        box = ", ".join(shipped())
        raise CheckpointError(f"{found}. Name a .onnx file, a run folder that mien wrote, or one of the box: {box}.")
    return file


def _listed(card: Path, *, whole: bool) -> Card | None:
    """The card beside a file. One that is none of mien's is passed over, unless the `whole` folder is a network's."""
    try:
        return Card.read(card)
    except CheckpointError:
        if whole:
            raise
        return None


def _run(session: Any, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    answer: NDArray[np.float32] = session.run(None, {"pixels": batch})[0]
    return answer


def _in_pieces(session: Any, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([_run(session, piece) for piece in np.array_split(batch, -(-len(batch) // PIECE))])


def _metadata(session: Any, path: Path) -> dict[str, str]:
    try:
        known: dict[str, str] = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError:
        raise CheckpointError(f"{path}: damaged: its metadata isn't text. Copy or export it again.") from None
    return known


def _beside(known: dict[str, str], path: Path) -> tuple[Path, ...]:
    """The file that the graph takes its weights from, if it does, once its checksum is the one that the graph knows."""
    if BESIDE not in known:
        return ()
    weights = path.with_name(WEIGHTS)
    if checksum(weights) != known[BESIDE]:
        raise CheckpointError(
            f"{weights}: changed or damaged, or another network's: its SHA-256 isn't the one that {path.name} knows. "
            "Copy both again from where they came."
        )
    return (weights,)


def _card_inside(known: dict[str, str], session: Any, path: Path) -> Card:
    if METADATA not in known:
        raise CheckpointError(f"{path}: an ONNX file, but not one of mien's: it holds no card ({METADATA}).")
    card = Card.from_json(known[METADATA], f"{path}, card inside")
    takes, gives = session.get_inputs(), session.get_outputs()
    shapes = [tuple(value.shape[1:]) for value in (*takes, *gives)]
    names = [value.name for value in (*takes, *gives)]
    if names != ["pixels", "probabilities"] or shapes != [card.input_shape, (len(card.classes),)]:
        found = ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True))
        raise CheckpointError(f"{path}: its inputs and outputs ({found}) aren't those of its card.")
    return card
