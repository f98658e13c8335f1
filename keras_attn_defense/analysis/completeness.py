"""Completeness: the overlap of the attention with the object."""

import numpy as np

from .._typing import Tensor
from ..data import object_masks
from .maps import checked_maps


def attention_completeness(maps: Tensor, boxes: Tensor) -> np.ndarray:
    """Computes the intersection over union of attention area and object.

    The area holds the highest positions of the map, as many as the object
    has. Positions of equal value at its border belong to it in equal parts,
    so that the order of pixels does not matter: a constant map has the
    completeness of an area that prefers no position.

    Args:
        maps: Attention maps `(batch, height, width)`, best at the size of the
            images.
        boxes: `(batch, 4)`: `(x_min, y_min, x_max, y_max)` in fractions of
            width and height, the right and bottom corner exclusive; or
            `(batch, n, 4)` for several objects an image, rows of NaN or -1
            being padding; a list of `(k, 4)`; or masks `(batch, height,
            width)` of zeros and ones.

    Returns:
        `(batch,)` from 0 to 1, in NumPy.

    Raises:
        ValueError: If the numbers of maps and boxes differ, or a box is empty
            or lies outside of its image.

    Example:

    ```python
    maps = kad.attention.GradCAM(model=model)(x, y)
    completeness = kad.analysis.attention_completeness(maps, boxes)
    assert completeness.shape == (8,)  # from 0 to 1
    ```

    Reference:
        Attention, Please! Adversarial Defense via Activation Rectification
        and Preservation, [Wu et al., 2023](https://doi.org/10.1145/3572843):
        the IoU of its analysis of vulnerable images.
    """
    maps = checked_maps(maps)
    masks = object_masks(boxes, maps.shape[1:])
    if len(masks) != len(maps):
        raise ValueError(
            f"Received {len(maps)} maps, and boxes for {len(masks)} images."
        )
    areas = _matched_areas(maps, masks.sum((1, 2)))
    both = np.minimum(areas, masks).sum((1, 2))
    return both / np.maximum(areas, masks).sum((1, 2))


def _matched_areas(maps, counts):
    """Returns areas of `counts` positions, those at the border in part."""
    flat = maps.reshape(len(maps), -1)
    ordered = np.sort(flat, axis=-1)[:, ::-1]
    # The lowest value inside of the area, which positions outside may share.
    border = np.take_along_axis(ordered, counts[:, None] - 1, axis=-1)
    above, at = flat > border, flat == border
    # All positions at the border share the places that are left.
    left = counts - above.sum(-1)
    areas = above + at * (left / at.sum(-1))[:, None]
    return areas.reshape(maps.shape)
