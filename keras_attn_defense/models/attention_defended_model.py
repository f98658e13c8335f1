"""The model that trains a classifier to keep its attention."""

from collections.abc import Sequence
from typing import Any
from typing import Self

import keras
from keras import ops

from .._backend import SAVED_MODEL_OPTIONS
from .._backend import AdversarialTrainer
from .._registration import register
from .._typing import LossLike
from .._typing import Path
from .._typing import Tensor
from .._typing import ValueRange
from ..attacks import Attack
from ..attention import AttentionMask
from ..attention import AttentionMethod
from ..attention.class_choice import check_choice
from ..classifier import Classifier
from ..classifier.structure import as_input
from ..data import as_images
from ..data import check_images
from ..data import check_labels
from ..data import class_indices
from ..data import resolve_value_range
from ..losses import RobustLoss
from ..preprocessing.built_in import check_built_in_scale
from . import arguments
from . import presets
from . import serialization
from .adaptive_objective import AdaptiveObjective
from .kept_averages import kept_averages
from .preparation import Preparation
from .sample_selection import StrongSampleSelection
from .saving import Saving
from .settings import Settings
from .training_step import TrainingStep
from .training_step import compiled_functions
from .training_step import new_trackers
from .weight_perturbation import AdversarialWeightPerturbation


