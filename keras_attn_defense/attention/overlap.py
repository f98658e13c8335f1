"""The overlap of two attention areas."""

from keras import ops

from .._typing import Tensor


def intersection_over_union(areas: Tensor, others: Tensor) -> Tensor:
    """Computes the intersection over union of binary areas, per image.

    Args:
        areas: `(batch, h, w)` of zeros and ones.
        others: Areas of the same shape.

    Returns:
        `(batch,)` from 0 to 1; two empty areas have 1.

    Example:

    ```python
    first = np.array([[[1.0, 1.0], [0.0, 0.0]]])
    second = np.array([[[1.0, 0.0], [0.0, 0.0]]])
    iou = kad.attention.intersection_over_union(first, second)
    np.testing.assert_allclose(iou, [0.5])
    ```
    """
    # For values of 0 and 1, minimum and maximum are intersection and union.
    both = ops.sum(ops.minimum(areas, others), axis=(1, 2))
    either = ops.sum(ops.maximum(areas, others), axis=(1, 2))
    return ops.where(either > 0, ops.divide_no_nan(both, either), 1.0)
