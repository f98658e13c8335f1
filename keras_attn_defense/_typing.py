"""Names for what public signatures take and return.

Keras tensors have no common type: a tensor of the backend in use and a NumPy
array are both taken wherever `Tensor` stands.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import TypeAlias

import keras

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Figure
else:
    Figure = "matplotlib.figure.Figure"  # An extra, imported when drawing.

Tensor: TypeAlias = Any
# A Keras model, a `ClassifierView` or a function of images.
Model: TypeAlias = Callable[..., Any]
Path: TypeAlias = str | os.PathLike[str]
Norm: TypeAlias = Literal["linf", "l2", "l1", "l0"]  # l0: for FMN alone.
ValueRange: TypeAlias = tuple[float, float]
# A function takes the two tensors that the loss compares.
LossLike: TypeAlias = (
    keras.losses.Loss | Callable[[Tensor, Tensor], Tensor] | str
)
