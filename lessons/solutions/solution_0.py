"""Solutions to the exercises of lesson 0: faces as numbers."""

import numpy as np


def normalise(images):
    """0.1: `(N, 48, 48)` uint8 -> float32; each face has mean 0 and standard deviation 1.

    A face of one shade has a deviation of 0, and nothing may be divided by 0. It becomes 0 everywhere: it says nothing.
    """
    x = images.astype(np.float32)
    x -= x.mean((1, 2), keepdims=True)
    deviation = x.std((1, 2), keepdims=True)
    return x / np.where(deviation > 0, deviation, 1)


def copies(images):
    """0.2: how many faces are an exact copy of an earlier one.

    A picture's bytes are its fingerprint. If a training face has a copy in the validation split, the network can answer
    from memory there: the score then measures memory, and promises more than it will keep on new faces.
    """
    return len(images) - len({image.tobytes() for image in images})


def fair_split(labels, share, seed):
    """0.3: two arrays of places; the second holds `share` of every class.

    Of 'disgust', 1.5 % of FER2013, a split by pure chance may get far too few or too many. Its accuracy there would
    then hang on a handful of faces.
    """
    rng = np.random.default_rng(seed)
    held = []
    for number in np.unique(labels):
        places = rng.permutation(np.flatnonzero(labels == number))
        held.append(places[: round(share * len(places))])
    held = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(labels)), held), held
