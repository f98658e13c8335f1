"""Overlays of attention maps on images."""

import numpy as np

from .._typing import Tensor
from .._typing import ValueRange
from .arrays import displayed
from .arrays import scaled_maps
from .style import COLORMAP
from .style import check_matplotlib


def overlay(
    x: Tensor,
    maps: Tensor,
    *,
    value_range: ValueRange | None = None,
    limits: ValueRange | None = None,
    colormap: str = COLORMAP,
) -> np.ndarray:
    """Lays attention maps over images, as color over gray.

    Args:
        x: `(N, height, width, channels)`, with any number of channels.
        maps: Attention maps `(N, h, w)`. Those of another size are resized to
            the images (bilinear).
        value_range: `(lower, upper)` bounds of the images. None means
            `(0, 255)` for bytes (uint8) and `(0, 1)` for others.
        limits: `(low, high)`, the map's values of the first and of the last
            color. None takes the lowest and the highest of each map; a
            constant map is shown in the first color.
        colormap: Name of a matplotlib color map.

    Returns:
        Pictures in NumPy: float32 `(N, height, width, 3)` from 0 to 1.

    Raises:
        ValueError: If images and maps do not fit together or are not finite.
        ImportError: If matplotlib is not installed.

    Example:

    ```python
    maps = kad.attention.GradCAM(model=model)(x, y)
    pictures = kad.visualization.overlay(x, maps)  # (8, 16, 16, 3)
    ```
    """
    check_matplotlib()
    from matplotlib import colormaps

    pictures = displayed(x, value_range)
    maps = scaled_maps(maps, x, limits)
    gray = pictures.mean(axis=-1, keepdims=True)
    color = colormaps[colormap](maps)[..., :3]
    # Color is stronger where attention is high, and never hides the image.
    weight = 0.35 + 0.4 * maps[..., None]
    return ((1 - weight) * gray + weight * color).astype("float32")
