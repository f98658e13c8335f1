"""Standard image sets, read through TensorFlow Datasets."""

import os

import numpy as np

from .._typing import Path
from .image_split import ImageSplit

_INSTALL = '`pip install "keras-attn-defense[datasets]"`'


def load_cifar10(
    data_dir: Path | None = None, *, download: bool = True
) -> tuple[ImageSplit, ImageSplit]:
    """Loads CIFAR-10 through TensorFlow Datasets.

    Any version and file format that TensorFlow Datasets has prepared under
    `data_dir` is read where it lies. Sets in the `array_record` format are
    read without TensorFlow; the others need it, whatever the Keras backend.

    The training images take 614 MB as float32.

    Args:
        data_dir: Folder of prepared sets. `None` takes the default of
            TensorFlow Datasets, `$TFDS_DATA_DIR` or
            `~/tensorflow_datasets`.
        download: Whether to download and prepare a set that is not there.
            Without a network the attempt fails only after minutes of
            retries; `False` fails at once.

    Returns:
        `(train, test)`, two `ImageSplit`s with 50,000 and 10,000 images of
        shape `(32, 32, 3)`, labels 0 to 9, and no boxes.

    Raises:
        FileNotFoundError: If the set is not there and `download=False`.
        ImportError: If `tensorflow-datasets`, or TensorFlow where it is
            needed, is not installed.

    Example:

    ```python
    train, test = kad.datasets.load_cifar10("~/sets", download=False)
    ```

    Reference:

    - Krizhevsky, "Learning Multiple Layers of Features from Tiny Images",
      2009.
    """
    return _load("cifar10", data_dir, download)


def load_mnist(
    data_dir: Path | None = None, *, download: bool = True
) -> tuple[ImageSplit, ImageSplit]:
    """Loads MNIST through TensorFlow Datasets.

    It is found, read and downloaded as `load_cifar10` does it.

    Args:
        data_dir: Folder of prepared sets. `None` takes the default of
            TensorFlow Datasets, `$TFDS_DATA_DIR` or
            `~/tensorflow_datasets`.
        download: Whether to download and prepare a set that is not there.
            Without a network the attempt fails only after minutes of
            retries; `False` fails at once.

    Returns:
        `(train, test)`, two `ImageSplit`s with 60,000 and 10,000 images of
        shape `(28, 28, 1)`, labels 0 to 9, and no boxes.

    Raises:
        FileNotFoundError: If the set is not there and `download=False`.
        ImportError: If `tensorflow-datasets`, or TensorFlow where it is
            needed, is not installed.

    Example:

    ```python
    train, test = kad.datasets.load_mnist("~/sets", download=False)
    ```

    Reference:

    - LeCun et al., "Gradient-Based Learning Applied to Document
      Recognition", 1998.
    """
    return _load("mnist", data_dir, download)


def _load(name, data_dir, download):
    tfds = _import_tfds()
    if data_dir is not None:
        data_dir = os.path.expanduser(data_dir)
    # Without a version, the code's newest is taken, even where another one
    # is prepared. With a pattern, what lies on disk comes first.
    builder = tfds.builder(f"{name}:*.*.*", data_dir=data_dir)
    if not builder.is_prepared():
        _prepare(builder, data_dir, download)
    train = _read_split(tfds, builder, "train")
    return train, _read_split(tfds, builder, "test")


def _import_tfds():
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            "This loader needs the package `tensorflow-datasets`, which is "
            f"not installed. Install it with {_INSTALL}."
        ) from error
    return tensorflow_datasets


def _prepare(builder, data_dir, download):
    if not download:
        raise FileNotFoundError(
            f"No prepared {builder.name!r} was found. Received: "
            f"data_dir={data_dir!r}, download=False. Pass the folder that "
            f"holds `{builder.name}/<version>/`, or `download=True`."
        )
    try:
        builder.download_and_prepare()
    except ImportError as error:
        raise ImportError(
            f"Preparing {builder.name!r} needs TensorFlow and the packages "
            "of the extra `datasets`, of which one is not installed. Install "
            f"them with {_INSTALL} and `pip install tensorflow`, or pass a "
            "`data_dir` in which the set is prepared."
        ) from error


def _read_split(tfds, builder, split):
    try:
        source = builder.as_data_source(split)
    except NotImplementedError:
        # Formats without random access, such as tfrecord, which is the
        # default of `download_and_prepare`.
        return _read_with_tensorflow(tfds, builder, split)
    shape = (len(source), *builder.info.features["image"].shape)
    # Filled in place: a list of 50,000 examples would double the memory.
    images = np.empty(shape, dtype="float32")
    labels = np.empty(len(source), dtype="int32")
    for i, example in enumerate(source):
        images[i] = example["image"]
        labels[i] = example["label"]
    images /= 255.0
    return ImageSplit(images, labels)


def _read_with_tensorflow(tfds, builder, split):
    try:
        dataset = builder.as_dataset(split=split, batch_size=-1)
    except ImportError as error:
        raise ImportError(
            f"The {builder.name!r} under {str(builder.data_dir)!r} is in a "
            "format that only TensorFlow reads, and TensorFlow is not "
            "installed. Install it with `pip install tensorflow`, or, on a "
            "machine that has it, prepare the set with "
            "`tfds.builder(name, file_format='array_record')`."
        ) from error
    examples = tfds.as_numpy(dataset)
    images = examples["image"].astype("float32")
    images /= 255.0
    return ImageSplit(images, examples["label"].astype("int32"))
