"""The distance of the prediction from that of the clean image."""

from typing import Any

from keras import ops

from ..._registration import register
from ..._typing import Tensor
from ..engine.task import Task
from .naming import named
from .objective import Objective


@named("kl_divergence")
@register
class KLDivergence(Objective):
    """`KL(p(x) || p(x_adv))`, the divergence from the clean prediction.

    Labels are not used. Its gradient is zero at the clean image: start
    elsewhere (`random_start=True`).

    Example:

    ```python
    x_adv = kad.attacks.PGD(objective="kl_divergence")(model, x)
    ```

    Reference:
        [Zhang et al., 2019](https://arxiv.org/abs/1901.08573), TRADES,
        equation 3.
    """

    uses_labels = False

    def reference(self, task: Task) -> Any:
        logits = task.victim.frozen_logits(task.images)
        return {"clean": ops.log_softmax(logits, axis=-1)}

    def call(self, logits: Tensor, labels: Tensor, reference: Any) -> Tensor:
        clean = reference["clean"]
        moved = ops.log_softmax(logits, axis=-1)
        return ops.sum(ops.exp(clean) * (clean - moved), axis=-1)
