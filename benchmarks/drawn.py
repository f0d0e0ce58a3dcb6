"""How many faces `mien.data.drawn.draw` draws in a second of processor time, on one core. Run it without arguments."""

import time

from mien.data.drawn import draw


def main(n: int = 1024) -> None:
    draw(64)  # the first call imports and allocates
    best = float("inf")
    for seed in range(5):
        start = time.process_time()
        draw(n, seed)
        best = min(best, time.process_time() - start)
    print(f"drawn faces: {n / best:,.0f} faces/s of processor time on one core (best of five times {n:,} faces)")


if __name__ == "__main__":
    main()
