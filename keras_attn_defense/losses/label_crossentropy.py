"""Cross-entropy for any form of labels and predictions."""

from typing import Any

import keras
from keras import ops

from .._registration import register
from .._typing import Tensor


@register
class LabelCrossentropy(keras.losses.Loss):
    """Cross-entropy of integer or one-hot labels, for two or more classes.

    `AttentionDefendedModel` is compiled with it if no loss was chosen. The
    shapes decide which of Keras' cross-entropies is used.

    Args:
        from_logits: Whether predictions are logits; otherwise they are
            probabilities.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Call arguments:
        y_true: Class indices `(batch,)` or `(batch, 1)`, or one-hot labels
            `(batch, classes)`.
        y_pred: Predictions `(batch, classes)`, or `(batch, 1)` for two
            classes.

    Example:

    ```python
    cross_entropy = kad.losses.LabelCrossentropy(from_logits=True)
    value = cross_entropy(np.array([1]), np.array([[0.0, 2.0]]))
    np.testing.assert_allclose(value, np.log(1 + np.exp(-2)), rtol=1e-5)
    ```

    Reference:
        `keras.losses.SparseCategoricalCrossentropy`,
        `keras.losses.CategoricalCrossentropy`,
        `keras.losses.BinaryCrossentropy`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        reduction: str = "sum_over_batch_size",
        name: str = "label_crossentropy",
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        # One output, one-hot labels, or class indices, in this order.
        if y_pred.shape[-1] == 1:
            y_true = ops.reshape(y_true, ops.shape(y_pred))
            function = keras.losses.binary_crossentropy
        elif len(y_true.shape) == 2 and y_true.shape[-1] == y_pred.shape[-1]:
            function = keras.losses.categorical_crossentropy
        else:
            y_true = ops.reshape(y_true, (-1,))
            function = keras.losses.sparse_categorical_crossentropy
        return function(y_true, y_pred, from_logits=self.from_logits)

    def get_config(self) -> dict[str, Any]:
        return {
            "from_logits": self.from_logits,
            "reduction": self.reduction,
            "name": self.name,
        }
