"""Work done ahead in other threads: in order, bounded, and its errors where their results would have come."""

import queue
import threading
import time
from collections.abc import Iterator

import pytest

from mien.recognition.ahead import ahead, side_by_side


def test_results_keep_the_items_order_though_later_ones_are_done_first() -> None:
    def slow(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number

    assert list(side_by_side(slow, range(20), workers=3, depth=lambda _: 6)) == list(range(20))


def test_two_are_worked_on_at_once() -> None:
    meeting = threading.Barrier(2, timeout=20)
    assert len(list(side_by_side(lambda item: meeting.wait(), range(4), workers=2, depth=lambda _: 4))) == 4


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_is_taken_than_the_depth(depth: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = side_by_side(abs, items(), workers=2, depth=lambda _: depth)
    for number in range(10):
        assert next(results) == number
        assert len(taken) == number + depth
    results.close()  # type: ignore[attr-defined]
    assert len(taken) == 9 + depth


def test_of_larger_items_fewer_are_held() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in (1, 1, 1, 1, 9, 9, 9, 1, 1):
            taken.append(number)
            yield number

    results = side_by_side(abs, items(), workers=2, depth=lambda item: 2 if item == 9 else 4)
    held = [len(taken) - given for given, _ in enumerate(results)]
    assert held == [4, 4, 3, 2, 2, 2, 3, 2, 1]


def test_an_error_comes_in_its_place_and_ends_the_work() -> None:
    ended = []

    def items() -> Iterator[int]:
        try:
            yield from (1, 2, 0, 4, 5, 6)
        finally:
            ended.append(True)

    results = side_by_side(lambda number: 1 / number, items(), workers=2, depth=lambda _: 4)
    assert [next(results), next(results)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert ended


def test_whoever_leaves_does_not_wait_for_items_that_wait() -> None:
    given: queue.Queue[int] = queue.Queue()
    ended = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield given.get()
        finally:
            ended.set()

    given.put(1)
    results = ahead(items(), patience=0.1)
    assert next(results) == 1
    leaving = threading.Thread(target=results.close, daemon=True)  # type: ignore[attr-defined]
    leaving.start()
    leaving.join(20)
    assert not leaving.is_alive()
    assert not ended.is_set()
    given.put(2)  # whoever wakes the thread sees it end
    assert ended.wait(20)


def test_items_are_closed_before_whoever_leaves_goes_on() -> None:
    ended = []

    def items() -> Iterator[int]:
        try:
            while True:
                time.sleep(0.05)
                yield 1
        finally:
            ended.append(threading.current_thread().name)

    results = ahead(items())
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert ended == ["mien ahead"]
