"""How many faces `mien.data.drawn.draw` draws in a second: on one core, and as it does. Run it without arguments."""

import time
from collections.abc import Callable

from mien.data import drawn
from mien.environment import environment
from mien.session import workers


def best(clock: Callable[[], float], n: int = 1024) -> float:
    """Seconds for n faces, the least of five."""
    seconds = []
    for seed in range(5):
        start = clock()
        drawn.draw(n, seed)
        seconds.append(clock() - start)
    return min(seconds) / n


def main() -> None:
    made, threads = environment(), drawn._THREADS
    print(f"$ python benchmarks/drawn.py    (commit {made['commit']}; {made['processor']})")
    drawn.draw(64)  # the first call imports and allocates
    drawn._THREADS = 1
    one, alone = best(time.process_time), best(time.perf_counter)
    drawn._THREADS = threads
    together = best(time.perf_counter)
    print(f"one thread: {1 / one:,.0f} faces/s of processor time (best of five times 1,024 faces)")
    print(f"{min(threads, workers())} threads: {1 / together:,.0f} faces/s, {alone / together:.2f} times one thread's")


if __name__ == "__main__":
    main()