@register
class AttentionDefendedModel(
    AdversarialTrainer,
    TrainingStep,
    Preparation,
    Saving,
    Settings,
    keras.Model,
):
    """Trains a classifier against adversarial images, by its attention too.

    Each training step crafts an adversarial image `x_adv` for each image `x`
    and minimizes, on both,

    `L = classification_weight * L_c + rectification_weight * L_r +
    preservation_weight * L_p`

    with `L_c = CE(x) + CE(x_adv)` and the network's own weight decay,
    `L_r = L_r(x) + L_r(x_adv)` (see `RectificationLoss`), and `L_p` the
    distance between the attention maps of `x` and `x_adv` for the true class
    (see `PreservationLoss`). A weight of zero switches a term off, with its
    cost. For `predict`, `export` and a call it is the plain classifier.

    Without `compile`, `fit` compiles the model as its base is compiled, or
    else with Adam and the cross-entropy that fits the base's output and the
    labels; `compile` without a loss takes that loss too. With the default
    weights the loss has the scale of plain training: SGD keeps its learning
    rate.

    All arguments but `base` and `value_range` may be set between two calls of
    `fit`, and numbers of their parts too: `model.attack.epsilon = 4 / 255`,
    `model.preservation_weight = 0.2`. What a callback sets is obeyed from the
    next epoch on.

    Args:
        base: A built Keras classifier of images, with softmax or logits, or
            one sigmoid or logit output for two classes.
        attack: The attack to train on, or its name (see `kad.attacks.get`).
            None means `PGD(steps=7)`.
        attention: The attention map, or its name (see `kad.attention.get`).
            None means `GradCAM()`, whose maps have length one: the
            preservation loss lies between 0 and 2 for any network.
        mask: What hides the attention area. None means `AttentionMask()`.
        robust_loss: A `kad.losses.RobustLoss`, such as `TRADES()`, in place of
            `L_c`; with `attack=None`, `PGD(steps=7)` maximizes what it says.
            The loss of `compile` is then that of validation only.
        classification_weight: Weight of `L_c` or of the robust loss. None
            means 0.5, as `L_c` has two halves, or 1 for a robust loss.
        rectification_weight: Weight of `L_r`.
        preservation_weight: Weight of `L_p`.
        rectification_loss: A `keras.losses.Loss` of the predictions on the
            image and on the rest of it, a function of both, or a distance of
            `RectificationLoss`, the default. It is minimized: minus a distance.
        preservation_loss: A `keras.losses.Loss` of two maps, a function of
            both, the name of a loss of Keras, or a distance of
            `PreservationLoss`, the default.
        preservation_pair: The preservation loss compares the map of `x` with
            that of `x_adv` (`"adversarial"`) or of a random point of the
            attack's ball (`"noise"`); or the map of `x_adv` with that of the
            teacher of a `DistillationLoss` (`"teacher"`).
        attention_every: The attention losses are computed in the first of this
            many steps, with their weight times this, and cost nothing in the
            others but the maps.
        batch_statistics: How batch normalization sees a step: both kinds of
            images together (`"mixed"`), each by itself (`"apart"`), or each by
            itself with averages of the adversarial ones alone
            (`"adversarial"`).
        validation_attack: The attack of `evaluate` and of validation in
            `fit`, for `val_robust_accuracy`. None validates on clean images
            only; `"default"` is `PGD(steps=10)` with the epsilon and norm of
            `attack`.
        sample_selection: A `StrongSampleSelection`, or None.
        weight_perturbation: An `AdversarialWeightPerturbation`, or None.
        augmentation: A layer of Keras' image preprocessing, or a list of
            them: `RandAugment`, `MixUp`, `CutMix`, ... They change the clean
            images of each training step before these are attacked, on every
            backend, and nothing else. Loss and metrics see one-hot or mixed
            labels, whatever the form of `y`.
        adversarial_rounds: Updates for each batch. In each round after the
            first, the adversarial images go one step on (iterated samples).
        value_range: `(lower, upper)` bounds of the images. None takes those
            of the base, where it has a `value_range`, or else `(0.0, 1.0)`.
        name: Name of the model.

    Example:

    ```python
    defended = kad.AttentionDefendedModel(
        model, attack=kad.attacks.PGD(steps=2), preservation_weight=0.2
    )
    defended.fit(x, y, epochs=1)
    defended.attention_map(x, y)  # (8, 16, 16), at the size of the images
    defended.base  # the plain classifier, with the same weights
    ```

    Reference:
        Attention, Please! Adversarial Defense via Activation Rectification
        and Preservation, [Wu et al., 2023](https://doi.org/10.1145/3572843).
    """

    def __init__(
        self,
        base: keras.Model,
        attack: Attack | str | None = None,
        attention: AttentionMethod | str | None = None,
        *,
        mask: AttentionMask | None = None,
        robust_loss: RobustLoss | None = None,
        classification_weight: float | None = None,
        rectification_weight: float = 0.25,
        preservation_weight: float = 0.0625,
        rectification_loss: LossLike | None = None,
        preservation_loss: LossLike | None = None,
        preservation_pair: str = "adversarial",
        attention_every: int = 1,
        batch_statistics: str = "mixed",
        validation_attack: Attack | str | None = "default",
        sample_selection: StrongSampleSelection | None = None,
        weight_perturbation: AdversarialWeightPerturbation | None = None,
        augmentation: keras.Layer | list[keras.Layer] | None = None,
        adversarial_rounds: int = 1,
        value_range: ValueRange | None = None,
        name: str | None = None,
    ) -> None:
        if isinstance(base, AttentionDefendedModel):
            raise ValueError(
                f"The base '{base.name}' is a defended model itself. Pass the "
                "classifier in it, which keeps its weights: `model.base`."
            )
        classifier = Classifier(base)
        super().__init__(
            name=name, dtype=arguments.dtype_policy(base), autocast=False
        )
        classifier.check_gradients()
        self.base = base
        self.classifier = classifier
        self.value_range = resolve_value_range(base, value_range)
        check_built_in_scale(classifier, self.value_range)
        # `Settings` checks these, and puts defaults in the place of None.
        self.robust_loss = robust_loss
        self.attack = attack
        self.validation_attack = validation_attack
        self.attention = attention
        self.mask = mask
        self.classification_weight = classification_weight
        self.rectification_weight = rectification_weight
        self.preservation_weight = preservation_weight
        self.rectification_loss = rectification_loss
        self.preservation_loss = preservation_loss
        self.preservation_pair = preservation_pair
        self.attention_every = attention_every
        self.batch_statistics = batch_statistics
        self.sample_selection = sample_selection
        self.weight_perturbation = weight_perturbation
        self.augmentation = augmentation
        self.adversarial_rounds = adversarial_rounds
        # A variable, so that a schedule takes effect in compiled steps.
        self.attention_strength = self.add_weight(
            shape=(), initializer="ones", trainable=False, name="attention"
        )
        self.one_hot_labels = False
        self.trackers = new_trackers()
        self._code = compiled_functions()
        if self.uses_attention:
            self.attention.check(classifier)
        self.build(classifier.input_shape)
        self.note_settings()

    @classmethod
    def from_preset(
        cls,
        preset: str,
        base: keras.Model,
        *,
        teacher: keras.Model | None = None,
        sources: Sequence[keras.Model] | None = None,
        value_range: ValueRange | None = None,
        **kwargs: Any,
    ) -> Self:
        """Builds the model with the arguments of a published form.

        Args:
            preset: `"paper"`, the paper's equations; `"authors"`, its
                authors' code; or another paper's recipe: `"madry"`,
                `"trades"`, `"trades-awp"`, `"mart"`, `"alp"`, `"score"`,
                `"ard"`, `"rslad"`, `"ensemble"`, `"fgsm-rs"`, `"n-fgsm"`,
                `"grad-align"`. See `models/presets.py`.
            base: The classifier.
            teacher: A robust classifier, for `"ard"` and `"rslad"`.
            sources: Classifiers that the training images of `"ensemble"` are
                crafted on too.
            value_range: `(lower, upper)` bounds of the images; None as above.
            **kwargs: Arguments that replace the preset's.

        Returns:
            An `AttentionDefendedModel`.
        """
        value_range = resolve_value_range(base, value_range)
        published = presets.get(
            preset, value_range, teacher=teacher, sources=sources
        )
        kwargs = {**published, **kwargs}
        return cls(base, value_range=value_range, **kwargs)

    @property
    def compute_dtype(self) -> str:
        # The base casts for itself; Keras would read all weights in half
        # precision wherever this model's policy is mixed.
        return self.variable_dtype

    def build(self, input_shape: Any) -> None:
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Any:
        """Classifies images.

        Args:
            inputs: Images `(batch, height, width, channels)`; or, in the
                model's own steps, a dict of interleaved `images` and
                `labels`, for which logits and attention maps come too.
            training: Whether layers run in training mode.

        Returns:
            What the base returns; for a dict, a dict of `predictions`,
            `logits` and, if an attention loss has a weight, `maps`.
        """
        if not isinstance(inputs, dict):
            return self.base(as_input(self.base, inputs), training=training)
        return self.read_pairs(inputs, training)

    @property
    def adaptive_objective(self) -> Any:
        """The objective of an attack that knows this defense."""
        return AdaptiveObjective.of(self)

    @property
    def kept_averages(self) -> list[Any]:
        """Variables that layers average in training, in batch normalization."""
        return kept_averages(self.base)

    def craft(self, x: Any, y: Tensor) -> Tensor:
        """Crafts the adversarial images that `fit` would train on.

        Args:
            x: Images `(batch, height, width, channels)`.
            y: Labels, class indices or one-hot.

        Returns:
            Adversarial images, a float32 tensor.
        """
        self.refresh()
        check_images(x, self.value_range)
        check_labels(y, self.classifier.num_classes, len(x))
        craft = self._code(self)["craft"]
        return craft(as_images(x, self.value_range), ops.convert_to_tensor(y))

    def attention_map(self, x: Any, y: Tensor | str | None = None) -> Tensor:
        """Attention maps, in inference mode.

        Args:
            x: Images `(batch, height, width, channels)`.
            y: Classes, as indices or one-hot, or `"predicted"` (as None is),
                `"runner_up"` or `"least_likely"`.

        Returns:
            Maps `(batch, height, width)`, float32.
        """
        self.refresh()
        check_images(x, self.value_range)
        check_choice(y, self.classifier.num_classes, x)
        images = as_images(x, self.value_range)
        if isinstance(y, str):
            return self._code(self, y)["map"](images, None)
        y = None if y is None else class_indices(y, self.classifier.num_classes)
        return self._code(self)["map"](images, y)

    def export(
        self, filepath: Path, format: str = "tf_saved_model", **kwargs: Any
    ) -> None:
        """Exports the plain classifier, as `keras.Model.export` does."""
        if format == "tf_saved_model" and SAVED_MODEL_OPTIONS is None:
            raise ValueError(
                "Keras writes no SavedModel on PyTorch. Use "
                "`kad.export(model, path)`, which writes it by TensorFlow, or "
                'format="onnx".'
            )
        self.base.export(filepath, format=format, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return serialization.get_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**serialization.arguments(config))
