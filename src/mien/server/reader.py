"""Pictures in, readings out, for many clients at once: a bounded number of pictures, a fixed number of workers."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.errors import MediaError
from mien.recognition.detect import Detection, Detector
from mien.recognition.recognizer import faces_of, find
from mien.recognition.records import Reading
from mien.recognition.sources import as_frame
from mien.recognition.track import Tracker
from mien.server.metrics import Metrics
from mien.server.networks import Networks, Served
from mien.server.refusal import Refusal
from mien.server.settings import Settings


@dataclass(frozen=True)
class Timings:
    """Where the time of a picture went, in milliseconds; `network` includes waiting for a call that runs."""

    decode: float
    detect: float
    network: float

    def as_json(self) -> dict[str, float]:
        parts = {"decode": self.decode, "detect": self.detect, "network": self.network}
        return {name: round(value, 2) for name, value in (parts | {"total": sum(parts.values())}).items()}


@dataclass(frozen=True)
class _Prepared:
    reading: Reading  # without faces yet
    found: tuple[Detection, ...]
    crops: NDArray[np.uint8]
    decode: float
    detect: float


SMALL_BYTES, SMALL_PIXELS = 16 << 10, 1 << 16
"""The largest crop that is decoded in the event loop."""

_NONE = np.empty((0, 0), np.float32)


class Reader:
    """Finds and reads the faces of pictures, as `mien.Recognizer` does.

    `metrics` are the server's. `held` counts the pictures that wait or are worked on, `streams` the open streams;
    `draining` says that the server is ending, `stuck` that when it ended a picture was still being read.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.metrics.queue.set(settings.queue)
        seen = self.metrics.batch.observe
        self.networks = Networks(
            settings.models, device=settings.device, most=settings.batch, calls=settings.workers, seen=seen
        )
        self.held = self.streams = 0
        self.draining = self.stuck = False
        self._detector = Detector(device=settings.device, threads=1, certain=settings.certain)
        self._workers = ThreadPoolExecutor(settings.workers, "mien worker")
        self._usual = 0.05  # the recent mean of seconds from a picture's request to its answer

    @contextmanager
    def slots(self, count: int = 1) -> Iterator[None]:
        """Hold so many places in the queue. Raises Refusal if there aren't as many free."""
        if self.held + count > self.settings.queue:
            raise Refusal(
                "busy",
                f"{self.held} pictures are waiting; the limit is {self.settings.queue}. Try again later.",
                retry_after=self._usual,
            )
        self.held += count
        began = time.monotonic()
        try:
            yield
        finally:
            self.held -= count
            self._usual += 0.05 * (time.monotonic() - began - self._usual)

    async def read(
        self,
        data: bytes,
        served: Served,
        *,
        detect: bool = True,
        tracker: Tracker | None = None,
        at: float | None = None,
    ) -> tuple[Reading, Timings]:
        """Read one picture.

        Args:
            data: the file's bytes. detect: False takes it for a cropped face.
            tracker, at: of a stream, with the time of this frame in seconds.

        Raises:
            Refusal: it isn't a picture, or larger than the limits.
        """
        if len(data) > self.settings.max_bytes:  # one of a batch, which may be larger together
            raise Refusal("too_large", f"The picture is larger than the limit of {self.settings.max_bytes:,} bytes.")
        prepared = None if detect else self._at_once(data, served)
        if prepared is None:
            loop, photo = asyncio.get_running_loop(), at is None
            try:
                prepared = await loop.run_in_executor(self._workers, self._prepare, data, served, detect, photo)
            except MediaError as error:
                raise Refusal("bad_picture", str(error)) from None
        asked = time.perf_counter()
        answers = await served.ask(prepared.crops) if len(prepared.crops) else _NONE
        timings = Timings(prepared.decode, prepared.detect, 1000 * (time.perf_counter() - asked))
        ids = None
        if tracker is not None and detect:
            ids, answers = tracker.update(at or 0.0, prepared.found, answers)  # type: ignore[assignment]
        faces = faces_of(served.net.card, prepared.found, prepared.crops, answers, ids)
        return replace(prepared.reading, time=at, faces=faces), timings

    def drain(self) -> None:
        """The server is ending, and has `settings.drain` seconds for it from now."""
        self.draining, self._ends = True, time.monotonic() + self.settings.drain

    def hurry(self) -> None:
        """Wait no longer for the server's end."""
        self._ends = time.monotonic()

    def close(self) -> None:
        """End the threads, once all is answered: work that hasn't begun is dropped.

        A thread can't be made to end. If one is still at work when the time is over, it stays, and `stuck` says so.
        """
        ending = threading.Thread(target=self._shut_down, daemon=True)
        ending.start()
        ending.join(max(1.0, self._ends - time.monotonic()) if self.draining else None)
        self.stuck = ending.is_alive()

    def _shut_down(self) -> None:
        self._workers.shutdown(cancel_futures=True)
        self.networks.close()

    def _at_once(self, data: bytes, served: Served) -> _Prepared | None:
        """A small crop, prepared here, which is quicker than waking a worker. None if it's large or can't be read, or a
        HEIC, AVIF or GIF picture, which may take more memory than it says."""
        if len(data) > SMALL_BYTES or data[4:8] == b"ftyp" or data[:3] == b"GIF":
            return None
        try:
            return self._prepare(data, served, False, False, SMALL_PIXELS)
        except MediaError:
            return None

    def _prepare(
        self, data: bytes, served: Served, detect: bool, photo: bool, max_pixels: int | None = None
    ) -> _Prepared:
        began = time.perf_counter()
        frame = as_frame(data, max_pixels=max_pixels or self.settings.max_pixels)
        assert frame.pixels is not None
        decoded = time.perf_counter()
        detector = self._detector if detect else None
        found, cut = find(frame.pixels, detector, served.net.card.input_shape, photo=photo)
        height, width = frame.pixels.shape[:2]
        ended = time.perf_counter()
        reading = Reading("bytes", width=width, height=height)
        return _Prepared(reading, found, cut, 1000 * (decoded - began), 1000 * (ended - decoded))
