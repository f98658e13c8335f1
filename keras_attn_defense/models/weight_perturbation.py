"""Weights that are moved against the training before each update."""

from typing import Any
from typing import Self

from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Tensor


@register
class AdversarialWeightPerturbation:
    """Trains on the gradient at weights that make the loss worse.

    Before an update each kernel `w` moves by `v = gamma * |w| / |g| * g`, with
    the gradient `g` of the training loss on the batch; the update takes the
    gradient there, and `v` is taken back after it. This flattens the loss over
    the weights, and narrows the gap between training and test. Tensors with
    fewer than two axes (biases, normalization) do not move. Images are
    attacked at the weights themselves; moving averages, metrics and the logged
    loss are those at the moved weights, as in the authors' code. It costs one
    more forward and backward pass of the training loss.

    Args:
        gamma: Length of the move, as a share of the length of the weights.
        start_epoch: The first epoch with it, counted from 0 in each `fit` as
            Keras counts (`initial_epoch`).

    Example:

    ```python
    defended = kad.AttentionDefendedModel.from_preset(
        "trades",
        model,
        weight_perturbation=kad.models.AdversarialWeightPerturbation(
            gamma=5e-3, start_epoch=10
        ),
    )
    ```

    Reference:
        [Wu et al., 2020](https://arxiv.org/abs/2004.05884), equations 7 to 9.
    """

    def __init__(self, gamma: float = 5e-3, start_epoch: int = 0) -> None:
        self.gamma = check_number("gamma", gamma)
        self.start_epoch = check_count("start_epoch", start_epoch, lowest=0)

    def moves(self, weights: Any, gradients: Any) -> list[Tensor | None]:
        """Computes how far each weight moves.

        Args:
            weights: Values of the trainable weights.
            gradients: Of the loss by each; None where it has none.

        Returns:
            A tensor for each weight, or None where it stays.
        """
        pairs = zip(weights, gradients, strict=True)
        return [self._move(*pair) for pair in pairs]

    def _move(self, weight, gradient):
        if gradient is None or len(weight.shape) < 2:
            return None
        gradient = ops.cast(gradient, weight.dtype)
        # Relative to the length of each tensor: with normalization behind it, a
        # layer may have weights of any size, and computes the same.
        length = ops.sqrt(ops.sum(ops.square(weight)))
        steepness = ops.sqrt(ops.sum(ops.square(gradient)))
        share = self.gamma * length / ops.maximum(steepness, 1e-12)
        return share * gradient

    def get_config(self) -> dict[str, Any]:
        return {"gamma": self.gamma, "start_epoch": self.start_epoch}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)
