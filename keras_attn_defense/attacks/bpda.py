"""Backward pass differentiable approximation: gradients past preprocessing."""

import functools
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from .._typing import Model
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import Classifier
from ..classifier import all_layers
from ..classifier import with_slope_of
from ..classifier.intercept import intercept
from ..data import check_value_range


class BPDA(Classifier):
    """A classifier whose preprocessing is differentiated by approximation.

    Preprocessing that has no useful gradient (quantization, JPEG, thresholds)
    hides a network from gradients without making it robust. Predictions of
    this view include it; its gradients are those of an approximation. Give it
    to an attack, or to `kad.evaluate_robustness`, in place of the model.

    Args:
        model: A built Keras classifier.
        preprocessing: A function or Keras layer that images go through before
            `model`; or a layer inside `model`, or the name of one.
        approximation: A differentiable function of what the preprocessing
            takes, of the shape that it returns. None means the identity.
        value_range: `(lower, upper)` bounds of the images before
            preprocessing. None takes the model's, or else `(0.0, 1.0)`.
        input_shape: `(height, width, channels)` of the images, where the
            preprocessing changes their shape. None means the model's.

    Example:

    ```python
    def quantize(images):
        return keras.ops.round(images * 7.0) / 7.0


    defended = kad.attacks.BPDA(model, quantize)
    x_adv = kad.attacks.PGD()(defended, x, y)
    ```

    Reference:
        [Athalye et al., 2018](https://arxiv.org/abs/1802.00420), section 4.1.
    """

    def __init__(
        self,
        model: Model,
        preprocessing: Callable[[Tensor], Tensor],
        approximation: Callable[[Tensor], Tensor] | None = None,
        *,
        value_range: ValueRange | None = None,
        input_shape: tuple[int | None, ...] | None = None,
    ) -> None:
        self._given = preprocessing
        super().__init__(model)
        self.approximation = approximation
        # That of the model, which is set already, is behind the preprocessing.
        if value_range is not None:
            self.value_range = check_value_range(value_range)
        if input_shape is not None:
            self.input_shape = (None, *input_shape)

    def __reduce__(self) -> Any:
        # A layer of the model by its name, or it would be another layer.
        given = self._given if self._inside is None else self._inside.name
        rest = {"value_range": self.value_range}
        rest["input_shape"] = self.input_shape and self.input_shape[1:]
        arguments = (self.model, given, self.approximation)
        return functools.partial(type(self), **rest), arguments

    def refresh(self) -> None:
        super().refresh()
        # A layer that is named may have been replaced.
        self._inside = _layer_inside(self.model, self._given)
        self.preprocessing = self._inside or self._given

    @property
    def identity(self) -> Any:
        return (self.model, self.preprocessing, self.approximation)

    @property
    def variables(self) -> list[Any]:
        found = {id(v): v for v in self.model.variables}
        for part in (self.preprocessing, self.approximation):
            found.update((id(v), v) for v in getattr(part, "variables", ()))
        return list(found.values())

    def __call__(
        self,
        images: Tensor,
        training: bool = False,
        layers: Sequence[keras.layers.Layer] = (),
        tap: Any = None,
    ) -> Any:
        if self._inside is None:
            images = self._approximated(self.preprocessing, images)
            return super().__call__(images, training, layers, tap)
        with intercept(self._inside, "call", self._approximated):
            return super().__call__(images, training, layers, tap)

    def _approximated(self, preprocessing, x, *args, **kwargs):
        """The values of the preprocessing, with the approximation's slope."""
        values = preprocessing(ops.stop_gradient(x), *args, **kwargs)
        smooth = x if self.approximation is None else self.approximation(x)
        return with_slope_of(
            values, smooth, "The preprocessing", "`approximation`"
        )


def _layer_inside(model, preprocessing):
    """The layer of the model that is meant, or None for a function before."""
    layers = all_layers(model)
    if isinstance(preprocessing, str):
        found = [layer for layer in layers if layer.name == preprocessing]
        if len(found) != 1:
            raise ValueError(
                f"The model '{model.name}' has {len(found)} layers named "
                f"{preprocessing!r}. Its layers are: "
                f"{[layer.name for layer in layers]}"
            )
        return found[0]
    if not callable(preprocessing):
        raise ValueError(
            "`preprocessing` should be a function of images, a Keras layer, or "
            f"the name of a layer. Received: {preprocessing!r}"
        )
    return preprocessing if preprocessing in layers else None
