"""Scores of how faithful maps are to what the classifier uses."""

from typing import NamedTuple

import numpy as np
import scipy
from keras import ops

from .._arguments import check_count
from .._typing import Model
from .._typing import Tensor
from ..classifier import Classifier
from ..data import channel_axis
from ..data import side_axes
from .black_box_method import BlackBox
from .black_box_method import concrete_images
from .class_choice import check_choice
from .class_choice import chosen_classes
from .normalization import maximum
from .resizing import upsampled


class FaithfulnessCurve(NamedTuple):
    """The class's probability while pixels are replaced, step by step.

    Args:
        shares: Shares of the pixels that were replaced `(steps + 1,)`, from 0
            to 1.
        probabilities: Probability of each image's class at each share,
            `(batch, steps + 1)`.
        areas: Area under each image's curve `(batch,)`, from 0 to 1.
    """

    shares: np.ndarray
    probabilities: np.ndarray
    areas: np.ndarray


class AverageDrop(NamedTuple):
    """Change in confidence when only the area that a map shows is left.

    Args:
        average_drop: Mean relative drop, from 0 to 1; less is better.
        increase_in_confidence: Share of images whose confidence rises.
        drops: The relative drop of each image `(batch,)`; 0 where it rises.
    """

    average_drop: float
    increase_in_confidence: float
    drops: np.ndarray


def deletion_curve(
    model: Model,
    x: Tensor,
    maps: Tensor,
    y: Tensor | str | None = None,
    *,
    steps: int = 20,
    fill: float | Tensor | str | None = None,
    batch_size: int = 128,
) -> FaithfulnessCurve:
    """Computes the probability while the pixels of attention are hidden.

    The pixels of highest attention are hidden first.

    The sooner the probability falls, the more faithful the map: a small area
    is good.

    Args:
        model: A Keras classifier.
        x: `(batch, height, width, channels)`.
        maps: Attention maps `(batch, h, w)` of any size.
        y: The classes: indices, one-hot, `"runner_up"` or
            `"least_likely"`; None means the predicted ones.
        steps: How many times pixels are replaced, in equal portions.
        fill: The replacement: a number, images of the shape of `x`,
            or `"blur"`, the images blurred over a tenth of their size. None
            means the mean color of each image.
        batch_size: Number of images in one call of the model.

    Returns:
        A `FaithfulnessCurve`.

    Example:

    ```python
    maps = kad.attention.GradCAM(model=model)(x, y)
    curve = kad.attention.deletion_curve(model, x, maps, y)
    curve.areas.mean()  # small: the classifier uses what the map shows
    ```

    Reference:
        [Petsiuk et al., 2018](https://arxiv.org/abs/1806.07421), section 4.1.
    """
    task = _Task(model, x, maps, y, batch_size)
    return task.curve(task.images, task.filled(fill), steps)


def insertion_curve(
    model: Model,
    x: Tensor,
    maps: Tensor,
    y: Tensor | str | None = None,
    *,
    steps: int = 20,
    fill: float | Tensor | str | None = "blur",
    batch_size: int = 128,
) -> FaithfulnessCurve:
    """Computes the probability while the pixels of attention are revealed.

    The pixels of highest attention are revealed first, on a blurred image.
    The sooner the probability rises, the more faithful the map: a large area
    is good.

    Args:
        model: A Keras classifier.
        x: `(batch, height, width, channels)`.
        maps: Attention maps `(batch, h, w)` of any size.
        y: The classes: indices, one-hot, `"runner_up"` or
            `"least_likely"`; None means the predicted ones.
        steps: How many times pixels are replaced, in equal portions.
        fill: The images to start from: a number, images of the shape of
            `x`, `"blur"`, the images blurred over a tenth of their size,
            or None for the mean color of each image.
        batch_size: Number of images in one call of the model.

    Returns:
        A `FaithfulnessCurve`.

    Example:

    ```python
    maps = kad.attention.GradCAM(model=model)(x, y)
    curve = kad.attention.insertion_curve(model, x, maps, y)
    curve.areas.mean()  # large: the classifier uses what the map shows
    ```

    Reference:
        [Petsiuk et al., 2018](https://arxiv.org/abs/1806.07421), section 4.1.
    """
    task = _Task(model, x, maps, y, batch_size)
    return task.curve(task.filled(fill), task.images, steps)


