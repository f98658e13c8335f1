"""Loading of CIFAR-10 and MNIST."""

from .._typing import Path
from .image_split import ImageSplit
from .tfds import load_tfds


def load_cifar10(
    data_dir: Path | None = None, *, download: bool = True
) -> tuple[ImageSplit, ImageSplit]:
    """Loads CIFAR-10 through TensorFlow Datasets.

    The training images take 614 MB as float32.

    Args:
        data_dir: Folder of prepared sets; see `load_tfds`.
        download: Whether to download and prepare the set if it is missing.

    Returns:
        `(train, test)`, two `ImageSplit`s with 50,000 and 10,000 images of
        shape `(32, 32, 3)`, labels 0 to 9, and no boxes.

    Raises:
        FileNotFoundError: If the set is missing and `download=False`.
        ImportError: If `tensorflow-datasets`, or TensorFlow if it is needed,
            is not installed.

    Example:

    ```python
    train, test = kad.datasets.load_cifar10("~/sets", download=False)
    ```

    Reference:

    - Krizhevsky, "Learning Multiple Layers of Features from Tiny Images",
      2009.
    """
    return load_tfds("cifar10", data_dir=data_dir, download=download)


def load_mnist(
    data_dir: Path | None = None, *, download: bool = True
) -> tuple[ImageSplit, ImageSplit]:
    """Loads MNIST through TensorFlow Datasets.

    Args:
        data_dir: Folder of prepared sets; see `load_tfds`.
        download: Whether to download and prepare the set if it is missing.

    Returns:
        `(train, test)`, two `ImageSplit`s with 60,000 and 10,000 images of
        shape `(28, 28, 1)`, labels 0 to 9, and no boxes.

    Raises:
        FileNotFoundError: If the set is missing and `download=False`.
        ImportError: If `tensorflow-datasets`, or TensorFlow if it is needed,
            is not installed.

    Example:

    ```python
    train, test = kad.datasets.load_mnist("~/sets", download=False)
    ```

    Reference:

    - LeCun et al., "Gradient-Based Learning Applied to Document
      Recognition", 1998.
    """
    return load_tfds("mnist", data_dir=data_dir, download=download)
