"""Keep attacking the images whose attention has not moved yet."""

from collections.abc import Callable
from typing import Any
from typing import Self

from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from ..attention import intersection_over_union


@register
class StrongSampleSelection:
    """Strong-sample selection: more steps while attention areas overlap.

    After the attack, each image whose attention area still overlaps that of
    the clean image by more than `threshold` takes another step, up to
    `max_steps` of them. Images whose attention has deviated stay as they are.

    Args:
        threshold: Intersection over union above which an image takes another
            step; the authors use 0.595.
        max_steps: Most extra steps; the authors use 4. Each costs two forward
            passes and one backward pass for the batch.

    Example:

    ```python
    selection = kad.models.StrongSampleSelection(threshold=0.6, max_steps=2)
    defended = kad.AttentionDefendedModel(
        model, attack=kad.attacks.PGD(steps=2), sample_selection=selection
    )
    defended.fit(x, y)
    ```

    Reference:
        Attention, Please! Adversarial Defense via Activation Rectification
        and Preservation, [Wu et al., 2023](https://doi.org/10.1145/3572843),
        on the choice of training samples.
    """

    def __init__(self, threshold: float = 0.6, max_steps: int = 4) -> None:
        self.threshold = check_number(
            "threshold", threshold, 0.0, 1.0, unit="an intersection over union"
        )
        self.max_steps = check_count("max_steps", max_steps)

    def __call__(
        self,
        images: Tensor,
        adversarial: Tensor,
        area_of: Callable[[Tensor], Tensor],
        step: Any,
    ) -> Tensor:
        """Takes the extra steps.

        Args:
            images: Clean images.
            adversarial: Their adversarial images so far.
            area_of: Function from images to attention areas `(batch, h, w)`.
            step: Function from adversarial images to those one step further.

        Returns:
            Adversarial images.
        """
        area = area_of(images)
        for _ in range(self.max_steps):
            overlap = intersection_over_union(area, area_of(adversarial))
            weak = (overlap > self.threshold)[:, None, None, None]
            # In a compiled step the whole batch takes the step, and it counts
            # only for images whose areas still overlap.
            adversarial = ops.where(weak, step(adversarial), adversarial)
        return adversarial

    def get_config(self) -> dict[str, Any]:
        return {"threshold": self.threshold, "max_steps": self.max_steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)
