"""Activations that survive by chance, the larger the more likely."""

from typing import Any
from typing import Self

import keras
import numpy as np
from keras import layers
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from ..classifier import HowToAttack
from ..preprocessing.preprocessed_classifier import PreprocessedClassifier
from .defense_layer import DefenseLayer

# Activations that are gates or outputs.
_LEFT = ("linear", "sigmoid", "softmax", "log_softmax", "hard_sigmoid")
_LAYERS = (
    layers.Activation,
    layers.ELU,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ReLU,
)


@register
class StochasticActivationPruning(DefenseLayer):
    """Sets activations to zero at random, and scales up those that survive.

    An activation `a_i` has the probability `p_i = |a_i| / sum |a|` in each of
    `N` draws, and survives if it is drawn at all, with `k_i = 1 - exp(-N p_i)`;
    it is divided by that. `kad.defenses.defend` puts it around the activations
    of a network; as a layer it stands in the place of one.

    - **Claimed.** Higher accuracy under FGSM than the network, after training
      too.
    - **Broken.** By means over draws, to nothing at 0.031 on CIFAR-10
      ([Athalye et al., 2018](https://arxiv.org/abs/1802.00420), section 5.3).
      So this layer is attacked.

    Args:
        samples: Number of draws `N`, as a share of the number of activations.
        activation: What comes before it: a name, or a Keras layer. None means
            nothing.
        draws: Number of passes over which attacks average.
        seed: Integer seed of the draws.
        name: Name of the layer.

    Example:

    ```python
    pruning = kad.defenses.StochasticActivationPruning(samples=1.0)
    defended = kad.defenses.defend(model, pruning)
    ```

    Reference:
        [Dhillon et al., 2018](https://arxiv.org/abs/1803.01442), algorithm 1,
        with survivals that do not depend on each other.
    """

    def __init__(
        self,
        samples: float = 1.0,
        activation: str | keras.layers.Layer | None = None,
        draws: int = 10,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.samples = check_number("samples", samples, above=True)
        self.activation: Any = activation
        if not isinstance(activation, keras.layers.Layer):
            self.activation = keras.activations.get(activation)
        self.draws = check_count("draws", draws)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = False

    def build(self, input_shape: Any) -> None:
        # It may have been loaded, and built by that.
        if not getattr(self.activation, "built", True):
            self.activation.build(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Prunes activations `(batch, ...)`."""
        a = self.activation(inputs)
        axes = tuple(range(1, len(a.shape)))
        count = float(np.prod([int(side) for side in a.shape[1:]]))
        size = ops.abs(a)
        total = ops.maximum(ops.sum(size, axis=axes, keepdims=True), 1e-30)
        kept = -ops.expm1(-self.samples * count * size / total)
        chance = keras.random.uniform(ops.shape(a), seed=self.seed_generator)
        scale = ops.where(chance < kept, 1.0 / ops.maximum(kept, 1e-30), 0.0)
        return a * ops.cast(scale, a.dtype)

    def protect(
        self, model: keras.Model, name: str | None = None
    ) -> keras.Model:
        """Copies a Sequential or Functional model with pruned activations.

        Args:
            model: A built classifier, with nested ones.
            name: Name of the new classifier.

        Raises:
            ValueError: If it has no activation that can be pruned.
        """
        if isinstance(model, PreprocessedClassifier):
            network = self.protect(model.network)
            shape = model.input_shape[1:]
            return PreprocessedClassifier(
                network, model.preprocessing, model.value_range, shape, name
            )
        pruned: list[Any] = []

        def clone(layer):
            config = layer.get_config()
            activation = config.get("activation", "linear")
            is_left = activation in _LEFT or hasattr(layer, "cell")
            if isinstance(layer, _LAYERS):
                if activation != "linear" and is_left:
                    return type(layer).from_config(config)
                return self._around(type(layer).from_config(config), pruned)
            if is_left or not isinstance(activation, str):
                return type(layer).from_config(config)
            copy = type(layer).from_config({**config, "activation": "linear"})
            copy.activation = self._around(activation, pruned)
            return copy

        try:
            copy = keras.models.clone_model(
                model, clone_function=clone, recursive=True
            )
        except ValueError:
            copy = None
        if copy is None or not pruned:
            raise ValueError(
                "Activations are pruned in Sequential and Functional models, "
                "as layers or as the `activation` of layers; there are none in "
                f"'{model.name}'. In layers of your own, use "
                "`StochasticActivationPruning` as the activation."
            )
        copy.set_weights(model.get_weights())
        if name is not None:
            copy.name = name
        return copy

    def _around(self, activation, pruned):
        """Returns a layer like this one behind an activation."""
        seed = None if self.seed is None else self.seed + len(pruned)
        layer = StochasticActivationPruning(
            self.samples, activation, self.draws, seed
        )
        pruned.append(layer)
        return layer

    def how_to_attack(self) -> HowToAttack:
        """Returns the activation, which is the layer's mean, and draws."""
        return HowToAttack(substitute=self.activation, draws=self.draws)

    def get_config(self) -> dict[str, Any]:
        return {
            "samples": self.samples,
            "activation": keras.activations.serialize(self.activation),
            "draws": self.draws,
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        activation = config["activation"]
        if isinstance(activation, dict):
            activation = keras.saving.deserialize_keras_object(activation)
        return cls(**{**config, "activation": activation})
