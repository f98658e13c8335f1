"""The scatter of attention maps."""

from typing import NamedTuple

import numpy as np
import scipy

from .._typing import Tensor
from ..attention import AttentionMask
from .deviation import centroids
from .maps import area_of
from .maps import checked_maps
from .maps import positions
from .maps import weights

# Pixels that touch at a corner are connected.
_NEIGHBORS = np.ones((3, 3))


class AttentionScatter(NamedTuple):
    """Measures of how scattered the attention is, `(batch,)` each.

    Args:
        components: Number of connected parts of the attention area.
        entropy: Entropy of the map over the positions, from 0, all in one
            place, to 1, evenly everywhere.
        spread: Root mean square distance from the centroid, as a share of the
            diagonal.

    Example:

    ```python
    even = np.ones((1, 4, 4))
    scatter = kad.analysis.attention_scatter(even)
    np.testing.assert_allclose(scatter.entropy, [1.0])
    ```
    """

    components: np.ndarray
    entropy: np.ndarray
    spread: np.ndarray


def attention_scatter(
    maps: Tensor, mask: AttentionMask | None = None
) -> AttentionScatter:
    """Measures how scattered maps are.

    Values below zero count as zero. A constant map is spread evenly: its
    entropy is 1, and it has no area above its mean.

    Args:
        maps: Attention maps `(batch, height, width)`.
        mask: The `AttentionMask` that defines the area of a map. None means
            the positions above the map's mean.

    Returns:
        An `AttentionScatter`.

    Example:

    ```python
    maps = kad.attention.GradCAM(model=model)(x, y)
    scatter = kad.analysis.attention_scatter(maps)
    scatter.entropy.mean()
    ```
    """
    maps = checked_maps(maps)
    areas = area_of(maps, mask or AttentionMask())
    components = [scipy.ndimage.label(area, _NEIGHBORS)[1] for area in areas]
    share = weights(maps)
    logs = np.log(np.where(share > 0, share, 1.0))
    # Divided by the entropy of an even map. A map of a single position has
    # none: the maximum avoids 0 / 0.
    entropy = -(share * logs).sum(-1) / max(np.log(share.shape[1]), 1e-30)
    grid, diagonal = positions(maps)
    offsets = grid[None] - centroids(maps)[:, None]
    spread = np.sqrt((share * (offsets**2).sum(-1)).sum(-1)) / diagonal
    return AttentionScatter(np.array(components), entropy, spread)
