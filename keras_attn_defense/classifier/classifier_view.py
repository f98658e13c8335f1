"""What all views of a classifier have in common."""

import copy
from typing import TYPE_CHECKING
from typing import Any

# Draws inside of one draw, at most.
_INNER_DRAWS = 1000


class ClassifierView:
    """Base class of what attacks are given in place of a model."""

    if TYPE_CHECKING:  # Views have what a `Classifier` has.

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
        def __getattr__(self, name: str) -> Any: ...

    #: Number of the current draw of random numbers; None for the model's own.
    draw = None

    @property
    def identity(self) -> Any:
        """What its logits are computed with: models, layers, functions.

        Compiled code is used for all views of the same class and identity, as
        long as these are as they were; see `Signature`.
        """
        return self.model

    def check_gradients(self) -> None:
        """Raises a `ValueError` if no gradient can reach the images."""

    def refresh(self) -> None:
        """Brings what was read from a model up to date."""

    def with_draw(self, draw: Any) -> Any:
        """Returns this view with the random numbers of one draw.

        Draws may be nested, and no two of them are the same:
        `view.with_draw(2).with_draw(0)` differs from
        `view.with_draw(3).with_draw(0)`.

        Args:
            draw: A whole number, Python's or a scalar tensor.
        """
        other = copy.copy(self)
        if self.draw is not None:
            draw = (self.draw + 1) * _INNER_DRAWS + draw
        other.draw = draw
        return other
