"""The base class of all attacks: arguments, checks and calls."""

import copy
from typing import Any
from typing import Self

import keras
import numpy as np
from keras import ops

from .._arguments import check_count
from .._arguments import not_defined
from .._backend import is_traced
from .._registration import register
from .._typing import Model
from .._typing import Norm
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import ClassifierView
from ..classifier import CompiledFunctions
from ..classifier import as_classifier
from ..data import check_images
from ..data import check_labels
from ..data import check_value_range
from ..data import class_indices
from ..data import resolve_value_range
from ..data import to_numpy
from . import perturbation_sets
from .arguments import check_epsilon
from .arguments import check_seed
from .engine.attack_result import AttackResult
from .engine.copies import copied

# What compiled code is given as an argument, or does not depend on.
_NOT_COMPILED = ("epsilon", "step_size", "seed", "name")


@register
class Attack(keras.layers.Layer):
    """Base class: adversarial images for any Keras classifier.

    Use `GradientAttack` for an attack of a fixed number of gradient steps,
    `SearchAttack` for one that ends for each image when it has succeeded. An
    attack is a Keras layer only so that a model that trains with it keeps its
    random seed and its schedule; it is called with a model:
    `x_adv = attack(model, x, y)`.

    Args:
        epsilon: Radius of the ball, in the units of the images. None means
            8/255 of the value range, 0.5 times it in the `"l2"` norm and 12
            times it in `"l1"`.
        norm: `"linf"`, `"l2"` or `"l1"`.
        targeted: Whether labels are classes to reach rather than to leave.
        restarts: Number of runs; the worst result is kept for each image.
        value_range: `(lower, upper)` bounds of the images. None takes the
            attacked model's `value_range`, or else `(0.0, 1.0)`.
        seed: Integer seed of what is drawn, from 0 to 2**31 - 1.
        name: Name of the layer.

    Example:

    ```python
    attack = kad.attacks.PGD(epsilon=8 / 255)
    assert isinstance(attack, kad.attacks.Attack)
    x_adv = attack(model, x, y)  # one batch, a tensor
    result = attack.run(model, x, y, batch_size=4)  # any number, in NumPy
    weaker = attack.with_epsilon(4 / 255)  # nothing is compiled again
    ```
    """

    #: Whether only predictions of the model are used, no gradients.
    black_box = False
    #: Whether the smallest perturbation is looked for. Without `epsilon` its
    #: size has no bound; with one, the result is brought back to the ball.
    minimal = False
    #: Whether `perturb` also takes labels `(batch, classes)` of probabilities.
    takes_soft_labels = False

    def __init__(
        self,
        epsilon: float | None = None,
        *,
        norm: Norm = "linf",
        targeted: bool = False,
        restarts: int = 1,
        value_range: ValueRange | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.epsilon = check_epsilon(epsilon)
        self.norm = norm
        self.targeted = bool(targeted)
        self.restarts = check_count("restarts", restarts)
        self.value_range = (
            None if value_range is None else check_value_range(value_range)
        )
        self.seed = seed = check_seed(seed)
        self.seed_generator = keras.random.SeedGenerator(seed)
        # A variable, so that a schedule takes effect in compiled steps.
        self.strength = self.add_weight(
            shape=(), initializer="ones", trainable=False, name="strength"
        )
        self.built = True

    def __call__(self, model: Model, x: Any, y: Tensor | None = None) -> Tensor:
        """Crafts adversarial images.

        Args:
            model: A Keras classifier, or any function from images to logits.
                Its weights, statistics and seeds stay as they are.
            x: Images `(batch, height, width, channels)`, NumPy or tensor.
            y: Labels: class indices `(batch,)` or one-hot. None attacks the
                class that the model predicts.

        Returns:
            Adversarial images, a float32 tensor of the shape of `x`.
        """
        self._check_targets(y)
        victim = as_classifier(model)
        value_range = self.resolve_value_range(model)
        if is_traced(x):
            self.check_radius(value_range)
            x = ops.cast(x, "float32")
            labels = self._labels(victim, x, y)
            return self.perturb(victim, x, labels, value_range)
        x, y = self._checked(victim, value_range, x, y)
        return self.craft_batch(victim, value_range, x, y)

    def run(
        self,
        model: Model,
        x: Tensor,
        y: Tensor | None = None,
        batch_size: int = 128,
    ) -> AttackResult:
        """Attacks any number of images, in batches of one size.

        Args:
            model: As in a call.
            x: NumPy images `(N, height, width, channels)`.
            y: NumPy labels. None attacks the class that is predicted.
            batch_size: Images in one compiled call; the last batch is padded,
                so that nothing is compiled again.

        Returns:
            An `AttackResult`.
        """
        batch_size = check_count("batch_size", batch_size)
        victim, bounds, x, y = self._prepared(model, x, y)
        return self.run_batches(victim, bounds, x, y, batch_size)

    @property
    def norm(self) -> Norm:
        """The norm of the ball; setting it takes the ball of another."""
        return self.ball.name

    @norm.setter
    def norm(self, norm: Norm) -> None:
        self.ball = self._ball_of(norm)

    def _ball_of(self, norm):
        return perturbation_sets.get(norm)

    @property
    def label(self) -> str:
        """The name in reports, unless another is given."""
        return type(self).__name__.lower()

    def check(self, model: Any) -> None:
        """Raises a `ValueError` if the attack cannot work on a model."""

    def with_epsilon(self, epsilon: float | None) -> Self:
        """Copies the attack with another radius.

        Nothing is compiled again for it. Its random numbers go on from where
        those of this attack are, and from then on are its own.

        Args:
            epsilon: The radius, in the units of the images; None as in the
                class.

        Returns:
            An attack of the same class.
        """
        other = copy.copy(self)
        other.epsilon = check_epsilon(epsilon)
        return other

    def __copy__(self):
        # Keras copies a layer by saving and loading it, which would neither
        # share compiled code nor take attributes that no argument sets.
        return copied(self, Attack)

    def reseed(self, seed: Any) -> None:
        """Restarts the random numbers.

        Args:
            seed: An integer.
        """
        fresh = keras.random.SeedGenerator(int(seed))
        self.seed_generator.state.assign(fresh.state.value)

    def perturb(
        self,
        victim: ClassifierView,
        images: Tensor,
        labels: Tensor | None,
        value_range: ValueRange,
        start: Tensor | None = None,
        steps: int | None = None,
    ) -> Tensor:
        """Crafts adversarial images inside a step; nothing is checked.

        Args:
            victim: A classifier view; see `classifier.as_classifier`.
            images: Float32 tensor `(batch, height, width, channels)`.
            labels: Class indices `(batch,)`.
            value_range: `(lower, upper)` bounds of the images.
            start: Images to start from instead of this attack's own start.
            steps: Number of steps, if other than `self.steps`.

        Returns:
            Adversarial images, a float32 tensor.
        """
        raise not_defined(self, "perturb", "it crafts images inside a step")

    def craft_batch(
        self, victim: ClassifierView, value_range: ValueRange, x: Any, y: Tensor
    ) -> Any:
        """Adversarial images of one batch of checked tensors."""
        images, labels = to_numpy(x), to_numpy(y)
        result = self.run_batches(victim, value_range, images, labels, 128)
        return ops.convert_to_tensor(result.images)

    def run_batches(
        self,
        victim: ClassifierView,
        value_range: ValueRange,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
    ) -> Any:
        """The `AttackResult` for checked NumPy images."""
        raise not_defined(
            self,
            "run_batches",
            "it attacks any number of images. `GradientAttack` and "
            "`SearchAttack` have it, and are easier to build on",
        )

    def resolve_value_range(self, model: Model) -> ValueRange:
        """This attack's bounds of the images, or else the model's."""
        return resolve_value_range(model, self.value_range)

    def check_radius(
        self,
        value_range: ValueRange,
        image_shape: tuple[int | None, ...] = (),
    ) -> None:
        """Checks that epsilon leaves images of a value range recognizable.

        Args:
            value_range: `(lower, upper)` bounds of the images.
            image_shape: `(height, width, channels)`, with None for sizes that
                are not known.

        Raises:
            ValueError: If the ball around each image holds every other one. For
                an attack that looks for the smallest perturbation it may.
        """
        if self.epsilon is not None and not self.minimal:
            epsilon = np.max(self.epsilon)
            self.ball.check_radius(epsilon, value_range, image_shape)

    def radius(self, value_range: ValueRange) -> Tensor:
        """The radius for images of a value range, a scalar tensor."""
        lower, upper = value_range
        epsilon = self.epsilon
        if epsilon is None and self.minimal:
            return ops.convert_to_tensor(float("inf"))
        if epsilon is None:
            epsilon = self.ball.default_epsilon * (upper - lower)
        if isinstance(epsilon, tuple):
            epsilon = keras.random.uniform(
                (), *epsilon, seed=self.seed_generator
            )
        return epsilon * ops.convert_to_tensor(self.strength)

    def get_config(self) -> dict[str, Any]:
        return {
            "epsilon": self.epsilon,
            "norm": self.norm,
            "targeted": self.targeted,
            "restarts": self.restarts,
            "value_range": self.value_range,
            "seed": self.seed,
            "name": self.name,
        }

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        store["seed"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store: Any) -> None:
        self.strength.assign(store["0"])
        self.seed_generator.state.assign(store["seed"])

    def _check_targets(self, y):
        if y is None and self.targeted:
            raise ValueError(
                "A targeted attack needs the classes to reach. Pass them as "
                "`y`, class indices of shape (batch,)."
            )

    def _prepared(self, model, images, labels):
        """The victim, the value range, and checked images in NumPy."""
        self._check_targets(labels)
        victim = as_classifier(model)
        value_range = self.resolve_value_range(model)
        images, labels = self._checked(victim, value_range, images, labels)
        return victim, value_range, to_numpy(images), to_numpy(labels)

    def _checked(self, victim, value_range, x, y):
        check_images(x, value_range)
        self.check_radius(value_range, tuple(x.shape[1:]))
        if not self.black_box:
            victim.check_gradients()
        if y is not None:
            check_labels(y, victim.num_classes, len(x))
        x = ops.cast(ops.convert_to_tensor(x), "float32")
        victim.check_logits(x[:8])
        self.check(victim)
        return x, self._labels(victim, x, y)

    def _labels(self, victim, x, y):
        if y is None:
            return ops.cast(ops.argmax(victim.logits(x), axis=-1), "int32")
        return class_indices(y, victim.num_classes)

    def _compiles(self, build):
        """Returns the cache of an attack's functions; its copies share it.

        Args:
            build: Function of an attack, a victim and a value range that
                returns a dict of functions of tensors.
        """
        return CompiledFunctions(build, owner=True, arguments=_NOT_COMPILED)
