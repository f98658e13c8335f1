"""Fewer levels of each color."""

from typing import Any

from keras import ops

from .._arguments import check_count
from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import HowToAttack
from .defense_layer import DefenseLayer
from .defense_layer import identity


@register
class BitDepthReduction(DefenseLayer):
    """Rounds images to `2 ** bits` levels.

    - **Claimed.** Small perturbations are rounded away.
    - **Broken.** Rounding only hides the gradient. Attacks that take the
      rounded image for the image leave nothing
      ([Athalye et al., 2018](https://arxiv.org/abs/1802.00420), section 5.2):
      so this layer is attacked.

    Args:
        bits: Bits of a value, 1 to 8; 3 in the paper.
        value_range: `(lower, upper)` bounds of the images.
        name: Name of the layer.

    Example:

    ```python
    defended = kad.defenses.defend(model, kad.defenses.BitDepthReduction(3))
    ```

    Reference:
        [Xu et al., 2018](https://arxiv.org/abs/1704.01155), section III.A;
        [Guo et al., 2018](https://arxiv.org/abs/1711.00117), section 3.
    """

    def __init__(
        self,
        bits: int = 3,
        value_range: ValueRange = (0.0, 1.0),
        name: str | None = None,
    ) -> None:
        super().__init__(value_range, name)
        self.bits = check_count("bits", bits)
        if self.bits > 8:
            raise ValueError(
                "`bits` should be from 1 to 8, as images have 256 levels. "
                f"Received: bits={bits}"
            )

    def call(self, images: Tensor) -> Tensor:
        """Rounds images `(batch, height, width, channels)`."""
        lower, upper = self.value_range
        steps = (2**self.bits - 1) / (upper - lower)
        return ops.round((images - lower) * steps) / steps + lower

    def how_to_attack(self) -> HowToAttack:
        """Returns the identity as a substitute."""
        return HowToAttack(substitute=identity)

    def get_config(self) -> dict[str, Any]:
        return {"bits": self.bits, **super().get_config()}
