"""The members of a classifier that attacks rely on."""

import abc
import copy
from typing import Any
from typing import Self

from .._typing import Tensor
from .frozen import frozen

# Draws inside of one draw, at most.
_INNER_DRAWS = 1000


class ClassifierView(abc.ABC):
    """The `victim` that an attack receives, in place of the model.

    It is the same for Keras models, functions of images and several models at
    once. Gradients of the images flow through `frozen_logits`.

    Example:

    ```python
    # The runner-up, on whatever is attacked.
    def runner_up(victim: kad.attacks.ClassifierView, images, labels):
        logits = victim.frozen_logits(images)
        hidden = keras.ops.one_hot(labels, victim.num_classes)
        return keras.ops.argmax(logits - 1e9 * hidden, axis=-1)


    class TowardsRunnerUp(kad.attacks.GradientAttack):
        def target(self, victim, images, labels):
            return runner_up(victim, images, labels), -1.0


    x_adv = TowardsRunnerUp(epsilon=8 / 255, steps=10)(model, x, y)
    ```
    """

    #: The Keras model or the function; None for several models.
    model: Any = None
    #: Number of classes; None for a function that has not been called yet.
    num_classes: Any = None
    #: `(None, height, width, channels)`, or None where it is not known.
    input_shape: Any = None
    #: `(lower, upper)` bounds of the images, or None where they are not known.
    value_range: Any = None
    #: Number of the current draw of random numbers; None for the model's own.
    draw: Any = None
    #: Number of draws over which attacks average the gradient of one step, as
    #: the layers of the model declare; see `kad.defenses.HowToAttack`.
    draws: int = 1
    _takes_one_draw = False

    @property
    @abc.abstractmethod
    def variables(self) -> Any:
        """The variables that logits depend on, seeds included."""

    @abc.abstractmethod
    def logits(self, images: Tensor) -> Tensor:
        """Computes logits in inference mode, and leaves no trace.

        Args:
            images: Float32 tensor `(batch, height, width, channels)`.

        Returns:
            Float32 `(batch, classes)`.
        """

    @abc.abstractmethod
    def frozen_logits(self, images: Tensor) -> Tensor:
        """Computes logits with weights as constants, for image gradients."""

    def frozen(self) -> Any:
        """A scope for gradients by the images.

        Weights are constants, and layers have the gradient by which they
        declare to be attacked.
        """
        return frozen(self.variables, self.draw)

    @abc.abstractmethod
    def check_logits(self, images: Tensor) -> None:
        """Raises a `ValueError` if what is returned for images is no logits."""

    @property
    def identity(self) -> Any:
        """All that its logits are computed with: models, layers, functions.

        Compiled code is used for all views of the same class and identity, as
        long as these are as they were; see `Signature`.
        """
        return self.model

    def check_gradients(self) -> None:  # noqa: B027 (most have them)
        """Raises a `ValueError` if no gradient can reach the images."""

    def refresh(self) -> None:  # noqa: B027 (most never change)
        """Brings what was read from a model up to date."""

    def with_draw(self, draw: Any) -> Self:
        """Returns this view with the random numbers of one draw.

        Draws may be nested, and no two of them are the same:
        `view.with_draw(2).with_draw(0)` differs from
        `view.with_draw(3).with_draw(0)`.

        Args:
            draw: A whole number, Python's or a scalar tensor.
        """
        other = copy.copy(self)
        if self.draw is not None:
            draw = (self.draw + 1) * _INNER_DRAWS + draw
        other.draw = draw
        return other

    def __copy__(self) -> Self:
        # `copy` would otherwise ask `__reduce__`, which is for other processes
        # and leaves the draw out.
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        return other

    def in_one_draw(self) -> Self:
        """Returns this view without an average over draws."""
        other = copy.copy(self)
        other.draws, other._takes_one_draw = 1, True
        return other
