"""Networks that are trained at a temperature, and answer without it."""

from typing import Any

from keras import layers

from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from ..classifier import HowToAttack


@register
class Temperature(layers.Layer):
    """Divides logits by a temperature in training, and not in inference.

    Attacks divide them too: this is how they see the network.

    Args:
        temperature: The temperature.
        name: Name of the layer.

    Example:

    ```python
    layer = kad.defenses.Temperature(20.0)
    logits = np.array([[40.0, 0.0]], "float32")
    np.testing.assert_allclose(layer(logits, training=True), [[2.0, 0.0]])
    np.testing.assert_allclose(layer(logits), logits)
    ```

    Reference:
        [Papernot et al., 2016](https://arxiv.org/abs/1511.04508), section IV.
    """

    def __init__(
        self, temperature: float = 20.0, name: str | None = None
    ) -> None:
        super().__init__(name=name, dtype="float32")
        self.temperature = check_number("temperature", temperature, above=True)
        self.built = True

    def call(self, logits: Tensor, training: bool = False) -> Tensor:
        """Takes and returns logits `(batch, classes)`."""
        return logits / self.temperature if training else logits

    def how_to_attack(self) -> HowToAttack:
        """Returns the division as a substitute, its values included."""
        return HowToAttack(
            substitute=lambda logits: logits / self.temperature, replaces=True
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "name": self.name}
