"""Clean and adversarial images side by side in one batch."""

from keras import ops


def interleave(clean, adversarial):
    """Orders a batch as clean, adversarial, clean, adversarial, ...

    Neighbours stay on one device under data parallelism, where one half after
    the other would have to be exchanged between devices.
    """
    pairs = ops.stack([clean, adversarial], axis=1)
    return ops.reshape(pairs, (-1, *ops.shape(clean)[1:]))


def double(values):
    """Repeats labels or weights for an interleaved batch; None stays."""
    if values is None:
        return None
    return ops.repeat(ops.convert_to_tensor(values), 2, axis=0)


def split(values):
    """The clean and the adversarial half of an interleaved batch."""
    if values is None:
        return None, None
    return values[0::2], values[1::2]
