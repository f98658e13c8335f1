"""Image data as `(train, test)` pairs of `ImageSplit`."""

from .digit_scenes import load_digit_scenes as load_digit_scenes
from .image_split import ImageSplit as ImageSplit
from .npz import load_npz as load_npz
from .tfds import load_cifar10 as load_cifar10
from .tfds import load_mnist as load_mnist