def average_drop(
    model: Model,
    x: Tensor,
    maps: Tensor,
    y: Tensor | str | None = None,
    *,
    fill: float | Tensor | str | None = 0.0,
    batch_size: int = 128,
) -> AverageDrop:
    """Compares confidence on images and on the parts that their maps show.

    Maps go from 0 to 1, after ReLU and division by their maximum, and are
    multiplied with the images.

    Args:
        model: A Keras classifier.
        x: `(batch, height, width, channels)`.
        maps: Attention maps `(batch, h, w)` of any size.
        y: The classes: indices, one-hot, `"runner_up"` or
            `"least_likely"`; None means the predicted ones.
        fill: The image where a map is zero, as in `deletion_curve`; zero is
            black if the images start at zero.
        batch_size: Number of images in one call of the model.

    Returns:
        An `AverageDrop`.

    Example:

    ```python
    maps = kad.attention.GradCAM(model=model)(x, y)
    scores = kad.attention.average_drop(model, x, maps, y)
    scores.average_drop, scores.increase_in_confidence
    ```

    Reference:
        [Chattopadhyay et al., 2018](https://arxiv.org/abs/1710.11063),
        section 5.1.
    """
    task = _Task(model, x, maps, y, batch_size)
    shown = task.pixelwise(ops.convert_to_numpy(maximum(task.maps)))
    fill = task.filled(fill)
    # Each pixel is blended with the fill, by its attention.
    before = task.probabilities(task.images)
    after = task.probabilities(fill + shown * (task.images - fill))
    # Relative to the confidence before; a rise counts as no drop.
    drops = np.maximum(before - after, 0) / np.maximum(before, 1e-30)
    rises = float((after > before).mean())
    return AverageDrop(float(drops.mean()), rises, drops)


class _Task:
    """Images, maps of the same size, and the classes whose scores count."""

    def __init__(self, model, images, maps, labels, batch_size):
        self.images = concrete_images(images, "A faithfulness score")
        maps = np.asarray(ops.convert_to_numpy(maps), "float32")
        if maps.ndim != 3 or len(maps) != len(self.images):
            raise ValueError(
                "Expected one map (height, width) for each image. Received "
                f"images of shape {self.images.shape} and maps of shape "
                f"{maps.shape}."
            )
        self.classifier = Classifier(model)
        self.black_box = BlackBox(batch_size)
        check_choice(labels, self.classifier.num_classes, self.images)
        self.maps = upsampled(ops.convert_to_tensor(maps), self.images)
        # The predicted classes are those of the original images.
        logits = self.black_box.logits(self.classifier, self.images)
        classes = chosen_classes(labels, ops.convert_to_tensor(logits))
        self.classes = ops.convert_to_numpy(classes)

    def probabilities(self, images):
        """Returns the probability of each image's class, `(batch,)`."""
        return self.black_box.probabilities(
            self.classifier, images, self.classes
        )

    def pixelwise(self, maps):
        """Adds an axis for the channels to maps."""
        return np.expand_dims(maps, channel_axis())

    def filled(self, fill):
        """Returns the replacement pixels, which broadcast to the images."""
        sides = (0, 1, 2, 3)[side_axes()]
        if fill is None:
            return self.images.mean(sides, keepdims=True)
        if isinstance(fill, str) and fill == "blur":
            sigma = [0.0] * 4
            for axis in sides:
                sigma[axis] = self.images.shape[axis] / 10
            return scipy.ndimage.gaussian_filter(self.images, sigma)
        if isinstance(fill, str):
            raise ValueError(
                "`fill` should be a number, images, 'blur', or None for the "
                f"mean color. Received: fill={fill!r}"
            )
        return np.asarray(fill, "float32")

    def curve(self, start, end, steps):
        """Replaces the pixels of `start` by those of `end`, step by step.

        Pixels of highest attention are replaced first.
        """
        steps = check_count("steps", steps)
        values = ops.convert_to_numpy(self.maps).reshape(len(self.images), -1)
        # The rank of each pixel, 0 for the highest attention: sorting the
        # order gives the place of each pixel in it. Ties keep their order.
        order = np.argsort(-values, axis=-1, kind="stable")
        ranks = np.argsort(order, axis=-1, kind="stable")
        ranks = self.pixelwise(ranks.reshape(self.maps.shape))
        shares = np.linspace(0.0, 1.0, steps + 1)
        probabilities = []
        for share in shares:
            replaced = ranks < round(share * values.shape[1])
            images = np.where(replaced, end, start)
            probabilities.append(self.probabilities(images))
        probabilities = np.stack(probabilities, axis=-1)
        areas = np.trapezoid(probabilities, shares, axis=-1)
        return FaithfulnessCurve(shares, probabilities, areas)
