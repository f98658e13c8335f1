"""Cross-entropy of the true class."""

from typing import Any

from keras import ops

from ..._arguments import check_number
from ..._registration import register
from ..._typing import Tensor
from ...losses.robust_loss import cross_entropy as cross_entropy_of_rows
from .naming import named
from .objective import Objective


@named("cross_entropy")
@register
class CrossEntropy(Objective):
    """Cross-entropy, `-log p_y`: what networks are trained with.

    In float32 it has no gradient once the class is ahead by some 85 logits;
    `Margin` and `DLR` keep theirs.

    Args:
        label_smoothing: Share of the target spread over all classes.

    Example:

    ```python
    objective = kad.attacks.objectives.CrossEntropy(label_smoothing=0.1)
    x_adv = kad.attacks.PGD(objective=objective)(model, x, y)
    ```
    """

    takes_soft_labels = True

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = check_number(
            "label_smoothing", label_smoothing, 0.0, 1.0
        )

    def call(self, logits: Tensor, labels: Tensor, reference: Any) -> Tensor:
        return cross_entropy(logits, labels, self.label_smoothing)

    def get_config(self) -> dict[str, Any]:
        return {"label_smoothing": self.label_smoothing}


def cross_entropy(
    logits: Tensor, labels: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of the class `labels`, in nats.

    Args:
        logits: `(batch, classes)`.
        labels: Class indices `(batch,)`, or probabilities `(batch, classes)`.
        label_smoothing: Share of the target spread over all classes.

    Returns:
        `(batch,)`, at least zero.

    Example:

    ```python
    logits = np.array([[2.0, 0.0], [0.0, 0.0]], "float32")
    values = kad.attacks.objectives.cross_entropy(logits, np.array([0, 0]))
    expected = [np.log(1 + np.exp(-2)), np.log(2)]
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    ```
    """
    if len(labels.shape) == 2:
        target = ops.cast(labels, logits.dtype)
    else:
        target = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return cross_entropy_of_rows(target, logits, label_smoothing)


def smoothed(objective: Objective, label_smoothing: float) -> CrossEntropy:
    """Returns the cross-entropy of smoothed labels, if that is the objective.

    Args:
        objective: An `Objective`.
        label_smoothing: Share of the target spread over all classes.

    Raises:
        ValueError: If the objective is not the cross-entropy.
    """
    if type(objective) is not CrossEntropy:
        raise ValueError(
            "`label_smoothing` is part of the cross-entropy. Received: "
            f"label_smoothing={label_smoothing} with the objective "
            f"{type(objective).__name__}. Leave one of them out."
        )
    return CrossEntropy(label_smoothing)
