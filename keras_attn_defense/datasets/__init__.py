"""Loaders of image data, as `(train, test)` pairs of `ImageSplit`."""

from .._public import public_names as _public_names
from .digit_scenes import load_digit_scenes as load_digit_scenes
from .hugging_face import load_hugging_face as load_hugging_face
from .image_folder import load_image_folder as load_image_folder
from .image_split import ImageSplit as ImageSplit
from .npz import load_npz as load_npz
from .standard_sets import load_cifar10 as load_cifar10
from .standard_sets import load_mnist as load_mnist
from .tfds import load_tfds as load_tfds


def __dir__():
    return _public_names(globals())
