"""Several processes on one training, as `torchrun` starts them: each takes its share of every batch.

All of them hold the same weights and draw the same random numbers. Each augments the whole batch, computes on its own
faces of it, and the gradients are averaged, so the step is that of one process with the whole batch, but for two
things: sums are rounded in another order, and batch norm sees one process's share of the batch (its running means are
averaged at the end of an epoch). Rank 0 alone writes and speaks.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist

from mien.errors import MienError


@dataclass(frozen=True)
class Team:
    """This process's place among `size` processes. Alone, everything here does nothing."""

    rank: int = 0
    size: int = 1

    def share(self, batch: Tensor) -> Tensor:
        """This process's rows of a batch."""
        return batch if self.size == 1 else batch[self.rank :: self.size]

    @torch.no_grad()
    def mean_(self, tensors: Iterable[Tensor]) -> None:
        """Put the mean over all processes into each tensor, in place, in one exchange."""
        held = list(tensors)
        if self.size == 1 or not held:
            return
        flat = torch.cat([tensor.flatten() for tensor in held])
        dist.all_reduce(flat)
        flat /= self.size
        parts = flat.split([tensor.numel() for tensor in held])
        for tensor, part in zip(held, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def agree(self, number: int, what: str) -> None:
        """Raise MienError in every process unless all of them bring the same number."""
        if self.size == 1:
            return
        found = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        found = [part.to(device) for part in found]
        dist.all_gather(found, torch.tensor([number], device=device))
        numbers = [int(part) for part in found]
        if len(set(numbers)) > 1:
            raise MienError(f"The processes find different {what} ({numbers}): is the folder shared by all of them?")

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            dist.barrier()


def join(device: torch.device) -> Team:
    """The team that torchrun made this process part of, through nccl on GPUs and gloo elsewhere; else a team of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Team()
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Team(dist.get_rank(), size)


def restarted() -> bool:
    """Whether torchrun started this process in place of one that died: then the run in the folder is its own."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def leave() -> None:
    """Leave the team; nothing when there is none."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def check_divides(batch: int, team: Team) -> None:
    """Raise MienError unless every process gets as many faces of a batch as the others."""
    if batch % team.size:
        raise MienError(
            f"A batch of {batch} can't be shared among {team.size} processes: choose a multiple of {team.size}."
        )
