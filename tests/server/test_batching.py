"""Micro-batching by itself: nothing mixed up, nothing lost, nothing waited for."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mien.server.batching import Batcher


class Doubler:
    """A network of sorts: answers each crop with twice its first pixel. Notes the sizes of its calls."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.may_go = threading.Event()
        self.may_go.set()

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        self.may_go.wait(10)
        self.sizes.append(len(crops))
        if (crops == 99).any():
            raise ValueError("99")
        return 2.0 * crops[:, 0, 0, :1].astype(np.float32)


def crops(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 2), np.uint8)


@pytest.fixture
def network() -> Doubler:
    return Doubler()


def run(network: Doubler, work, **options):
    with ThreadPoolExecutor(1) as thread:

        async def main():
            return await work(Batcher(network, thread, **options))

        return asyncio.run(main())


def test_each_gets_its_own_answers_and_what_waits_goes_together(network: Doubler) -> None:
    async def work(ask: Batcher) -> list[np.ndarray]:
        network.may_go.clear()
        asked = [asyncio.create_task(ask(crops(*range(n, n + n % 3 + 1)))) for n in range(20)]
        await asyncio.sleep(0.05)
        network.may_go.set()
        return await asyncio.gather(*asked)

    answers = run(network, work, most=8)
    for n, answer in enumerate(answers):
        assert answer.ravel().tolist() == [2 * value for value in range(n, n + n % 3 + 1)]
    assert network.sizes[0] <= 8
    assert max(network.sizes) == 8
    assert sum(network.sizes) == sum(n % 3 + 1 for n in range(20))


def test_two_calls_at_once_lose_nothing() -> None:
    network = Doubler()

    async def main() -> list[np.ndarray]:
        with ThreadPoolExecutor(2) as threads:
            ask = Batcher(network, threads, most=4, calls=2)
            rounds = []
            for _ in range(50):
                rounds += await asyncio.wait_for(asyncio.gather(*(ask(crops(n)) for n in range(11))), 10)
            return rounds

    answers = asyncio.run(main())
    assert [answer.item() for answer in answers] == 50 * [2.0 * n for n in range(11)]
    assert max(network.sizes) <= 4


def test_a_lone_one_is_asked_at_once_and_one_with_many_faces_alone(network: Doubler) -> None:
    """Without a clock: nothing is put off until later."""

    async def work(ask: Batcher) -> list[object]:
        loop, timers = asyncio.get_running_loop(), list[object]()
        own = loop.call_at
        loop.call_at = lambda *when, **how: timers.append(when) or own(*when, **how)
        await ask(crops(1))
        await ask(crops(*range(50)))
        return timers

    assert run(network, work, most=8) == []
    assert network.sizes == [1, 50]


def test_what_fails_before_the_call_is_answered_too(network: Doubler) -> None:
    sizes: list[int] = []

    def seen(size: int) -> None:
        sizes.append(size)
        if size == 3:
            raise MemoryError

    async def work(ask: Batcher) -> list[object]:
        with pytest.raises(MemoryError):
            await asyncio.wait_for(ask(crops(1, 2, 3)), 10)
        network.may_go.clear()
        first = asyncio.create_task(ask(crops(1)))
        await asyncio.sleep(0.02)
        unlike = [asyncio.create_task(ask(crops(5).repeat(side, axis=3))) for side in (1, 2)]  # they don't go together
        await asyncio.sleep(0.02)
        network.may_go.set()
        told = await asyncio.wait_for(asyncio.gather(first, *unlike, return_exceptions=True), 10)
        return [*told, await ask(crops(4))]

    first, *unlike, after = run(network, work, most=8, seen=seen)
    assert (first.item(), after.item()) == (2, 8)
    assert [type(error) for error in unlike] == [ValueError] * 2
    assert sizes == [3, 1, 1]


def test_who_was_given_up_is_left_out_and_an_error_goes_to_those_of_that_call(network: Doubler) -> None:
    async def work(ask: Batcher) -> list[object]:
        network.may_go.clear()
        first = asyncio.create_task(ask(crops(1)))
        await asyncio.sleep(0.02)
        given_up = asyncio.create_task(ask(crops(2)))
        bad = [asyncio.create_task(ask(crops(n))) for n in (99, 3)]
        await asyncio.sleep(0.02)
        given_up.cancel()
        network.may_go.set()
        told = await asyncio.gather(first, given_up, *bad, return_exceptions=True)
        return [*told, await ask(crops(4))]

    first, given_up, bad, beside, after = run(network, work, most=8)
    assert first.ravel().tolist() == [2]
    assert isinstance(given_up, asyncio.CancelledError)
    assert isinstance(bad, ValueError)
    assert isinstance(beside, ValueError)
    assert after.ravel().tolist() == [8]
    assert network.sizes == [1, 2, 1]
