"""Several classifiers seen as one."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from .._typing import Tensor
from .classifier_view import ClassifierView


class EnsembleClassifier(ClassifierView):
    """The mean of several classifiers' log-probabilities, as logits.

    The product of probabilities, up to a factor: no member outweighs the
    others by the scale of its logits.

    Args:
        members: Classifier views of the same classes and images.

    Raises:
        ValueError: If classes or images differ.
    """

    def __init__(self, members: Sequence[ClassifierView]) -> None:
        self.members = tuple(members)
        self.num_classes = _common("num_classes", "classes", self.members)
        self.input_shape = _common("input_shape", "inputs", self.members)
        self.draws = max(member.draws for member in self.members)

    @property
    def identity(self) -> Any:
        return tuple(member.identity for member in self.members)

    def check_gradients(self) -> None:
        for member in self.members:
            member.check_gradients()

    def refresh(self) -> None:
        for member in self.members:
            member.refresh()

    @property
    def variables(self) -> list[Any]:
        found = {id(v): v for each in self.members for v in each.variables}
        return list(found.values())

    def logits(self, images: Tensor) -> Tensor:
        """The mean of the log-probabilities `(batch, classes)`, float32."""
        return self._mean(member.logits(images) for member in self.members)

    def frozen_logits(self, images: Tensor) -> Tensor:
        """Computes the same mean with weights as constants."""
        members: Sequence[ClassifierView] = self.members
        if self.draw is not None:
            members = [member.with_draw(self.draw) for member in members]
        return self._mean(member.frozen_logits(images) for member in members)

    def check_logits(self, images: Tensor) -> None:
        """Checks the members that are functions."""
        for member in self.members:
            member.check_logits(images)
        self.num_classes = _common("num_classes", "classes", self.members)

    def _mean(self, logits):
        terms = [ops.log_softmax(each, axis=-1) for each in logits]
        return sum(terms) / len(terms)


def _common(attribute, what, members):
    """Returns what is equal for all members; None if it is not known."""
    values = [getattr(member, attribute, None) for member in members]
    known = [value for value in values if value is not None]
    if any(not _fit(known[0], value) for value in known):
        raise ValueError(
            f"Models that are attacked together should have the same {what}. "
            f"Received: {attribute} {', '.join(map(str, known))}."
        )
    return known[0] if known else None


def _fit(first, second):
    """Tells whether numbers, or shapes with None for any size, are equal."""
    if isinstance(first, int):
        return first == second
    return all(
        None in pair or pair[0] == pair[1]
        for pair in zip(first, second, strict=True)
    )
