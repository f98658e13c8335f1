"""PyTorch modules as Keras classifiers."""

from collections.abc import Sequence
from typing import Any
from typing import Never

import keras
import numpy as np
from keras import ops

from .._arguments import check_counts
from .._typing import Tensor
from .._typing import ValueRange
from ..data import check_value_range
from .torch import torch_tools


def from_torch_module(
    module: Any,
    input_shape: tuple[int, int, int],
    *,
    value_range: ValueRange = (0.0, 1.0),
    mean: float | Sequence[float] | Tensor | None = None,
    std: float | Sequence[float] | Tensor | None = None,
    name: str | None = None,
) -> keras.Model:
    """Makes a Keras classifier of a PyTorch module, on the PyTorch backend.

    It works everywhere in this package: in attacks, evaluations, studies, and
    in training, which changes the weights of the module itself. The module
    runs in evaluation mode except in training, and a call does not change its
    mode. Evaluations and their state files identify it by its class, its
    structure and its `state_dict`. For attention maps, use methods that need
    no Keras layers, such as `kad.attention.Occlusion`.

    Args:
        module: A `torch.nn.Module` that takes images `(batch, channels,
            height, width)` and returns logits or probabilities `(batch,
            classes)`.
        input_shape: `(height, width, channels)` of the images.
        value_range: `(lower, upper)` bounds of the images, before `mean` and
            `std`.
        mean: Subtracted from the images, in their units: a number, or one for
            each channel. None means 0.
        std: Divides the images afterwards: a number, or one for each channel.
            None means 1.
        name: The model's name. None takes that of the module's class.

    Returns:
        A `keras.Model` of images `(batch, height, width, channels)`.

    Raises:
        ValueError: If Keras runs on another backend, `module` is not a PyTorch
            module, or it does not return logits.

    Example:

    ```python
    import torch

    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 4))
    if keras.backend.backend() == "torch":
        other = kad.adapters.from_torch_module(
            module, (16, 16, 3), mean=(0.5, 0.5, 0.5), std=0.25
        )
        kad.evaluate_robustness(other, x, y, attacks="fgsm", verbose=0)
    ```
    """
    if keras.backend.backend() != "torch":
        raise ValueError(
            "A PyTorch module needs Keras' PyTorch backend. Received: the "
            f"backend '{keras.backend.backend()}'. Set the environment "
            "variable KERAS_BACKEND=torch before Keras is imported."
        )
    if not torch_tools().is_module(module):
        raise ValueError(
            "`module` should be a `torch.nn.Module`. Received: "
            f"{module!r} (of type {type(module).__name__})."
        )
    model = TorchClassifier(module, value_range, mean, std, name)
    meaning = ("height", "width", "channels")
    shape = check_counts("input_shape", input_shape, meaning)
    model.build((None, *shape))
    _check_module(model, shape)
    return model


@keras.saving.register_keras_serializable(package="keras_attn_defense")
class TorchClassifier(keras.Model):
    """A Keras model that runs a PyTorch module, from `from_torch_module`.

    Args:
        module: The `torch.nn.Module`.
        value_range: `(lower, upper)` bounds of the images.
        mean: Subtracted from the images, or None.
        std: Divides them, or None.
        name: The model's name, or None.
    """

    def __init__(self, module, value_range, mean, std, name):
        super().__init__(name=name or type(module).__name__.lower())
        self.value_range = check_value_range(value_range)
        self.mean = _channels("mean", 0.0 if mean is None else mean)
        self.std = _channels("std", 1.0 if std is None else std)
        if not all(value > 0 for value in self.std):
            raise ValueError(f"`std` should be above zero. Received: {std}")
        self.wrapped = keras.layers.TorchModuleWrapper(module)

    def build(self, input_shape):
        self.built = True

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        """Runs the module on images with channels last."""
        images = ops.cast(images, "float32")
        mean, std = (
            ops.convert_to_tensor(values, "float32")
            for values in (self.mean, self.std)
        )
        images = (images - mean) / std
        # The module expects channels first, whatever Keras' setting.
        images = ops.transpose(images, (0, 3, 1, 2))
        # Keras switches all parts of the module to training or inference, and
        # leaves them there: the modes of before come back.
        with torch_tools().kept_modes(self.wrapped.module):
            return self.wrapped(images, training=bool(training))

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value_range": self.value_range,
            "mean": self.mean,
            "std": self.std,
            **torch_tools().describe_module(self.wrapped.module),
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> Never:
        raise ValueError(
            f"The model '{config.get('name')}' runs a PyTorch module of class "
            f"{config.get('module')}, whose code is not saved. Save its "
            "`state_dict`, and make the model again with `kad.adapters."
            "from_torch_module`."
        )


def _channels(name, values):
    """Checks numbers for the channels, and returns them as a tuple."""
    values = np.ravel(ops.convert_to_numpy(values)).astype("float64")
    if not values.size or not np.isfinite(values).all():
        raise ValueError(
            f"`{name}` should be a number, or one for each channel. Received: "
            f"{values.tolist()}"
        )
    return tuple(values.tolist())


def _check_module(model, shape):
    """Runs a module on two images to check its input and output."""
    for name, values in (("mean", model.mean), ("std", model.std)):
        if len(values) not in (1, shape[-1]):
            raise ValueError(
                f"`{name}` should be one number, or one for each of the "
                f"{shape[-1]} channels. Received: {len(values)} numbers."
            )
    lower, upper = model.value_range
    images = np.full((2, *shape), (lower + upper) / 2, "float32")
    try:
        outputs = model(images, training=False)
    except RuntimeError as error:
        raise ValueError(
            "The module does not take images of shape (2, "
            f"{shape[-1]}, {shape[0]}, {shape[1]}), channels first, which "
            f"input_shape={shape} becomes: {error}"
        ) from error
    if not ops.is_tensor(outputs) or outputs.ndim != 2 or len(outputs) != 2:
        kind = getattr(outputs, "shape", type(outputs).__name__)
        raise ValueError(
            "The module should return logits (batch, classes). Received for "
            f"two images: {tuple(kind) if ops.is_tensor(outputs) else kind}. "
            "Wrap it in a module that returns the logits alone."
        )
