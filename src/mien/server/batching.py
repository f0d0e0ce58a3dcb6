"""Micro-batching: what concurrent requests want from a network goes into one call.

Nobody waits for a batch to fill. While calls run, faces gather, and the next call takes all of them. So a lone request
is answered at once, and batches grow with the load.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Network = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class _Ask:
    crops: NDArray[np.uint8]
    answer: "asyncio.Future[NDArray[np.float32]]"


class Batcher:
    """Calls a network for many at once.

    Args:
        network: crops `(N, C, H, W)` to probabilities `(N, K)`; called in `executor`, `calls` at a time.
        most: the most crops in one call, unless a single picture has more. seen: is told the size of each call.
    """

    def __init__(
        self,
        network: Network,
        executor: Executor,
        *,
        most: int = 32,
        calls: int = 1,
        seen: Callable[[int], Any] = lambda size: None,
    ) -> None:
        self._network, self._executor, self._most, self._seen = network, executor, most, seen
        self._waiting: deque[_Ask] = deque()
        self._free = calls
        self._running: set[asyncio.Task[None]] = set()  # the loop itself holds its tasks weakly

    async def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's answers for these crops; raises what the network raises."""
        ask = _Ask(crops, asyncio.get_running_loop().create_future())
        self._waiting.append(ask)
        if self._free:
            self._free -= 1
            run = asyncio.create_task(self._run())
            self._running.add(run)
            run.add_done_callback(self._running.discard)
        return await ask.answer

    async def _run(self) -> None:
        try:
            while asks := self._take():
                await self._answer(asks)
        finally:
            self._free += 1

    async def _answer(self, asks: list[_Ask]) -> None:
        try:
            together = np.concatenate([ask.crops for ask in asks])
            self._seen(len(together))
            answers = await asyncio.get_running_loop().run_in_executor(self._executor, self._network, together)
        except Exception as error:
            for ask in asks:
                if not ask.answer.done():
                    ask.answer.set_exception(error)
            return
        first = 0
        for ask in asks:
            if not ask.answer.done():  # else it was given up, out of time
                ask.answer.set_result(answers[first : first + len(ask.crops)])
            first += len(ask.crops)

    def _take(self) -> list[_Ask]:
        """As many of the waiting as fit into one call, without those that were given up."""
        taken: list[_Ask] = []
        count = 0
        while self._waiting and (not taken or count + len(self._waiting[0].crops) <= self._most):
            ask = self._waiting.popleft()
            if not ask.answer.done():
                taken.append(ask)
                count += len(ask.crops)
        return taken
