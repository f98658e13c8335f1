"""Conversion of single images to arrays of one size."""

import keras
import numpy as np

from .._arguments import check_counts

_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
_CHANNELS = {1: "grayscale", 3: "rgb", 4: "rgba"}


class Pictures:
    """Converts images, one at a time, to arrays of one size.

    Args:
        image_size: `(height, width)` to resize to, or None. The aspect ratio
            is not kept, so that boxes in fractions stay valid.
        color_mode: `"grayscale"`, `"rgb"` or `"rgba"`, or None for that of
            each image.
    """

    def __init__(self, image_size=None, color_mode=None):
        if image_size is not None:
            sides = ("height", "width")
            image_size = check_counts("image_size", image_size, sides)
        if color_mode not in (None, *_MODES):
            raise ValueError(
                f"`color_mode` should be one of {list(_MODES)} or None. "
                f"Received: color_mode={color_mode!r}"
            )
        self.image_size = image_size
        self.color_mode = color_mode

    def array(self, image):
        """Converts an image to an array `(height, width, channels)`.

        Args:
            image: An image of Pillow, or an array.
        """
        if not hasattr(image, "convert"):
            image = np.asarray(image)
            if self.image_size is None and self.color_mode is None:
                return image if image.ndim == 3 else image[..., None]
            # Pillow converts and resizes arrays too.
            image = _to_pillow(image)
        if image.mode[0] in "IF":  # Pillow would clip values above 255.
            raise ValueError(
                f"An image has the mode {image.mode!r} of Pillow, more than 8 "
                "bits a value, and would lose its bright parts. Convert it to "
                "8 bits, and pass it again."
            )
        mode = _MODES.get(self.color_mode, image.mode)
        if mode not in _MODES.values():
            raise ValueError(
                f"An image has the mode {mode!r} of Pillow, which is not one "
                f"of {sorted(_MODES.values())}. Pass `color_mode='rgb'` to "
                "convert all images."
            )
        image = image.convert(mode)
        if self.image_size is not None:
            height, width = self.image_size
            image = image.resize((width, height), _bilinear())
        array = np.asarray(image)
        return array if array.ndim == 3 else array[..., None]


def stacked(images):
    """Stacks images of one shape in one array."""
    if not images:
        raise ValueError("There are no images in a split. Choose another one.")
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        raise ValueError(
            "The images have different shapes (height, width, channels). "
            f"Received: {len(shapes)} of them, such as {shapes[0]} and "
            f"{shapes[-1]}. Pass `image_size=(height, width)` (in a command, "
            "`--image-size HEIGHT WIDTH`) to resize them, and `color_mode` "
            "(`--color-mode`) if they differ in channels."
        )
    return np.stack(images)


def _to_pillow(image):
    """Converts an array of bytes to an image of Pillow."""
    if image.dtype != np.uint8 or _CHANNELS.get(image.shape[-1]) is None:
        raise ValueError(
            "Only images of bytes with 1, 3 or 4 channels can be resized or "
            f"converted. Received: an array of shape {image.shape} and dtype "
            f"{image.dtype}. Leave `image_size` and `color_mode` out, or "
            "bring the images to one size before."
        )
    return keras.utils.array_to_img(image, scale=False)


def _bilinear():
    from PIL import Image  # Installed, as it made the image to resize.

    return Image.Resampling.BILINEAR
