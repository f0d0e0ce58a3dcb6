"""Working ahead: items are made ready in other threads before they are asked for."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

TURN = 0.5
"""Seconds of each wait, see `_next`."""


class _End:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterable[T], patience: float = 10.0) -> Iterator[T]:
    """The same items in the same order, each made ready in a thread while the one before it is in use.

    An error in the thread is raised where its item would have come. When the iterator is closed or garbage-collected,
    the thread finishes its item and closes `items` itself, so that no video is closed while it is being decoded. That
    is waited for, but at most `patience` seconds.

    >>> list(ahead(range(5)))
    [0, 1, 2, 3, 4]
    """
    ready: queue.Queue[T | _End] = queue.Queue(1)
    left = threading.Event()

    def work() -> None:
        end = _End()
        try:
            for item in items:
                if not _put(ready, item, left):
                    break
        except BaseException as error:  # raised again where the next item is asked for
            end = _End(error)
        finally:
            close = getattr(items, "close", None)
            if close:
                close()
        _put(ready, end, left)

    thread = threading.Thread(target=work, name="mien ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := _next(ready), _End):
            yield item
        if item.error:
            raise item.error
    finally:
        left.set()
        thread.join(patience)  # a camera's next frame, or a pipe's next byte, may never come


def side_by_side(work: Callable[[S], T], items: Iterable[S], workers: int, depth: Callable[[S], int]) -> Iterator[T]:
    """`work(item)` for each item, in order, done by `workers` threads; up to `depth(item)` items are in work or done
    before they are asked for, the item itself included.

    What `work` raises is raised where its result would have come. With a depth of 1 no work is done ahead.

    >>> list(side_by_side(abs, [-1, 2, -3], workers=2, depth=lambda item: 4))
    [1, 2, 3]
    """
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers, "mien side by side") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                while len(waiting) >= depth(item):
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())
        finally:
            for one in waiting:
                one.cancel()
            close = getattr(items, "close", None)
            if close:
                close()


def _next(ready: "queue.Queue[T | _End]") -> "T | _End":
    """Wait in short turns: on Windows Ctrl-C is noticed only between them."""
    while True:
        try:
            return ready.get(timeout=TURN)
        except queue.Empty:
            continue


def _result(one: "Future[T]") -> T:
    while not one.done():
        wait([one], TURN)
    return one.result()


def _put(ready: "queue.Queue[T | _End]", item: "T | _End", left: threading.Event) -> bool:
    """Wait for room in the queue; False once nobody takes items any more."""
    while not left.is_set():
        try:
            ready.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False
