"""Loading of image sets from `.npz` files."""

from collections.abc import Sequence

from .._archives import open_arrays
from .._typing import Path
from .._typing import ValueRange
from ..data import checked_boxes
from .conversion import label_indices
from .conversion import unit_images
from .image_split import ImageSplit

_REQUIRED_KEYS = ("x_train", "y_train", "x_test", "y_test")


def load_npz(
    path: Path,
    *,
    value_range: ValueRange | None = None,
    class_names: Sequence[str] | None = None,
) -> tuple[ImageSplit, ImageSplit]:
    """Loads an image set from a `.npz` file of the `keras.datasets` layout.

    The file contains the arrays `x_train`, `y_train`, `x_test` and `y_test`,
    and optionally `boxes_train` and `boxes_test`:

    - images: `(N, H, W)` or `(N, H, W, C)`. uint8 is divided by 255; floats
      lie in `[0, 1]`, or in `value_range`.
    - labels: integers from 0, of shape `(N,)` or `(N, 1)`, one-hot rows, or
      strings.
    - boxes: `(N, 4)` or `(N, n, 4)`, fractions as in `ImageSplit`.

    Args:
        path: Path of the file.
        value_range: `(lower, upper)`, the values that become 0 and 1. None
            means 0 and 255 for uint8, and 0 and 1 for floats that lie between
            them; other images raise an error.
        class_names: The classes in the order of their indices, if labels are
            strings.

    Returns:
        `(train, test)`, two `ImageSplit`s. Gray images get a channel axis.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an array is missing or does not have the form above; if
            the file is damaged, or claims to contain more than 1 GiB and more
            than 200 times its size. Python objects are never loaded.

    Example:

    ```python
    np.savez("set.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    train, test = kad.datasets.load_npz("set.npz")
    np.testing.assert_array_equal(train.images, x)
    ```
    """
    with open_arrays(path) as archive:
        missing = [key for key in _REQUIRED_KEYS if key not in archive.files]
        if missing:
            raise ValueError(
                f"The file must hold the arrays {list(_REQUIRED_KEYS)}. "
                f"Missing: {missing}. Received: path={str(path)!r} with "
                f"{sorted(archive.files)}. Rename or add arrays with "
                "`np.savez`."
            )
        train = _read_split(archive, "train", value_range, class_names)
        test = _read_split(archive, "test", value_range, class_names)
    if train.images.shape[1:] != test.images.shape[1:]:
        raise ValueError(
            "`x_train` and `x_test` must hold images of one shape. Received: "
            f"{train.images.shape[1:]} and {test.images.shape[1:]}. Resize "
            "one of them before saving."
        )
    return train, test


def _read_split(archive, split, value_range, class_names):
    """Reads the arrays of one split."""

    def read(name):
        return archive[f"{name}_{split}"]

    images = unit_images(read("x"), f"x_{split}", value_range)
    count = len(images)
    labels = label_indices(read("y"), f"y_{split}", count, class_names)
    boxes = None
    if f"boxes_{split}" in archive.files:
        saved, name = read("boxes"), f"boxes_{split}"
        boxes = checked_boxes(saved, count, name).astype("float32")
        boxes = boxes.reshape(saved.shape)
    return ImageSplit(images, labels, boxes)
