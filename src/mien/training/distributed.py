"""Several processes on one training, as `torchrun` starts them: each takes its share of every batch.

All of them hold the same weights and draw the same random numbers. Each augments the whole batch, computes on its own
faces of it, and the gradients are averaged, so the step is that of one process with the whole batch, but for three
things: sums are rounded in another order, batch norm sees one process's share of the batch (its running means are
averaged at the end of an epoch), and dropout draws differ. Rank 0 alone writes and speaks.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from mien.errors import MienError, first_line

PATIENCE = timedelta(minutes=10)
"""How long the processes wait for one another: much longer than rank 0 alone ever reads or writes."""


@dataclass(frozen=True)
class Team:
    """This process's place among `size` processes. Alone, everything here does nothing.

    `again`: torchrun started these processes in place of others, so the run in the folder is their own.
    """

    rank: int = 0
    size: int = 1
    again: bool = False

    def share(self, batch: Tensor) -> Tensor:
        """This process's rows of a batch."""
        return batch if self.size == 1 else batch[self.rank :: self.size]

    @torch.no_grad()
    def mean_(self, tensors: Iterable[Tensor]) -> None:
        """Put the mean over all processes into each tensor, in place, in one exchange."""
        if self.size == 1 or not (held := list(tensors)):
            return
        flat = torch.cat([tensor.flatten() for tensor in held])
        with _together():
            dist.all_reduce(flat)
        flat /= self.size
        parts = flat.split([tensor.numel() for tensor in held])
        for tensor, part in zip(held, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    @torch.no_grad()
    def as_first_(self, tensors: Iterable[Tensor]) -> None:
        """Put the numbers of rank 0 into each tensor, in place."""
        for tensor in tensors if self.size > 1 else ():
            held = tensor.contiguous()
            with _together():
                dist.broadcast(held, 0)
            tensor.copy_(held)

    def agree(self, number: int, what: str) -> None:
        """Raise MienError in every process unless all of them bring the same number."""
        if self.size == 1:
            return
        own = torch.tensor([number], device="cuda" if dist.get_backend() == "nccl" else "cpu")
        found = [torch.zeros_like(own) for _ in range(self.size)]
        with _together():
            dist.all_gather(found, own)
        numbers = [int(part) for part in found]
        if len(set(numbers)) > 1:
            raise MienError(f"The processes find different {what} ({numbers}): is the folder shared by all of them?")

    def wait(self) -> None:
        """Return once every process has come here."""
        if self.size > 1:
            with _together():
                dist.barrier()


def join(device: torch.device) -> Team:
    """The team that torchrun made this process part of, through nccl on GPUs and gloo elsewhere; else a team of one.

    Raises:
        MienError: the others don't come, or can't exchange anything on this device.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 and "TORCHELASTIC_RUN_ID" not in os.environ:
        return Team()
    if device.type == "mps":
        raise MienError("torchrun's processes can't exchange anything on Apple's GPU: leave out --device, or give cpu.")
    if device.type != "cuda":
        return _join("gloo")
    if device.index is not None:
        torch.cuda.set_device(device)  # what nccl takes, and "cuda" means: else all of them would take the first
    return _join("nccl")


@cache
def _join(backend: str) -> Team:
    if dist.is_initialized():  # by whoever calls mien
        return Team(dist.get_rank(), dist.get_world_size())
    with _together():
        store, rank, size = next(dist.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined]
        start = meet(store, rank, size)
        store = dist.PrefixStore(f"start {start}", store)  # type: ignore[attr-defined]
        own = torch.device("cuda", torch.cuda.current_device()) if backend == "nccl" else None
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE, device_id=own)
    restarts = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))  # tells it where torchrun doesn't keep its store
    return Team(rank, size, again=start > 1 or restarts > 0)


def meet(store: Any, rank: int, size: int) -> int:
    """Which start of the team this is, counted from 1 in the torch.distributed.Store; all get the same answer.

    torchrun keeps its store when it starts the processes again. A process that came early would find the addresses of
    those that died, and two that listen at once, each for the other to call, wait for ever. So each start needs a place
    of its own in the store. No process can know its number by itself (torchrun counts by machine, and not every start);
    rank 0 counts, and the others ask until it has heard them.

    Raises:
        MienError: rank 0 didn't come within the store's timeout.
        torch.distributed.DistStoreError: another didn't.
    """
    if rank == 0:
        start: int = store.add("starts", 1)
        for other in range(1, size):
            store.set(store.get(f"start {start}, rank {other}").decode(), "heard")
        return start
    ticket, until = f"ticket {store.add('tickets', 1)}", time.monotonic() + store.timeout.total_seconds()
    while not store.check([ticket]):
        if time.monotonic() > until:
            raise MienError(f"The first of the {size} processes of this training didn't come.")
        store.set(f"start {store.add('starts', 0)}, rank {rank}", ticket)  # the last start's, before rank 0 is here
        time.sleep(0.05)
    return int(store.add("starts", 0))


@contextmanager
def _together() -> Iterator[None]:
    """Around what the processes do together. When that fails in one of them, mostly another one has died: say so."""
    try:
        yield
    except RuntimeError as error:
        raise MienError(f"Another process of this training died or doesn't answer ({first_line(error)}).") from None


def leave() -> None:
    """Leave the team; nothing when there is none."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
    _join.cache_clear()
