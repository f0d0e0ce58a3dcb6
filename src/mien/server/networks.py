"""The networks that a server was started with, each opened when it is first asked for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mien.errors import MienError
from mien.net import Net, located
from mien.recognition.kinds import head_of
from mien.server.batching import Batcher
from mien.server.logs import log
from mien.server.refusal import Refusal

QUANTISED = b"onnx.quantize"
"""The producer that an int8 file names at its beginning: onnxruntime's quantiser."""


@dataclass(frozen=True)
class Served:
    """A network ready to be asked, under the name that requests call it by; `size` is its files', in bytes."""

    name: str
    net: Net
    ask: Batcher
    size: int

    def as_json(self) -> dict[str, Any]:
        """What it is, for choosing between several."""
        card, int8 = self.net.card, QUANTISED in head_of(self.net.path, 64)
        scores = card.scores.get("int8" if int8 else "after", {}).get("val", {})
        return {
            "name": self.name,
            "architecture": card.model,
            "kind": "int8" if int8 else "float32",
            "classes": list(card.classes),
            "uncertain_below": card.uncertain,
            "input_shape": list(card.input_shape),
            "trained_on": card.data.source,
            "parameters": card.parameters,
            "bytes": self.size,
            "files": [path.name for path in self.net.files],
            "accuracy": scores.get("accuracy"),
            "balanced_accuracy": scores.get("balanced_accuracy"),
            "interval": scores.get("interval"),
            "faces_judged": scores.get("n"),
            "licence": card.licence,
            "limits": card.limits,
        }


class Networks:
    """Named networks, each call in one thread.

    On a busy machine a call that is spread over threads waits at every layer for the slowest of them; calls side by
    side don't. A face costs nearly as much in a batch as alone, so two small calls are as good as a large one.

    Args:
        names: as `mien.Net` takes them and requests name them; the first is opened at once, the others must exist.
        device: as `mien.Net` has it. most, calls, seen: as `Batcher` has them.

    Raises:
        CheckpointError: one isn't there, or the first is damaged.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        *,
        device: str | None,
        most: int,
        calls: int,
        seen: Callable[[int], Any],
    ) -> None:
        self.names, self._device, self._most, self._calls, self._seen = names, device, most, calls, seen
        for name in names:
            located(name)
        self._threads = ThreadPoolExecutor(calls, "mien network")
        self._opening = asyncio.Lock()
        self._open = {names[0]: self._served(names[0])}
        self._broken: dict[str, str] = {}

    async def get(self, name: str | None) -> Served:
        """The network of that name, the first for None. Raises Refusal for one that isn't served, or can't be opened.

        What is wrong with a network is logged once, and remembered: it isn't tried again.
        """
        name = name or self.names[0]
        if name not in self.names:
            raise Refusal("unknown_model", f"There is no network {name!r} here; there are {', '.join(self.names)}.")
        if name not in self._open:
            async with self._opening:
                if name not in self._open and name not in self._broken:
                    try:
                        self._open[name] = await asyncio.to_thread(self._served, name)
                    except MienError as error:
                        self._broken[name] = str(error)
                        log.error("left out", extra={"fields": {"model": name, "error": str(error)}})
        if name in self._broken:
            raise Refusal("unknown_model", f"The network {name!r} can't be used: {self._broken[name]}")
        return self._open[name]

    async def all(self) -> list[Served]:
        """Every network, in the order of the names; opens those that nobody has asked for yet.

        One that can't be opened is left out.
        """
        networks = []
        for name in self.names:
            with suppress(Refusal):
                networks.append(await self.get(name))
        return networks

    def close(self) -> None:
        """Wait for the calls that run, and drop those that wait."""
        self._threads.shutdown(cancel_futures=True)

    def _served(self, name: str) -> Served:
        net = Net(name, device=self._device, threads=1, spin=False)
        size = sum(path.stat().st_size for path in net.files)  # now, as they may be moved while it is served
        ask = Batcher(net, self._threads, most=self._most, calls=self._calls, seen=self._seen)
        return Served(name, net, ask, size)
