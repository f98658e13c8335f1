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

    def drawn(self, draw: Any) -> Any:
        """This view, with random numbers of their own for each draw.

        A draw of a draw is one of its own too: `view.drawn(2).drawn(0)` and
        `view.drawn(3).drawn(0)` differ.

        Args:
            draw: A whole number, Python's or a scalar tensor.
        """
        other = copy.copy(self)
        if self.draw is not None:
            draw = (self.draw + 1) * _INNER_DRAWS + draw
        other.draw = draw
        return other
