"""Where the work is done: pick a device, and move models and batches to it."""

import copy
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mien.data.faces import UNLABELLED, FaceSet
from mien.data.pages import let_go, mapped
from mien.errors import MienError, first_line
from mien.modes import in_eval_mode

T = TypeVar("T")


def pick_device(name: str | torch.device | None = None) -> torch.device:
    """The device of that name; without a name a CUDA GPU when there is one, else the CPU.

    Apple's GPU, "mps", has to be asked for: nobody has tried it yet.

    Under torchrun "cuda", named or not, is the GPU of this process.

    Raises:
        MienError: when the named device isn't there.
    """
    asked = name is not None
    name = str(name) if asked else None
    if name in (None, "cuda") and torch.cuda.is_available():
        name = f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ else "cuda"  # torchrun: a GPU each
    try:
        device = torch.device("cpu" if name is None else name)
        tried = torch.ones(1, device=device) + 1
        if device.type == "cuda":
            tried.item()  # torch lists GPUs that it has no programs for, and fails at the first
    except (RuntimeError, AssertionError) as error:
        if not (asked or "LOCAL_RANK" in os.environ or isinstance(error, torch.OutOfMemoryError)):
            warnings.warn(f"The GPU can't be used ({first_line(error)}); this is done on the CPU.", stacklevel=2)
            return torch.device("cpu")
        raise MienError(f"There is no device {name!r} that works here ({first_line(error)}). Try 'cpu'.") from None
    return device


