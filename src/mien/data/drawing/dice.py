"""Dice: every number a drawn face needs, from the seed, the face's number and the trait's name alone.

Whole numbers throughout, so that a seed means the same faces on every machine and under every version of numpy, and
face 900 is the same whether it is drawn alone or after 899 others. The mixing step is SplitMix64's (Steele, Lea and
Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
"""

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.signedinteger[Any]]
"""What everything is drawn with: int32. A value per face has the shape (N, 1, 1), to meet pixels by broadcasting."""

Whole = int | np.signedinteger[Any]

_GOLDEN = 0x9E3779B97F4A7C15
_64_BITS = 0xFFFF_FFFF_FFFF_FFFF


def mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finalizer: a one-to-one map of 64-bit words in which every input bit moves every output bit."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


class Dice:
    """Throws for faces number `faces` (`(N,)` int64) of a seed, of which the last 64 bits count.

    The same name always gives the same throw.

    >>> dice = Dice(seed=1, faces=np.arange(3))
    >>> dice.between("nose", 0, 99).ravel().tolist() == dice.between("nose", 0, 99).ravel().tolist()
    True
    """

    def __init__(self, seed: int, faces: NDArray[np.int64]) -> None:
        start = np.full(1, seed & _64_BITS, np.uint64)
        self.keys = mix(mix(start + np.uint64(_GOLDEN)) + faces.astype(np.uint64) * np.uint64(_GOLDEN))

    def __len__(self) -> int:
        return len(self.keys)

    def bits(self, name: str, count: int = 1) -> NDArray[np.uint64]:
        """`(N, count)` words of 64 random bits."""
        start = (zlib.crc32(name.encode()) << 32) * _GOLDEN & _64_BITS
        steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN) + np.uint64(start)
        return mix(self.keys[:, None] + steps)

    def between(self, name: str, low: Whole, high: Whole, count: int = 1) -> Ints:
        """`(N, 1, count)` whole numbers, low and high included, all as likely."""
        share = (self.bits(name, count) >> np.uint64(32)) * np.uint64(high - low + 1) >> np.uint64(32)
        return (share.astype(np.int32) + np.int32(low))[:, None, :]

    def near(self, name: str, low: Whole, high: Whole) -> Ints:
        """`(N, 1, 1)` whole numbers from low to high, the middle the likeliest (the mean of two throws)."""
        return (self.between(name, low, high) + self.between(name + "'", low, high)) >> 1

    def chance(self, name: str, percent: int) -> Ints:
        """`(N, 1, 1)`: 1 in so many percent of the faces, else 0."""
        return (self.between(name, 0, 99) < percent).astype(np.int32)
