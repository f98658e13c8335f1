"""Stratified samples of a data set."""

import numpy as np


def stratified_sample(labels, limit, seed=0):
    """Draws rows so that each class keeps its share.

    Each class gets its share of `limit`, rounded, and at least one row if
    `limit` is not smaller than the number of classes.

    Args:
        labels: Class indices or names `(N,)` or `(N, 1)`, or a row of
            probabilities for each image, `(N, classes)`.
        limit: The number of rows to draw, or None for all. At least one.
        seed: Integer seed of the choice.

    Returns:
        The chosen rows in ascending order, int64: the same for equal
        arguments.
    """
    labels = np.asarray(labels)
    if labels.ndim == 2:
        labels = labels.argmax(1) if labels.shape[1] > 1 else labels[:, 0]
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    generator = np.random.default_rng(seed)
    _, classes, sizes = np.unique(
        labels, return_inverse=True, return_counts=True
    )
    quotas = _quotas(sizes, limit, generator)
    # Shuffle all rows, sort them by class, and keep the first rows of each:
    # `place` is the place of a row within its class.
    rows = generator.permutation(len(labels))
    rows = rows[np.argsort(classes[rows], kind="stable")]
    place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(rows[place < np.repeat(quotas, sizes)])


def _quotas(sizes, limit, generator):
    """Returns the number of rows of each class."""
    shares = limit * sizes / sizes.sum()
    quotas = np.full(len(sizes), int(limit >= len(sizes)))
    # One row at a time goes to the class that is furthest below its share.
    order = generator.permutation(len(sizes))  # Ties are broken at random.
    for _ in range(limit - quotas.sum()):
        missing = np.where(quotas < sizes, shares - quotas, -np.inf)
        quotas[order[missing[order].argmax()]] += 1
    return quotas
