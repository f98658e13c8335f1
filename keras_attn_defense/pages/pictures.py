"""Images as parts of a page."""

import base64
import io

import numpy as np

from ..visualization.arrays import displayed

#: Longest side of a picture in pixels. Larger images are scaled down.
LONGEST = 160
# Up to here, every pixel is kept as it is.
_EXACT = 64


def pictures(images, value_range):
    """Encodes images of any number of channels; see `encoded`.

    Args:
        images: `(N, height, width, channels)`.
        value_range: `(lower, upper)` bounds of the images.
    """
    return encoded(displayed(images, value_range))


def encoded(colors):
    """Encodes colors `(N, height, width, 3)` from 0 to 1.

    Returns:
        A list of addresses that contain the pictures,
        `data:image/webp;base64,...`.
    """
    return [_encoded(each) for each in colors]


def magnified(images, adversarial):
    """Returns the changes as images from -1 to 1, and their sizes.

    The largest change of an image becomes -1 or 1, no change 0.
    """
    changes = adversarial.astype("float32") - images.astype("float32")
    sizes = abs(changes).max((1, 2, 3), keepdims=True)
    return changes / np.where(sizes > 0, sizes, 1), sizes.reshape(-1)


def _encoded(picture):
    from PIL import Image

    image = Image.fromarray(np.rint(255 * picture).astype("uint8"))
    exact = max(image.size) <= _EXACT
    if max(image.size) > LONGEST:
        image.thumbnail((LONGEST, LONGEST))
    content = io.BytesIO()
    image.save(content, "WEBP", lossless=exact, quality=75, method=4)
    encoded = base64.b64encode(content.getvalue()).decode()
    return f"data:image/webp;base64,{encoded}"
