"""The base class of defenses that learn to clean images."""

from typing import Any

import keras
import numpy as np

from .._arguments import check_count
from .._arguments import check_number
from .._arguments import not_defined
from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..attacks import PGD
from ..attacks import Attack
from ..data import check_images
from ..data import from_channels_last
from ..data import resolve_value_range
from ..data import to_channels_last
from ..data import to_numpy
from .defense_layer import DefenseLayer


@register
class Purifier(DefenseLayer):
    """Base class: a network of images that is put in front of a classifier.

    A subclass overrides `make_network`, and has a method `learn` that trains
    it in one call. Attacks see through the network, as it can be
    differentiated.

    Args:
        value_range: `(lower, upper)` bounds of the images.
        name: Name of the layer.

    Example:

    ```python
    # One convolution that learns nothing.
    @keras.saving.register_keras_serializable(package="examples")
    class Blur(kad.defenses.Purifier):
        def make_network(self, shape):
            blur = layers.DepthwiseConv2D(
                3, padding="same", depthwise_initializer="ones", use_bias=False
            )
            return keras.Sequential(
                [keras.Input(shape), blur, layers.Rescaling(1 / 9)]
            )


    defended = kad.defenses.defend(model, Blur())
    ```
    """

    def __init__(
        self, value_range: ValueRange = (0.0, 1.0), name: str | None = None
    ) -> None:
        super().__init__(value_range, name)
        self.network: Any = None
        self.built = False

    def make_network(self, shape: tuple[int | None, ...]) -> keras.Model:
        """Returns a Keras model from images to cleaner ones.

        Args:
            shape: `(height, width, channels)`; values are from 0 to 1.
        """
        raise not_defined(self, "make_network", "it returns the network")

    def build(self, input_shape: Any) -> None:
        shape = tuple(input_shape)[1:]
        if keras.config.image_data_format() == "channels_first":
            shape = (*shape[1:], shape[0])
        self.network = self.make_network(shape)
        self.built = True

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        """Cleans images `(batch, height, width, channels)`."""
        lower, upper = self.value_range
        x = (to_channels_last(images) - lower) / (upper - lower)
        return self.images(self.clean(x, training))

    def clean(self, x: Tensor, training: bool = False) -> Tensor:
        """Cleans images with values from 0 to 1, channels last."""
        return self.network(x, training=training)

    def images(self, x: Tensor) -> Tensor:
        """Returns images from 0 to 1, channels last, as the classifier's."""
        lower, upper = self.value_range
        return from_channels_last(x * (upper - lower) + lower)

    def unit_images(self, x: Tensor) -> np.ndarray:
        """Checks images; returns them from 0 to 1, channels last, in NumPy."""
        check_images(x, self.value_range)
        lower, upper = self.value_range
        x = to_channels_last(to_numpy(x).astype("float32"))
        if not self.built:
            self.build(from_channels_last(x).shape)
        return (x - lower) / (upper - lower)

    def attacked(
        self,
        model: keras.Model,
        x: Tensor,
        y: Tensor | None,
        attack: Attack | None,
        batch_size: int,
    ) -> np.ndarray:
        """Returns adversarial images of a classifier, in NumPy.

        Args:
            model: A built classifier.
            x: Images.
            y: Labels, or None for the classes that are predicted.
            attack: The attack; None means `PGD` with 10 steps.
            batch_size: Images in one call of the model.
        """
        self.check(model)
        resolve_value_range(model, self.value_range)
        if attack is None:
            attack = PGD(steps=10, value_range=self.value_range)
        return attack.run(model, x, y, batch_size).images

    def fitted(
        self,
        trainer: keras.Model,
        x: Any,
        y: Any,
        loss: Any,
        epochs: int,
        batch_size: int,
        learning_rate: float,
        verbose: int,
    ) -> dict[str, list[float]]:
        """Trains a model that contains this layer's network.

        Args:
            trainer: The model.
            x: What it takes, in NumPy.
            y: What it should return, in NumPy; None with losses of its own.
            loss: A Keras loss, or None.
            epochs: Number of epochs.
            batch_size: Images in one step.
            learning_rate: That of Adam at first; it falls to zero.
            verbose: As in `keras.Model.fit`.

        Returns:
            The history of losses.
        """
        epochs = check_count("epochs", epochs)
        batch_size = check_count("batch_size", batch_size)
        rate = check_number("learning_rate", learning_rate, above=True)
        count = len(keras.tree.flatten(x)[0])
        steps = epochs * -(-count // batch_size)
        schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
        trainer.compile(keras.optimizers.Adam(schedule), loss)
        history = trainer.fit(
            x, y, batch_size=batch_size, epochs=epochs, verbose=verbose
        )
        return history.history
