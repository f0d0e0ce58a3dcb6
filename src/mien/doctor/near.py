"""Nearly identical pictures: the same one at another JPEG quality, size or brightness, or with a watermark.

A perceptual hash (the signs of the lowest frequencies of the cosine transform, after Zauner, "Implementation and
benchmarking of perceptual image hash functions", 2010) proposes pairs; the correlation of the pictures decides.
The hash alone can't: crops of faces are so alike that its usual distance takes many strangers for copies (docs/LOG.md).
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mien.doctor.groups import Groups, joined
from mien.doctor.pool import Pool, gray

BITS = 128
CLOSE = 32
"""Pairs whose hashes differ in more bits aren't looked at. Of FER2013's 1,826 true pairs fewer than 1 % do."""

SIDE = 24
SAME = 0.93
"""Pictures of SIDE × SIDE pixels that correlate by more are the same one. Chosen by eye on a dozen of FER2013's pairs
in each band of correlation: strangers begin to stand among them below 0.90."""

TABLES, REACH = 48, 32
"""How many samples of the bits are looked up, and how many neighbours with the same sample each face is compared to."""


def near(pool: Pool, identical: Groups, skip: NDArray[np.bool_]) -> Groups:
    """The groups of faces that show nearly the same picture; identical ones are in them, too.

    The time grows more slowly than the square of N. Holds under 200 bytes of each face, and reads the pixels of likely
    pairs again.

    Args:
        identical: what `copies.identical` found. skip: `(N,)` faces without content, which resemble everything.
    """
    chosen = np.flatnonzero(~identical.copies & ~skip)
    hashes = np.empty((len(pool), BITS // 64), np.uint64)
    for start, images in pool.pieces(1024):
        hashes[start : start + len(images)] = phash(images)
    groups = identical
    for pairs in _candidates(hashes[chosen]):
        pairs = chosen[pairs]
        pairs = pairs[groups.first[pairs[:, 0]] != groups.first[pairs[:, 1]]]  # the others are in one group already
        if len(pairs) and len(alike := pairs[_same(pool, pairs)]):  # only then, as joining goes over all faces
            groups = joined(len(pool), alike.tolist(), groups.first)
    return groups


def phash(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """`(N, 2)` uint64: 128 bits for each image, the signs of its lowest frequencies but the mean."""
    height, width = images.shape[1:3]
    waves = _cosines(height) @ gray(images) @ _cosines(width).T  # (N, 16, 16)
    v, u = _LOWEST
    return np.packbits(np.ascontiguousarray(waves[:, v, u] > 0), axis=1).view(np.uint64)


def likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`(N,)`: the correlation, -1..1, of each image with the one in the same place; 0 where one is constant."""
    a, b = _small(one), _small(other)
    return np.asarray((a * b).sum(1), np.float32)


def _candidates(hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Pairs `(n, 2)` whose hashes differ in few bits; some come more than once.

    Two faces that agree in a random sample of the bits land side by side when the samples are sorted (Indyk and
    Motwani, "Approximate nearest neighbors", 1998). A sample has so many bits that few strangers share one.
    """
    n = len(hashes)
    bits = np.unpackbits(hashes.view(np.uint8), axis=1)
    take = max(16, int(np.ceil(np.log2(max(n, 2)))) + 1)
    weights = 1 << np.arange(take, dtype=np.uint64)
    generator = np.random.Generator(np.random.PCG64(0))
    for _ in range(TABLES):
        some = np.argsort(generator.random(BITS))[:take]
        keys = np.zeros(n, np.uint64)
        for place, weight in zip(some, weights, strict=True):
            keys += bits[:, place] * weight
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        for step in range(1, REACH + 1):
            at = np.flatnonzero(keys[step:] == keys[:-step])
            if not len(at):
                break
            one, other = order[at], order[at + step]
            apart = np.bitwise_count(hashes[one] ^ hashes[other]).sum(1)
            close = apart <= CLOSE
            if close.any():
                yield np.stack([one[close], other[close]], 1)


def _same(pool: Pool, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    piece = pool.at_once(512)
    parts = [pairs[start : start + piece] for start in range(0, len(pairs), piece)]
    return np.concatenate([likeness(pool.take(part[:, 0]), pool.take(part[:, 1])) > SAME for part in parts])


def _small(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`(N, SIDE²)` the images shrunk, with mean 0 and length 1."""
    height, width = images.shape[1:3]
    small = (_means(height) @ gray(images) @ _means(width).T).reshape(len(images), -1)
    small -= small.mean(1, keepdims=True)
    length = np.linalg.norm(small, axis=1, keepdims=True)
    return np.asarray(small / np.maximum(length, 1e-3), np.float32)


@cache
def _means(length: int) -> NDArray[np.float32]:
    """`(SIDE, length)`: the weight of each pixel in each pixel of the small picture, by the length that they share."""
    edges = np.linspace(0, length, SIDE + 1)
    low, high = edges[:-1, None], edges[1:, None]
    pixels = np.arange(length)
    shared = np.clip(np.minimum(high, pixels + 1) - np.maximum(low, pixels), 0, None)
    return np.asarray(shared / (high - low), np.float32)


def _cosines(length: int) -> NDArray[np.float32]:
    """`(16, length)`: the lowest waves of the cosine transform."""
    return np.cos(np.pi * np.arange(16)[:, None] * (np.arange(length) + 0.5) / length).astype(np.float32)


def _lowest() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    v, u = np.divmod(np.arange(1, 256), 16)  # 0 is the mean
    order = np.argsort(v * v + u * u, kind="stable")[:BITS]
    return v[order], u[order]


_LOWEST = _lowest()
