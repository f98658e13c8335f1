"""The deviation of attention between two maps."""

from typing import NamedTuple

import numpy as np
import scipy
from keras import ops

from .._typing import Tensor
from ..attention import AttentionMask
from ..attention import intersection_over_union
from .maps import checked_maps
from .maps import positions
from .maps import weights


class AttentionDeviation(NamedTuple):
    """Measures of how far the attention has moved, `(batch,)` each.

    Args:
        iou: Intersection over union of the attention areas, 0 to 1.
        rank_correlation: Spearman's rank correlation of the maps, -1 to 1. It
            is 1 if both maps are constant, and 0 if only one of them is.
        centroid_shift: Distance of the centroids, as a share of the diagonal.

    Example:

    ```python
    maps = kad.attention.GradCAM(model=model)(x, y)
    deviation = kad.analysis.attention_deviation(maps, maps)
    assert deviation.iou.tolist() == [1.0] * 8
    np.testing.assert_allclose(deviation.centroid_shift, 0.0)
    ```
    """

    iou: np.ndarray
    rank_correlation: np.ndarray
    centroid_shift: np.ndarray


def attention_deviation(
    maps: Tensor, maps_adv: Tensor, mask: AttentionMask | None = None
) -> AttentionDeviation:
    """Compares maps before and after an attack.

    Args:
        maps: Attention maps of clean images `(batch, height, width)`.
        maps_adv: Maps of the attacked images, of the same shape.
        mask: The `AttentionMask` that defines the area of a map. None means
            the positions above the map's mean.

    Returns:
        An `AttentionDeviation`.

    Raises:
        ValueError: If the maps do not have the same shape, or are not finite.

    Example:

    ```python
    grad_cam = kad.attention.GradCAM(model=model)
    x_adv = kad.attacks.PGD()(model, x, y)
    moved = kad.analysis.attention_deviation(grad_cam(x, y), grad_cam(x_adv, y))
    moved.iou.mean()
    ```

    Reference:
        Attention, Please! Adversarial Defense via Activation Rectification
        and Preservation, [Wu et al., 2023](https://doi.org/10.1145/3572843).
    """
    maps, maps_adv = checked_maps(maps), checked_maps(maps_adv, "maps_adv")
    if maps.shape != maps_adv.shape:
        raise ValueError(
            "`maps` and `maps_adv` should have the same shape. Received: "
            f"{maps.shape} and {maps_adv.shape}."
        )
    mask = mask or AttentionMask()
    areas = [
        mask.area(ops.convert_to_tensor(each, "float32"))
        for each in (maps, maps_adv)
    ]
    iou = ops.convert_to_numpy(intersection_over_union(*areas))
    shift = centroids(maps) - centroids(maps_adv)
    diagonal = positions(maps)[1]
    return AttentionDeviation(
        np.asarray(iou, "float64"),
        _rank_correlation(maps, maps_adv),
        np.linalg.norm(shift, axis=-1) / diagonal,
    )


def centroids(maps):
    """Returns the centers of mass `(batch, 2)`, row and column, in pixels."""
    return weights(maps) @ positions(maps)[0]


def _rank_correlation(maps, maps_adv):
    """Computes Spearman's correlation: Pearson's correlation of the ranks."""
    ranks = [
        scipy.stats.rankdata(each.reshape(len(each), -1), axis=-1)
        for each in (maps, maps_adv)
    ]
    # Pearson's correlation of the centered ranks.
    a, b = (each - each.mean(-1, keepdims=True) for each in ranks)
    lengths = np.linalg.norm(a, axis=-1), np.linalg.norm(b, axis=-1)
    product = lengths[0] * lengths[1]
    # A constant map has no order, so that the correlation is not defined.
    constant = np.where((lengths[0] == 0) & (lengths[1] == 0), 1.0, 0.0)
    correlation = (a * b).sum(-1) / np.where(product > 0, product, 1.0)
    return np.where(product > 0, correlation, constant)
