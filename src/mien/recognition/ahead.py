"""Working ahead: an iterator that runs in a thread of its own, some items before they are asked for."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class _End:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterable[T], depth: int = 4) -> Iterator[T]:
    """The same items in the same order, up to `depth` of them made ready in a thread.

    An error in the thread is raised where its item would have come. When the iterator is closed, or nobody holds it any
    more, the thread ends after the item it is at.

    >>> list(ahead(range(5)))
    [0, 1, 2, 3, 4]
    """
    ready: queue.Queue[T | _End] = queue.Queue(depth)
    left = threading.Event()

    def work() -> None:
        end = _End()
        try:
            for item in items:
                if not _put(ready, item, left):
                    break
        except BaseException as error:  # whatever it is, it belongs to whoever asks for the next item
            end = _End(error)
        finally:
            close = getattr(items, "close", None)
            if close:
                close()
        _put(ready, end, left)

    thread = threading.Thread(target=work, name="mien ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error:
            raise item.error
    finally:
        left.set()
        thread.join()


def _put(ready: "queue.Queue[T | _End]", item: "T | _End", left: threading.Event) -> bool:
    """Wait for room, but not for ever when nobody takes any more."""
    while not left.is_set():
        try:
            ready.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False
