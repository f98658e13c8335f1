"""Lay the tokens of a vision transformer out as a map."""

import math

from keras import ops

# A class token and four registers, or a distillation token.
_MOST_LEADING = 5


def token_grid(tokens, image_size, grid=None):
    """Height and width of the map that tokens form.

    Class and register tokens come first and are not part of it.

    Args:
        tokens: The number of tokens.
        image_size: `(height, width)` of the images; None where not known.
        grid: `(height, width)` of the map. None means patches that are
            square: the map has the proportions of the image.

    Returns:
        `(height, width)`.

    Raises:
        ValueError: If the tokens do not fill such a map.
    """
    if grid is not None:
        if grid[0] * grid[1] > tokens:
            raise ValueError(
                f"A grid of {grid[0]}x{grid[1]} positions needs as many "
                f"tokens; the layer has {tokens}. Pass the number of patches "
                "along height and width."
            )
        return tuple(grid)
    height, width = image_size if None not in image_size else (1, 1)
    for leading in range(_MOST_LEADING + 1):
        # With n = rows * columns and rows / columns = height / width, rows
        # squared is n * height / width. The fewest leading tokens for which
        # that works out win.
        rows = math.isqrt(max(tokens - leading, 0) * height // width)
        columns = (tokens - leading) // max(rows, 1)
        fills = rows * columns == tokens - leading
        if fills and rows > 1 < columns and rows * width == columns * height:
            return rows, columns
    raise ValueError(
        f"{tokens} tokens, with up to {_MOST_LEADING} class or register tokens "
        f"in front, do not form a map with the proportions of images of size "
        f"{image_size}. Say how many patches there are along height and width: "
        "`grid=(height, width)`."
    )


def laid_out(tokens, size):
    """Tokens `(batch, n, channels)` as a map `(batch, h, w, channels)`.

    Args:
        tokens: A tensor; tokens in front of the last `h * w` are left out.
        size: `(h, w)`.
    """
    shape = (-1, *size, tokens.shape[-1])
    return ops.reshape(tokens[:, -size[0] * size[1] :], shape)