@torch.no_grad()  # not inference_mode: parameters that are laid out anew in it can't be trained
def arrange(model: nn.Module, device: torch.device, shape: Sequence[int]) -> None:
    """Move a network to the device, its weights in the `layout` for it. They stay contiguous if the network then fails
    on faces of this shape `(C, H, W)`, as with `.view` after a convolution."""
    model.to(device, memory_format=layout(device))  # type: ignore[call-overload]
    try:
        with in_eval_mode(model):
            model(torch.zeros(2, *shape, dtype=torch.uint8, device=device))
    except RuntimeError:
        model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def layout(device: torch.device) -> torch.memory_format:
    """The memory format in which convolutions are fast there: channels last, except on Apple's GPU, where the backward
    pass of torch's batch normalisation fails in it (its issues 175189 and 188371)."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def to_device(thing: T, device: torch.device | str) -> T:
    """Move a tensor, a model, or a list, tuple or dict of them to `device`: the article's function.

    >>> to_device((torch.zeros(2), [torch.ones(1)]), "cpu")
    (tensor([0., 0.]), [tensor([1.])])
    """
    moved: Any = thing
    if isinstance(thing, (Tensor, nn.Module)):
        to_gpu = torch.device(device).type == "cuda"  # a copy from it could be read before it is complete
        moved = thing.to(device, non_blocking=to_gpu)
    elif isinstance(thing, (list, tuple)):
        parts = [to_device(part, device) for part in thing]
        moved = type(thing)(*parts) if hasattr(thing, "_fields") else type(thing)(parts)
    elif isinstance(thing, dict):
        moved = copy.copy(thing)  # of its kind, such as defaultdict
        moved.update((key, to_device(part, device)) for key, part in thing.items())
    return moved  # type: ignore[no-any-return]


class DeviceLoader:
    """A DataLoader whose batches come out on `device`: the article's wrapping class.

    >>> from torch.utils.data import DataLoader
    >>> [batch.shape for batch in DeviceLoader(DataLoader(torch.zeros(5, 3), batch_size=4), "cpu")]
    [torch.Size([4, 3]), torch.Size([1, 3])]
    """

    def __init__(self, loader: Iterable[Any], device: torch.device | str) -> None:
        self.loader, self.device = loader, device

    def __iter__(self) -> Iterator[Any]:
        return (to_device(batch, self.device) for batch in self.loader)

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]


RESIDENT = 1 << 30
"""Bytes. A larger memory-mapped set stays on disk, and each batch is read from there. Beside a GPU the limit is a
quarter of its free memory, where that is more."""

LOOKED_AT = 64
"""Faces read from a mapped set before its pages are released: the system may map a megabyte around each face."""


def room(device: torch.device) -> int:
    """Bytes that one set of faces may take up on the device."""
    return max(RESIDENT, torch.cuda.mem_get_info(device)[0] // 4) if device.type == "cuda" else RESIDENT


class OnDevice:
    """A whole FaceSet on the device, handed out in batches: no worker processes, no copy for each batch.

    FER2013's training faces are 66 MB as uint8, so they fit beside any network. A memory-mapped set for which there is
    no `room` stays on disk, and each batch is read when its turn comes: the same faces in the same order. Faces without
    a label are left out; with `judged` marked ones, too.

    `images` are `(N, C, H, W)` uint8, or None where they stay on disk; `targets` are `(N,)` int64 or `(N, K)` float32.
    """

    def __init__(self, faces: FaceSet, device: torch.device, *, judged: bool = False) -> None:
        self.device, self.side = device, faces.images.shape[1]
        keep = faces.sure if judged else faces.labels != UNLABELLED
        targets = faces.targets if keep.all() else faces.targets[keep]
        self.targets = torch.from_numpy(np.require(targets, requirements=["C", "W"])).to(device)
        self._labels = faces.labels[keep]
        self.images: Tensor | None = None
        if not mapped(faces.images) or faces.images.nbytes <= RESIDENT:
            self.images = self._placed(faces.images if keep.all() else faces.images[keep])
            return
        self._map, self._places = faces.images, np.flatnonzero(keep)
        if faces.images.nbytes <= room(device):  # in pieces: the machine may have less memory than its GPU
            first = self._read(self._places[:1])
            images = torch.empty(len(self), *first.shape[1:], dtype=first.dtype, device=device)
            for at in range(0, len(self), LOOKED_AT):
                images[at : at + LOOKED_AT] = self._read(self._places[at : at + LOOKED_AT])
            self.images = images

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, pick: Tensor | slice) -> tuple[Tensor, Tensor]:
        """(images, targets) of these faces."""
        if self.images is not None:
            return self.images[pick], self.targets[pick]
        return self._read(self._places[pick if isinstance(pick, slice) else pick.cpu().numpy()]), self.targets[pick]

    def _read(self, places: NDArray[np.int64]) -> Tensor:
        """The images at these places of the mapped set."""
        found = np.empty((len(places), *self._map.shape[1:]), np.uint8)
        for at in range(0, len(places), LOOKED_AT):
            found[at : at + LOOKED_AT] = self._map[places[at : at + LOOKED_AT]]
            let_go(self._map)
        return self._placed(found)

    def _placed(self, images: NDArray[np.uint8]) -> Tensor:
        """These on the device, `(N, C, H, W)`; of colour faces the channels lie side by side, see `layout`."""
        held = _planes(images).to(self.device)
        return held.contiguous() if self.device.type == "mps" else held

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(images, targets) in order, the last batch as large as it comes."""
        return (self[start : start + size] for start in range(0, len(self), size))

    def shuffled(
        self, size: int, generator: torch.Generator, balanced: bool = False
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """(images, targets) in an order drawn from `generator`; a last batch of fewer than `size` is left out.

        Left out because batch normalisation suffers from a tiny batch; other faces are left out in the next epoch.
        A set smaller than one batch is one batch. `balanced`: as many draws, but every class is as likely as any other
        (of soft targets the largest share counts), and a face may come twice.
        """
        draw = self._balanced if balanced else self._permuted
        order = draw(generator).to(self.device if self.images is not None else "cpu")
        size = min(size, len(self))
        for start in range(0, len(self) - size + 1, size):
            yield self[order[start : start + size]]

    def _permuted(self, generator: torch.Generator) -> Tensor:
        return torch.randperm(len(self), generator=generator, device=generator.device)

    def _balanced(self, generator: torch.Generator) -> Tensor:
        """A class for every draw, then one of its faces."""
        labels = torch.from_numpy(self._labels).to(generator.device)
        counts = torch.bincount(labels)
        present = counts.nonzero().flatten()
        by_class, first = labels.argsort(stable=True), counts.cumsum(0) - counts
        fine = torch.float32 if generator.device.type == "mps" else torch.float64  # Apple's GPUs have no more
        draws = torch.rand(2, len(self), generator=generator, device=generator.device, dtype=fine)
        chosen = present[(draws[0] * len(present)).long()]
        return by_class[first[chosen] + (draws[1] * counts[chosen]).long()]


def _planes(images: NDArray[np.uint8]) -> Tensor:
    """`(N, C, H, W)`, without a copy where that can be."""
    # C: torch has no negative strides, as of faces[::-1]; W: nor read-only arrays, as memory-mapped ones are
    held = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    return held[:, None] if held.ndim == 3 else held.permute(0, 3, 1, 2)
