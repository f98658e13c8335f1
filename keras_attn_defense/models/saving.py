"""Files of a model, of which one process writes one."""

from typing import TYPE_CHECKING
from typing import Any

from .._processes import by_first
from .._typing import Path

if TYPE_CHECKING:  # It is a mixin, whose `super()` is a model.
    from keras import Model as _Model
else:
    _Model = object


class Saving(_Model):
    """`save` and `save_weights` of `AttentionDefendedModel`, a mixin."""

    def save(self, filepath: Path, *args: Any, **kwargs: Any) -> None:
        """Saves the model, as `keras.Model.save` does.

        Of several processes that train it together, the first one does.

        Args:
            filepath: As in Keras.
            *args: As in Keras.
            **kwargs: As in Keras.
        """
        save = super().save
        by_first(self, lambda: save(filepath, *args, **kwargs))

    def save_weights(self, filepath: Path, *args: Any, **kwargs: Any) -> None:
        """Saves the weights, as `keras.Model.save_weights` does.

        Of several processes that train it together, the first one does.

        Args:
            filepath: As in Keras.
            *args: As in Keras.
            **kwargs: As in Keras.
        """
        save = super().save_weights
        by_first(self, lambda: save(filepath, *args, **kwargs))
