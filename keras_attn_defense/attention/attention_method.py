"""The base class of attention maps."""

from contextlib import nullcontext
from typing import Any
from typing import Self

import keras

from .._arguments import not_defined
from .._arguments import plain_errors
from .._backend import readable
from .._registration import register
from .._typing import Model
from .._typing import Tensor
from ..classifier import Classifier
from ..classifier import ClassifierView
from . import normalization as normalizations
from .class_choice import check_choice


@register
class AttentionMethod(keras.layers.Layer):
    """Base class of attention maps: where a classifier looks for a class.

    A subclass defines `explain`.

    Args:
        normalization: ReLU followed by division by the map's `"l2"` length
            (with which a loss lies in the same range for every network and
            image size), its `"max"` (values from 0 to 1, to look at) or its
            `"sum"`; `"softmax"` over all positions; None for ReLU alone; or
            `"signed"`, the map as it is.
        model: The classifier to explain, when the method is used as a layer
            on images. Not needed inside `AttentionDefendedModel`.
        name: Name of the layer.

    Example:

    ```python
    method = kad.attention.HiResCAM(model=model)
    assert isinstance(method, kad.attention.AttentionMethod)
    maps = method(x, "runner_up")  # what speaks for the second class
    ```
    """

    #: Whether gradients flow through the maps, so that losses may use them.
    differentiable = True
    #: Whether maps are `(batch, height, width, channels)`, for losses alone.
    keeps_channels = False
    #: What a map explains: "logit", "margin", "loss" or "random".
    score = "logit"

    def __init__(
        self,
        normalization: str | None = "l2",
        *,
        model: Model | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.normalization = normalization
        self.normalize = normalizations.get(normalization)
        self.model = model
        self.built = True

    def __call__(
        self, x: Tensor, y: Tensor | str | None = None, **kwargs: Any
    ) -> Tensor:
        # Models saved before `y` had its name call the layer with `labels`.
        y = kwargs.pop("labels", y)
        # By keyword, as Keras takes only tensors by position, and `y` may be
        # a string.
        with plain_errors():
            maps = super().__call__(x, y=y, **kwargs)
        return readable(maps)

    def call(self, x: Tensor, y: Tensor | str | None = None) -> Tensor:
        """Computes the attention maps of images.

        Args:
            x: `(batch, height, width, channels)`.
            y: The classes to look for: indices `(batch,)` or one-hot;
                `"predicted"`, the same as None; `"runner_up"` or
                `"least_likely"`.

        Returns:
            Maps `(batch, height, width)`, float32; without `upsample`,
            `(batch, h, w)` of the features.

        Raises:
            ValueError: If labels are not among the classes.
        """
        if self.model is None:
            raise ValueError(
                f"{type(self).__name__} has no model to explain. Pass one: "
                f"{type(self).__name__}(model=model)."
            )
        classifier = Classifier(self.model)
        check_choice(y, classifier.num_classes, x)
        # A method that is not differentiable compiles functions of its own
        # and keeps them; they must not be traced inside this scope.
        scope = classifier.stateless() if self.differentiable else nullcontext()
        with scope:
            return self.explain(classifier, x, y)[1]

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        labels: Tensor | str | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Computes maps together with the classifier's predictions.

        Args:
            classifier: A `Classifier`.
            images: `(batch, height, width, channels)`.
            labels: The classes to look for, as in `call`.
            training: Whether layers run in training mode.

        Returns:
            The logits `(batch, classes)`, the maps, and the output of the
            classifier's model.
        """
        raise not_defined(
            self, "explain", "it returns logits, maps and predictions"
        )

    def check_use(self, classifier: ClassifierView) -> None:
        """Checks that a loss can use the maps of a classifier.

        Args:
            classifier: A `Classifier`.

        Raises:
            ValueError: If no gradient flows through the maps.
        """
        if not self.differentiable:
            raise ValueError(
                f"{type(self).__name__} runs the model many times, outside of "
                "the training step, so no gradient flows through its maps and "
                "no loss or attack can use them. Choose a gradient-based "
                "method here, such as GradCAM, LayerCAM or InputGradients, "
                "and use this one to look at the result."
            )

    def check(self, classifier: Classifier) -> None:
        """Checks that maps can be computed and that a loss can use them.

        Args:
            classifier: A `Classifier`.

        Raises:
            ValueError: If no gradient flows through the maps, or they cannot
                be computed for this classifier.
        """
        self.check_use(classifier)
        # Shapes alone are inferred; nothing is computed.
        classifier.try_out(lambda x: self.explain(classifier, x)[1])

    def get_config(self) -> dict[str, Any]:
        model = self.model
        if model is not None:
            model = keras.saving.serialize_keras_object(model)
        return {
            "normalization": self.normalization,
            "model": model,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        if config.get("model") is not None:
            model = keras.saving.deserialize_keras_object(config["model"])
            config = {**config, "model": model}
        return cls(**config)
