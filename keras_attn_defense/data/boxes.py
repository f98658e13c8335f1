"""Bounding boxes in the form that loaders, figures and studies share."""

from typing import Any

import numpy as np

from .arrays import to_numpy

# Corners computed in float32 may lie this far outside.
_ROUNDING = 1e-3


def checked_boxes(
    boxes: Any, num_images: int | None = None, name: str = "boxes"
) -> np.ndarray:
    """Checks boxes and brings them into one array.

    Args:
        boxes: `(x_min, y_min, x_max, y_max)` in fractions of width and height:
            `(N, 4)`, `(N, n, 4)`, or a list of `(k, 4)` with any number of
            boxes for each image. Rows of -1 or of NaN are padding.
        num_images: The number of images, or None for any.
        name: Name of the boxes in errors.

    Returns:
        Float64 `(N, n, 4)`, padded with rows of -1.

    Raises:
        ValueError: If they have another form, lie outside of the image, or
            have no area.
    """
    values = box_array(boxes)
    is_number = values.dtype.kind in "iuf"
    if values.ndim not in (2, 3) or values.shape[-1] != 4 or not is_number:
        raise ValueError(
            f"`{name}` should be numbers of shape (N, 4), with rows (x_min, "
            "y_min, x_max, y_max), or (N, n, 4), or a list of an array (k, 4) "
            f"for each image. Received: shape={values.shape}, "
            f"dtype={values.dtype}."
        )
    if num_images is not None and len(values) != num_images:
        raise ValueError(
            f"`{name}` should have one entry for each of the {num_images} "
            f"images. Received: {len(values)} entries. Check that images and "
            "boxes were sliced in the same way."
        )
    values = values.astype("float64").reshape(len(values), -1, 4)
    padding = (np.isnan(values) | (values == -1)).all(-1)
    # Rows that are neither padding nor boxes with an area inside are wrong.
    inside = (values >= -_ROUNDING) & (values <= 1 + _ROUNDING)
    has_area = (values[..., :2] < values[..., 2:]).all(-1)
    wrong = (~(inside.all(-1) & has_area) & ~padding).any(1)
    if wrong.any():
        index = int(wrong.argmax())
        raise ValueError(
            f"`{name}` should be (x_min, y_min, x_max, y_max) in fractions of "
            "width and height, from 0 to 1, with min < max; rows of -1 are "
            f"padding. Received for image {index}: {values[index].tolist()}. "
            "Divide pixels by the size of the image, and leave out boxes "
            "without area."
        )
    return np.where(padding[..., None], -1.0, values)


def boxes_by_image(boxes: Any, num_images: int) -> list[np.ndarray | None]:
    """Returns the boxes of each image without padding.

    Args:
        boxes: As in `checked_boxes`, or None.
        num_images: The number of images.

    Returns:
        A list with an array `(k, 4)` for each image, or with None if there are
        no boxes.
    """
    if boxes is None:
        return [None] * num_images
    boxes = checked_boxes(boxes, num_images)
    return [each[(each != -1).all(-1)] for each in boxes]


def padded_boxes(boxes: list[np.ndarray]) -> np.ndarray:
    """Stacks boxes in one array, padded with rows of -1.

    Args:
        boxes: A list with an array `(4,)` for each image, or with arrays
            `(n, 4)` of different lengths.
    """
    if boxes[0].ndim == 1:
        return np.stack(boxes)
    most = max(map(len, boxes))
    padded = np.full((len(boxes), most, 4), -1.0, boxes[0].dtype)
    for row, of_image in zip(padded, boxes, strict=True):
        row[: len(of_image)] = of_image
    return padded


def box_array(boxes: Any) -> np.ndarray:
    """Converts boxes to one array, padded where their numbers differ.

    Args:
        boxes: A tensor, an array, or a list with one of them for each image.
    """
    if not isinstance(boxes, (list, tuple)):
        return to_numpy(boxes)
    rows = [to_numpy(each) for each in boxes]
    if len({row.shape for row in rows}) <= 1:
        return np.asarray(rows)
    if all(map(_is_rows, rows)):
        rows = [row.astype("float64").reshape(-1, 4) for row in rows]
        return padded_boxes(rows)
    raise ValueError(
        "Boxes in a list should be numbers (k, 4) for each image, any number "
        "k of boxes. Received arrays of the shapes "
        f"{[row.shape for row in rows[:10]]} and the types "
        f"{[str(row.dtype) for row in rows[:10]]}."
    )


def object_masks(boxes: Any, size: tuple[int, int]) -> np.ndarray:
    """Returns the positions of the objects as masks.

    Args:
        boxes: `(batch, 4)`, `(batch, n, 4)` or a list of `(k, 4)`: `(x_min,
            y_min, x_max, y_max)` in fractions of width and height, the right
            and bottom corner exclusive. Rows of NaN or -1 are padding.
            Alternatively, masks `(batch, height, width)` of zeros and ones.
        size: `(height, width)` of the maps.

    Returns:
        Masks `(batch, height, width)` of booleans, one for each image.

    Raises:
        ValueError: If boxes or masks have another form, lie outside of the
            image, or leave an image without any position.
    """
    values = box_array(boxes)
    if values.ndim in (2, 3) and values.shape[-1] == 4:
        masks = _rasterized(checked_boxes(values), size)
    elif values.ndim == 3 and values.shape[1:] == tuple(size):
        masks = _binary(values)
    else:
        raise ValueError(
            "`boxes` should be boxes (batch, 4) or (batch, n, 4), or masks of "
            f"the size of the maps, {tuple(size)}. Received an array of shape "
            f"{values.shape}."
        )
    empty = ~masks.any((1, 2))
    if empty.any():
        raise ValueError(
            f"Image {int(empty.argmax())} has no object: its boxes are empty "
            f"or cover no position of a map of size {tuple(size)}. Leave the "
            "image out, or use maps at the size of the images."
        )
    return masks


def _is_rows(row):
    return row.size % 4 == 0 and row.ndim <= 2 and row.dtype.kind in "iuf"


def _rasterized(boxes, size):
    """Marks the positions whose centers lie in a box."""
    height, width = size
    x = (np.arange(width) + 0.5) / width
    y = (np.arange(height) + 0.5) / height
    left, top, right, bottom = (boxes[..., i, None] for i in range(4))
    # A box is an outer product of its rows and columns; an image has the union
    # of its boxes. Padding, which is -1, covers no center.
    columns = (x >= left) & (x < right)
    rows = (y >= top) & (y < bottom)
    return (rows[..., :, None] & columns[..., None, :]).any(1)


def _binary(masks):
    """Checks masks of zeros and ones, and returns booleans."""
    if not np.isin(masks, (0, 1)).all():
        raise ValueError(
            "Masks should hold zeros and ones only. Received values from "
            f"{masks.min()} to {masks.max()}."
        )
    return masks.astype(bool)
