"""Solutions to the exercises of lesson 1: logistic regression."""

import numpy as np


def log_softmax(scores):
    """1.1: the logarithms of the probabilities, right for scores of any size.

    Without the subtraction exp(1000) is infinite, and infinite divided by infinite isn't a number. Taking the largest
    score away changes no probability, and leaves exp with numbers between 0 and 1.
    """
    z = scores - scores.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def loss(X, labels, W, b, decay=0.0):
    """The mean cross-entropy, and the rubber band's price."""
    given = log_softmax(X @ W + b)[np.arange(len(labels)), labels]
    return -given.mean() + decay / 2 * (W**2).sum()


def decayed_gradient(X, labels, W, b, decay):
    """1.2: the slopes with weight decay. The slope of `decay / 2 * w**2` is `decay * w`: it pulls each weight to zero.

    The bias has no rubber band: there is no reason why 0 should be its natural place.
    """
    wrong_by = np.exp(log_softmax(X @ W + b))
    wrong_by[np.arange(len(labels)), labels] -= 1
    return X.T @ wrong_by / len(X) + decay * W, wrong_by.mean(0)


def confusion(true, predicted, k):
    """1.3: `(k, k)` counts; the row is the true class, the column the predicted one."""
    table = np.zeros((k, k), int)
    np.add.at(table, (true, predicted), 1)  # `table[true, predicted] += 1` would count a repeated pair once only
    return table
