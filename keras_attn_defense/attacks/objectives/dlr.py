"""The difference of logits ratio."""

from typing import Any

from keras import ops

from ..._registration import register
from ..._typing import Tensor
from .margin import logit_of
from .margin import margin
from .naming import named
from .objective import Objective

_TINY = 1e-12


@named("dlr")
@register
class DLR(Objective):
    """Difference of logits ratio, `(max_{i != y} z_i - z_y) / (z_1 - z_3)`.

    `z_1 >= z_2 >= z_3` are the sorted logits: shifting or scaling them all
    changes nothing, so the gradient of a very sure network does not vanish.

    Example:

    ```python
    x_adv = kad.attacks.APGD(objective="dlr", steps=20)(model, x, y)
    ```

    Reference:
        [Croce and Hein, 2020](https://arxiv.org/abs/2003.01690), equation 6.
    """

    min_classes = 3

    def call(self, logits: Tensor, labels: Tensor, reference: Any) -> Tensor:
        return dlr(logits, labels)


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    """Difference of logits ratio, for three classes or more.

    Args:
        logits: `(batch, classes)`.
        labels: Class indices `(batch,)`.

    Returns:
        `(batch,)`.

    Example:

    ```python
    logits = np.array([[2.0, 0.0, 5.0]], "float32")
    value = kad.attacks.objectives.dlr(logits, np.array([0]))
    np.testing.assert_allclose(value, [(5 - 2) / (5 - 0)], 1e-5)
    ```
    """
    ranked = ops.top_k(logits, 3)[0]
    return margin(logits, labels) / (ranked[:, 0] - ranked[:, 2] + _TINY)


def targeted_dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Computes the DLR towards one class, for four classes or more.

    `(z_t - z_y) / (z_1 - (z_3 + z_4) / 2)`.

    Args:
        logits: `(batch, classes)`.
        labels: The true classes `(batch,)`.
        targets: The classes to reach `(batch,)`.

    Returns:
        `(batch,)`.

    Example:

    ```python
    logits = np.array([[2.0, 0.0, 5.0, 1.0]], "float32")
    value = kad.attacks.objectives.targeted_dlr(
        logits, np.array([0]), np.array([2])
    )
    np.testing.assert_allclose(value, [(5 - 2) / (5 - (1 + 0) / 2)], 1e-5)
    ```
    """
    ranked = ops.top_k(logits, 4)[0]
    spread = ranked[:, 0] - (ranked[:, 2] + ranked[:, 3]) / 2.0
    difference = logit_of(logits, targets) - logit_of(logits, labels)
    return difference / (spread + _TINY)
