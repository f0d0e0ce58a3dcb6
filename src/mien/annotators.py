"""What annotators' votes say about the labels of the same faces: a teacher that never saw a pixel."""

import numpy as np
import torch
from numpy.typing import NDArray

from mien.data.faces import FaceSet

STEPS = 200
"""Of L-BFGS, which needs fewer."""
_DECAY = 1e-5


def labels_by_votes(train: FaceSet, votes: FaceSet, others: FaceSet) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How likely each label is where the annotators voted as they did.

    A softmax regression from the votes of the training faces to their labels. It has 44 numbers of a face, so it can't
    know 28,709 labels by heart, as a network does, and what it says of the faces it was fitted on holds for others.

    Args:
        train: faces with labels of K classes.
        votes: the same faces, row by row, their targets the shares `(N, C)` of the votes.
        others: more faces with such shares `(M, C)`.

    Returns:
        Probabilities `(N, K)` for the training faces, and `(M, K)` for the others.
    """
    told, asked = (torch.from_numpy(_pairs(faces.targets)) for faces in (votes, others))
    labels = torch.from_numpy(train.labels.astype(np.int64))
    weights = torch.zeros(told.shape[1], len(train.classes), requires_grad=True)
    search = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        search.zero_grad()
        value = torch.nn.functional.cross_entropy(told @ weights, labels) + _DECAY * weights.square().sum()
        value.backward()
        return value

    search.step(loss)
    with torch.inference_mode():
        train_said, others_said = ((faces @ weights).softmax(1).numpy() for faces in (told, asked))
    return train_said, others_said


def _pairs(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far any two expressions were both voted for, `sqrt(a * b)`, each with itself, too; and each one's root."""
    first, second = np.triu_indices(shares.shape[1])
    roots = np.sqrt(shares)
    constant = np.ones((len(shares), 1), np.float32)
    return np.concatenate([roots, roots[:, first] * roots[:, second], constant], 1)
