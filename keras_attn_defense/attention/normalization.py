"""Functions that bring the values of maps to a common scale."""

from keras import ops


def _positions(maps):
    return tuple(range(1, len(maps.shape)))


def softmax(maps):
    """Applies the softmax over all positions, as the authors do in training.

    There is no ReLU, so every position keeps a gradient.
    """
    shape = ops.shape(maps)
    flat = ops.reshape(maps, (shape[0], -1))
    return ops.reshape(ops.softmax(flat, axis=-1), shape)


def maximum(maps):
    """Applies ReLU and divides each map by its maximum."""
    maps = ops.relu(maps)
    return ops.divide_no_nan(
        maps, ops.max(maps, axis=_positions(maps), keepdims=True)
    )


def total(maps):
    """Applies ReLU and divides each map by its sum."""
    maps = ops.relu(maps)
    return ops.divide_no_nan(
        maps, ops.sum(maps, axis=_positions(maps), keepdims=True)
    )


def l2(maps):
    """Applies ReLU and divides each map by its Euclidean length."""
    maps = ops.relu(maps)
    squares = ops.sum(ops.square(maps), axis=_positions(maps), keepdims=True)
    # The square root has no derivative at zero.
    length = ops.sqrt(ops.maximum(squares, 1e-30))
    return maps / length


def signed(maps):
    """Leaves maps as they are: no ReLU, no division."""
    return maps


_KNOWN = {
    "signed": signed,
    "softmax": softmax,
    "max": maximum,
    "sum": total,
    "l2": l2,
    None: ops.relu,
}


def get(normalization):
    """Returns a normalization function by its name."""
    is_name = normalization is None or isinstance(normalization, str)
    if not is_name or normalization not in _KNOWN:
        raise ValueError(
            f"`normalization` should be one of {list(_KNOWN)}. Received: "
            f"normalization={normalization!r}"
        )
    return _KNOWN[normalization]
