"""Put the preprocessing of pretrained weights into the classifier."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from .._typing import ValueRange
from ..classifier import Classifier
from ..classifier import has_preprocessor
from ..classifier import input_shape
from ..data import along_channels
from ..data import channel_axis
from ..data import check_value_range
from ..data import side_axes
from .built_in import built_in_preprocessing
from .input_preprocessing import InputPreprocessing
from .input_preprocessing import linear_map
from .preprocessed_classifier import PreprocessedClassifier

_BYTES = (0.0, 255.0)
# Of ImageNet, as `keras.applications` has them: BGR from 0 to 255, RGB from
# 0 to 1.
_BGR_MEAN = np.array([103.939, 116.779, 123.68])
_MEAN = np.array([0.485, 0.456, 0.406])
_STD = np.array([0.229, 0.224, 0.225])


class _Style(NamedTuple):
    """Describes what is done to images with values from 0 to 255."""

    scale: float | np.ndarray
    offset: float | np.ndarray
    reverse_channels: bool = False


_STYLES = {
    "caffe": _Style(1.0, -_BGR_MEAN, reverse_channels=True),
    "tf": _Style(*linear_map(_BYTES, (-1.0, 1.0))),
    "torch": _Style(1 / (255 * _STD), -_MEAN / _STD),
}


def with_preprocessing(
    model: keras.Model,
    preprocessing: str | ValueRange | keras.layers.Layer | None = None,
    *,
    value_range: ValueRange = _BYTES,
    name: str | None = None,
) -> PreprocessedClassifier:
    """Makes a pretrained network a classifier of plain images.

    Pretrained weights expect images as they were prepared when the network was
    trained: with another order of channels, means taken off, or scaled.
    Radii of attacks are in the units of images, so this step has to be inside
    of the classifier. The network keeps its weights and is trained with it.

    Args:
        model: A built classifier. Of a keras-hub task with a preprocessor,
            the values that its image converter scales are taken over.
        preprocessing: What the weights expect:
            - `"caffe"`, `"tf"` or `"torch"`, the modes of
              `keras.applications.imagenet_utils.preprocess_input`. ResNet and
              VGG are `"caffe"`; Inception, MobileNet (1 and 2), NASNet,
              ResNetV2 and Xception are `"tf"`; DenseNet is `"torch"`;
            - `(lower, upper)`, a range of values. ConvNeXt, EfficientNet,
              EfficientNetV2 and MobileNetV3 preprocess images themselves and
              take `(0, 255)`;
            - a Keras layer from images in `value_range` to what the weights
              expect, such as `InputPreprocessing`;
            - None for a keras-hub task with a preprocessor.
        value_range: `(lower, upper)` bounds of the images. Attacks, reports
            and `AttentionDefendedModel` take them over.
        name: Name of the classifier.

    Returns:
        A Keras model from images in `value_range` to what `model` returns. It
        is compiled as `model` is.

    Raises:
        ValueError: If it is not clear what the weights expect, or the
            network preprocesses its images already.

    Example:

    ```python
    # Pretrained: weights="imagenet".
    base = keras.applications.MobileNet(
        weights=None, input_shape=(32, 32, 3), alpha=0.25
    )
    classifier = kad.preprocessing.with_preprocessing(base, "tf")
    assert classifier.value_range == (0.0, 255.0)

    # Radii are in the units of the images.
    attack = kad.attacks.PGD(epsilon=8, steps=2)
    x_adv = attack(classifier, 255 * np.ones((1, 32, 32, 3)), np.array([3]))
    ```
    """
    value_range = check_value_range(value_range)
    if getattr(model, "value_range", None) is not None:
        raise ValueError(
            f"The model '{model.name}' takes images in value_range="
            f"{model.value_range} already. Use it as it is."
        )
    shape = input_shape(model)[1:]
    if preprocessing is None:
        style, shape = _of_task(model, shape)
    elif isinstance(preprocessing, str):
        style = _named(preprocessing, model, shape)
    else:
        style = preprocessing
    if not isinstance(style, keras.layers.Layer):
        style = _layer(style, value_range)
    classifier = PreprocessedClassifier(model, style, value_range, shape, name)
    if isinstance(preprocessing, str):
        _check_once(classifier, preprocessing)
    if model.compiled:
        settings = model.get_compile_config()
        classifier.compile(**keras.saving.deserialize_keras_object(settings))
    return classifier


def _of_task(model, shape):
    if not has_preprocessor(model):
        raise ValueError(
            f"What the weights of '{model.name}' expect cannot be told from "
            "the model. Pass `preprocessing`: 'caffe', 'tf' or 'torch' as "
            "with keras.applications, a range of values such as (-1, 1), or a "
            "Keras layer."
        )
    converter, shape = converter_of(model, shape)
    return _Style(*converter), shape


def _named(name, model, shape):
    if name not in _STYLES:
        raise ValueError(
            f"`preprocessing` should be one of {list(_STYLES)}, a range of "
            f"values, or a Keras layer. Received: preprocessing={name!r}"
        )
    channels = (None, *shape)[channel_axis()]
    if name != "tf" and channels != 3:
        raise ValueError(
            f"preprocessing={name!r} is for images of three channels. The "
            f"model '{model.name}' takes {channels}. Pass a range of values, "
            "or an `InputPreprocessing`."
        )
    return _STYLES[name]


def _check_once(classifier, style):
    inside = built_in_preprocessing(Classifier(classifier))
    if inside is not None:
        raise ValueError(
            f"The model '{classifier.network.name}' preprocesses images "
            f"itself, by its layer '{inside.name}': preprocessing={style!r} "
            "would do it twice. Pass the range of values that it takes: "
            "`with_preprocessing(model, (0, 255))`."
        )


def _layer(style, value_range):
    """The layer for images in `value_range`, from a style or a range."""
    if not isinstance(style, _Style):
        style = _Style(*linear_map(_BYTES, check_value_range(style)))
    # Images to bytes, then bytes to what the weights expect: two linear maps,
    # which are one: `scale * (stretch * x + shift) + offset`.
    stretch, shift = linear_map(value_range, _BYTES)
    return InputPreprocessing(
        np.multiply(style.scale, stretch),
        np.multiply(style.scale, shift) + style.offset,
        style.reverse_channels,
    )


def converter_of(task, shape):
    """Reads what a task's preprocessor does to the values of images.

    Args:
        task: A keras-hub image classifier with a preprocessor.
        shape: Shape of its input, without the batch.

    Returns:
        `(scale, offset)`, and the shape of images that are not resized by it.

    Raises:
        ValueError: If the preprocessor does anything else to values.
    """
    preprocessor = task.preprocessor
    # A plain `Rescaling` is a converter itself.
    converter = getattr(preprocessor, "image_converter", preprocessor)
    scale = getattr(converter, "scale", None)
    offset = getattr(converter, "offset", None)
    found = (1.0 if scale is None else scale, 0.0 if offset is None else offset)
    shape = _with_size(shape, getattr(converter, "image_size", None))
    _check(task, found, shape)
    return found, shape


def _with_size(shape, size):
    if size is None:
        return shape
    whole = [None, *shape]
    whole[side_axes()] = size
    return tuple(whole[1:])


def _check(task, found, shape):
    """Checks on random images that a converter only scales and shifts them."""
    sides = [side or 32 for side in shape]
    # Its class may do more than its `scale` and `offset` say.
    images = np.random.default_rng(0).uniform(0, 255, (2, *sides))
    images = images.astype("float32")
    scale, offset = (along_channels(each) for each in found)
    converted = ops.convert_to_numpy(task.preprocessor(images))
    expected = images * scale + offset
    if not np.allclose(converted, expected, rtol=1e-3, atol=1e-3):
        raise ValueError(
            f"The preprocessor of '{task.name}' does more to the values of "
            "images than to scale and shift them, or does something else. "
            "Pass as `preprocessing` a Keras layer that does the same."
        )
