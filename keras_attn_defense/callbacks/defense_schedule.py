"""A callback that increases the strength of the defense step by step."""

from typing import Any
from typing import Self

import keras

from .._arguments import check_count
from .._registration import register
from ..models import AttentionDefendedModel


@register
class DefenseSchedule(keras.callbacks.Callback):
    """Warms up the training attack and the attention losses.

    Epsilon and step size of the training attack are zero for `attack_warmup`
    epochs, then rise in equal steps and reach their full value after
    `epsilon_ramp` more epochs. The attention losses count from epoch
    `attention_warmup` on. Both act inside compiled steps. The validation
    attack always has its full strength. After `fit`, the training attack and
    the losses have theirs again.

    Args:
        attack_warmup: Number of epochs without an attack.
        epsilon_ramp: Number of epochs after these in which epsilon rises.
        attention_warmup: Number of epochs without attention losses.

    Example:

    ```python
    attack = kad.attacks.PGD(steps=2)
    defended = kad.AttentionDefendedModel(model, attack=attack)
    schedule = kad.callbacks.DefenseSchedule(attack_warmup=1, epsilon_ramp=4)
    defended.fit(x, y, epochs=5, callbacks=[schedule])
    ```

    Reference:
        Linear epsilon schedules as in
        [Gowal et al., 2018](https://arxiv.org/abs/1810.12715), section 3.
    """

    def __init__(
        self,
        attack_warmup: int = 0,
        epsilon_ramp: int = 0,
        attention_warmup: int = 0,
    ) -> None:
        super().__init__()
        self.attack_warmup = check_count("attack_warmup", attack_warmup, 0)
        self.epsilon_ramp = check_count("epsilon_ramp", epsilon_ramp, 0)
        self.attention_warmup = check_count(
            "attention_warmup", attention_warmup, 0
        )

    def attack_strength(self, epoch: int) -> float:
        """Returns the share of epsilon in an epoch, counted from 0."""
        if epoch < self.attack_warmup:
            return 0.0
        # The last epoch of the ramp is one step below the full strength.
        done = epoch - self.attack_warmup + 1
        return min(1.0, done / (self.epsilon_ramp + 1))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        attention = float(epoch >= self.attention_warmup)
        self._set(self.attack_strength(epoch), attention)

    def on_train_end(self, logs: Any = None) -> None:
        self._set(1.0, 1.0)

    def on_train_begin(self, logs: Any = None) -> None:
        if not isinstance(self.model, AttentionDefendedModel):
            raise ValueError(
                f"{type(self).__name__} schedules the attack and the losses "
                "of a `kad.AttentionDefendedModel`. Received: a model of type "
                f"{type(self.model).__name__}."
            )

    def _set(self, attack, attention):
        """Assigns both strengths, which compiled steps read."""
        self.model.attack.strength.assign(attack)
        self.model.attention_strength.assign(attention)

    def get_config(self) -> dict[str, Any]:
        return {
            "attack_warmup": self.attack_warmup,
            "epsilon_ramp": self.epsilon_ramp,
            "attention_warmup": self.attention_warmup,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)
