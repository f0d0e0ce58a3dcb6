"""Solutions to the exercises of lesson 3: a convolutional network."""

import numpy as np


def receptive_field(layers):
    """3.1: the side of the patch that one number at the end depends on.

    Each layer adds (size - 1) steps; a step is as many pixels as the strides before it multiplied. Lesson 3's network
    sees 22 pixels with its last pooling. A 3 × 3 filter adds 16 there: 38, then 54. Two more see a whole face.
    """
    side, step = 1, 1
    for size, stride in layers:
        side += (size - 1) * step
        step *= stride
    return side


def fast_convolve(image, kernel):
    """3.2: a (H, W) image and a (3, 3) filter -> (H - 2, W - 2). Nine shifted pictures, each times its weight."""
    height, width = image.shape
    scores = np.zeros((height - 2, width - 2), np.float32)
    for (row, column), weight in np.ndenumerate(kernel):
        scores += weight * image[row : row + height - 2, column : column + width - 2]
    return scores


def commutes(image, kernel, by):
    """3.3: whether shifting and then convolving is the same as convolving and then shifting (to the right, by `by`).

    A convolution does the same at every place, so it doesn't know where it is. A linear layer has other weights at
    every place; a shifted face meets other weights.
    """
    first = fast_convolve(image[:, :-by], kernel)  # what a face shifted by `by` shows from column `by` on
    after = fast_convolve(image, kernel)[:, :-by]
    return np.allclose(first, after, atol=1e-4)
