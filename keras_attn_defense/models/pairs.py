"""Batches in which each clean image is followed by its adversarial image."""

from keras import ops


def interleave(clean, *others):
    """Orders a batch as clean, adversarial, clean, adversarial, ...

    Neighbors stay on one device under data parallelism, where one half after
    the other would have to be exchanged between devices.
    """
    pairs = ops.stack([clean, *others], axis=1)
    return ops.reshape(pairs, (-1, *ops.shape(clean)[1:]))


def double(values):
    """Repeats labels or weights for an interleaved batch; None stays."""
    if values is None:
        return None
    return ops.repeat(ops.convert_to_tensor(values), 2, axis=0)


def split(values):
    """Splits an interleaved batch into its clean and its adversarial half."""
    if values is None:
        return None, None
    return values[0::2], values[1::2]


def halves(inputs, values):
    """Returns a step's values of clean and adversarial images.

    Args:
        inputs: The inputs of the step.
        values: As many as images, or None.

    Returns:
        A tuple of two; where the step is without clean images, both are those
        of the adversarial ones.
    """
    return (values, values) if "adversarial" in inputs else split(values)
