"""How processes find one another: every start of a team has a number of its own, whatever the last one left behind."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from torch import distributed as dist

from mien.errors import MienError
from mien.training.distributed import meet


@pytest.fixture
def store() -> dist.TCPStore:
    """A store as torchrun keeps one for all starts of its processes."""
    return dist.TCPStore("127.0.0.1", 0, None, True, timedelta(seconds=10), wait_for_workers=False)


def member(server: dist.TCPStore, rank: int, size: int, late: float = 0.0, patience: float = 10) -> int:
    """One process of a start, which comes `late` seconds after the others."""
    time.sleep(late)
    own = dist.TCPStore("127.0.0.1", server.port, None, False, timedelta(seconds=patience), wait_for_workers=False)
    return meet(own, rank, size)


def test_every_start_is_counted_alike_whoever_comes_late(store: dist.TCPStore) -> None:
    with ThreadPoolExecutor(3) as threads:
        for number in range(1, 7):
            late = [0.2 * (rank == number % 3) for rank in range(3)]
            found = [threads.submit(member, store, rank, 3, late[rank]) for rank in range(3)]
            assert [one.result() for one in found] == [number] * 3


@pytest.mark.parametrize("survivor", [0, 1])
def test_a_start_that_was_cut_off_is_not_taken_for_the_next(store: dist.TCPStore, survivor: int) -> None:
    with pytest.raises((MienError, dist.DistStoreError)):  # the other was killed on the way
        member(store, survivor, 2, patience=0.3)
    with ThreadPoolExecutor(2) as threads:
        found = [threads.submit(member, store, rank, 2, 0.3 * (rank != survivor)) for rank in range(2)]
        assert [one.result() for one in found] == [2 if survivor == 0 else 1] * 2


def test_a_team_may_be_of_another_size_the_next_time(store: dist.TCPStore) -> None:
    with ThreadPoolExecutor(3) as threads:
        for number, size in enumerate((3, 1, 2), 1):
            found = [threads.submit(member, store, rank, size) for rank in range(size)]
            assert [one.result() for one in found] == [number] * size
