"""How frequent each class is expected to be, and what a network's answers are where that isn't as in its training."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.errors import DataError

EVEN = "even"
"""As a prior: each class is as frequent as any other."""

Prior = Mapping[str, float] | str
"""Shares 0..1 by class, or `EVEN`."""

CAUTION = 0.5
"""How much an estimate keeps to what was expected, as a share of the faces: by these alone poor pictures, on which a
network is sure of the wrong class, would lead far (docs/LOG.md)."""

FACES = 7
"""How many faces' worth of that there is besides, so that one or two faces say little."""

ROUNDS = 200


def shares(prior: Prior, classes: Sequence[str], learned: Sequence[float]) -> NDArray[np.float64]:
    """The share `(K,)` of each class, adding to 1.

    Args:
        prior: `EVEN`, or the shares of some classes or all; those not named divide what is left as in `learned`.
        learned: the shares of the classes in the network's training.

    Raises:
        DataError: another word, an unknown class, or one that wasn't learned, shares that aren't 0..1 or add to more
            than 1, or to less with all classes named; by more than rounding each to a percent does.

    >>> shares({"happy": 0.5}, ("happy", "sad", "neutral"), (0.2, 0.2, 0.6)).round(3).tolist()
    [0.5, 0.125, 0.375]
    """
    if isinstance(prior, str):
        if prior != EVEN:
            raise DataError(f"There is no prior {prior!r}: it is {EVEN!r}, or the classes' shares.")
        known = np.greater(learned, 0)
        return np.asarray(known / known.sum())
    if not isinstance(prior, Mapping) or not all(isinstance(share, Real) for share in prior.values()):
        raise DataError(f"A prior is {EVEN!r}, or a number for each of some classes; found {prior!r}.")
    if unknown := [name for name in prior if name not in classes]:
        raise DataError(f"The prior has the class {unknown[0]!r}; this network's are {', '.join(classes)}.")
    given = np.array([prior.get(name, 0) for name in classes], np.float64)
    if never := [name for name, share, had in zip(classes, given, learned, strict=True) if share > 0 and not had]:
        raise DataError(f"The network learned from no face of {never[0]}, so it never answers that. Leave it out.")
    rest = np.array([0 if name in prior else share for name, share in zip(classes, learned, strict=True)])
    left, rounding = 1 - given.sum(), 0.005 * len(prior) + 1e-9
    if not (given >= 0).all() or left < -rounding or (left > rounding and not rest.any()):
        raise DataError(
            f"The classes' shares lie between 0 and 1 and add to 1, not {given.sum():g}; found {written(prior)}."
        )
    if rest.any():
        given += max(0.0, left) * rest / rest.sum()
    return np.asarray(given / given.sum())


def written(prior: Prior) -> str:
    """A prior as `--prior` takes it.

    >>> written({"happy": 0.6, "sad": 0.05})
    'happy=0.6,sad=0.05'
    """
    return prior if isinstance(prior, str) else ",".join(f"{name}={share}" for name, share in prior.items())


def adapted(answers: NDArray[Any], learned: ArrayLike, expected: ArrayLike) -> NDArray[Any]:
    """A network's answers `(N, K)`, probabilities, where the classes are as frequent as `expected`, not as `learned`.

    Bayes' rule, with how the faces of each class look left as it was: each probability times expected / learned, scaled
    to add to 1. A class that wasn't learned at all is never answered. dtype as before.

    Source: Saerens et al., 2002.

    >>> adapted(np.array([[0.6, 0.4]]), [0.75, 0.25], [0.5, 0.5]).round(3).tolist()
    [[0.333, 0.667]]
    """
    moved = answers * odds(learned, expected)
    sums = moved.sum(1, keepdims=True)
    return np.where(sums > 0, moved / np.where(sums > 0, sums, 1), expected).astype(answers.dtype)


def odds(learned: ArrayLike, expected: ArrayLike) -> NDArray[np.float64]:
    """`(K,)`: expected / learned, and 0 for a class that wasn't learned."""
    had, wanted = np.asarray(learned, np.float64), np.asarray(expected, np.float64)
    return np.divide(wanted, had, out=np.zeros_like(had), where=had > 0)


def estimated(answers: NDArray[Any], learned: ArrayLike) -> NDArray[np.float64]:
    """The share `(K,)` of each class among these faces, by a network's answers `(N, K)` for them.

    Counting answers would draw the shares towards those `learned`, as the answers themselves lean there. Here shares
    and answers are fitted to each other (EM). What was learned counts as `FACES` faces, and by `CAUTION` for each.
    With no faces it is what was learned.

    Source: Saerens et al., 2002.

    >>> likely = np.repeat([[0.9, 0.1], [0.4, 0.6]], 50, 0)
    >>> estimated(likely, [0.7, 0.3]).round(2).tolist()
    [0.64, 0.36]
    """
    had = np.asarray(learned, np.float64)
    found, weight = had, FACES + CAUTION * len(answers)
    for _ in range(ROUNDS):
        found = (adapted(answers.astype(np.float64), had, found).sum(0) + weight * had) / (len(answers) + weight)
    return np.asarray(found / found.sum())
