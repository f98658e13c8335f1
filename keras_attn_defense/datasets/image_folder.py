"""Loading of image sets from folders, one for each class."""

import os
from collections.abc import Sequence

import numpy as np

from .._typing import Path
from .conversion import unit_images
from .image_split import ImageSplit
from .pictures import Pictures
from .pictures import stacked

# The formats that `keras.utils.image_dataset_from_directory` reads.
_EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


def load_image_folder(
    path: Path,
    image_size: tuple[int, int] | None = None,
    *,
    color_mode: str = "rgb",
    splits: tuple[str, str] = ("train", "test"),
    validation_split: float | None = None,
    seed: int = 0,
    class_names: Sequence[str] | None = None,
) -> tuple[ImageSplit, ImageSplit]:
    """Loads images from folders into memory, on any backend.

    The files are `<path>/train/<class>/<image>` and `<path>/test/...`, or
    `<path>/<class>/<image>` with a `validation_split`. Only `.bmp`, `.gif`,
    `.jpeg`, `.jpg` and `.png` files are read.

    Args:
        path: The folder.
        image_size: `(height, width)` to resize to; needed if images differ in
            size. The aspect ratio is not kept.
        color_mode: `"grayscale"`, `"rgb"` or `"rgba"`.
        splits: The names of the folders of the two splits.
        validation_split: The share of the images, from 0 to 1, that is held
            out as the second split, if the folder is not divided into splits.
            It is the same for each class.
        seed: Integer seed of the choice of these images.
        class_names: The names of the classes' folders, in the order of the
            labels. None sorts them.

    Returns:
        `(train, test)`, two `ImageSplit`s without boxes.

    Raises:
        ValueError: If folders are missing or differ in their classes, or a
            file is not an image.

    Example:

    ```python
    from pathlib import Path

    for number, image in enumerate(x):
        name = ("cat", "dog")[number % 2]
        folder = Path("pets", "train" if number < 4 else "test", name)
        folder.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(folder / f"{number}.png", image)
    train, test = kad.datasets.load_image_folder("pets")
    assert train.labels.tolist() == [0, 0, 1, 1]
    ```
    """
    path = os.path.expanduser(path)
    folders = [os.path.join(path, split) for split in splits]
    # Either the folder has both splits, or a share is held out, but not both.
    divided = all(map(os.path.isdir, folders))
    if divided == (validation_split is not None):
        raise ValueError(
            "The folder should either contain the two splits, or be divided "
            f"by `validation_split`. Received: path={path!r}, which "
            + ("contains" if divided else "does not contain both of")
            + f" {tuple(splits)}, and validation_split={validation_split}."
        )
    if validation_split is not None:
        whole = _read_split(path, image_size, color_mode, class_names)
        return _divided(whole, validation_split, seed)
    if class_names is None:
        class_names = class_folders(folders[0])
    train, test = (
        _read_split(folder, image_size, color_mode, class_names)
        for folder in folders
    )
    if train.images.shape[1:] != test.images.shape[1:]:
        raise ValueError(
            f"The images in {tuple(splits)} have different shapes. Received: "
            f"{train.images.shape[1:]} and {test.images.shape[1:]}. Pass "
            "`image_size=(height, width)` to resize them."
        )
    return train, test


def class_folders(path):
    """Returns the sorted names of the folders of classes.

    Hidden folders, whose names begin with a dot, do not count.
    """
    if not os.path.isdir(path):
        raise ValueError(f"There is no folder {str(path)!r}.")
    return sorted(
        entry.name
        for entry in os.scandir(path)
        if entry.is_dir() and not entry.name.startswith(".")
    )


def class_images(path, class_names):
    """Lists the image files in the folders of classes.

    Args:
        path: The parent folder.
        class_names: The names of the folders, in the order of the labels.

    Returns:
        A list of files, and int32 labels in NumPy.
    """
    files = [
        (file, label)
        for label, name in enumerate(class_names)
        for file in image_files(os.path.join(path, name))
    ]
    labels = np.array([label for _, label in files], "int32")
    return [file for file, _ in files], labels


def image_files(path):
    """Lists the image files in a folder, sorted by name."""
    return [
        os.path.join(path, name)
        for name in sorted(os.listdir(path))
        if name.lower().endswith(_EXTENSIONS)
        # Reading from a pipe would never end.
        and os.path.isfile(os.path.join(path, name))
    ]


def read_images(files, image_size=None, color_mode="rgb"):
    """Reads image files into one array `(N, height, width, channels)`.

    Args:
        files: Their paths.
        image_size: As in `load_image_folder`.
        color_mode: As in `load_image_folder`.
    """
    pictures = Pictures(image_size, color_mode)
    return stacked([pictures.array(_opened(file)) for file in files])


def _read_split(path, image_size, color_mode, class_names):
    """Reads the images of one split, and checks its classes."""
    folders = class_folders(path)
    if not folders:
        raise ValueError(
            f"The folder {str(path)!r} contains no folders. Expected one for "
            "each class, with its images."
        )
    class_names = folders if class_names is None else list(class_names)
    if sorted(class_names) != folders:
        raise ValueError(
            f"The classes should be {class_names}. Received: the folders "
            f"{folders} in {str(path)!r}. Each split needs a folder for each "
            "class."
        )
    files, labels = class_images(path, class_names)
    images = read_images(files, image_size, color_mode)
    return ImageSplit(unit_images(images, str(path)), labels)


def _opened(file):
    """Opens an image file with Pillow."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "Reading image files needs the package `pillow`, which is not "
            'installed. Install it with `pip install "keras-attn-defense'
            '[datasets]"`.'
        ) from error
    try:
        with Image.open(file) as image:
            image.load()  # Opening reads the header only.
            return image
    except Exception as error:  # Pillow raises many types for damaged files.
        problem = "holds no image that can be read, or a part of one"
        if isinstance(error, Image.DecompressionBombError):
            # Pillow refuses twice the number of pixels that it warns of.
            most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            problem = f"claims to be an image of more than {most:,} pixels"
        raise ValueError(
            f"The file {str(file)!r} {problem}. Delete or replace it."
        ) from error


def _divided(whole, share, seed):
    """Holds out a share of each class as the second split."""
    if not 0 < share < 1:
        raise ValueError(
            "`validation_split` should be a share between 0 and 1. Received: "
            f"validation_split={share}"
        )
    shuffled = np.random.default_rng(seed).permutation(len(whole.labels))
    held_out = np.zeros(len(shuffled), bool)
    # The first images of each class in a shuffled order are held out.
    for label in np.unique(whole.labels):
        rows = shuffled[whole.labels[shuffled] == label]
        held_out[rows[: round(share * len(rows))]] = True
    # The first split stays shuffled; the second is in the order of the folders.
    train, test = (
        ImageSplit(whole.images[rows], whole.labels[rows])
        for rows in (shuffled[~held_out[shuffled]], np.flatnonzero(held_out))
    )
    return train, test
