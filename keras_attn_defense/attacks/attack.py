"""The base class of all attacks: arguments, checks and the one loop."""

import keras
from keras import ops

from .._backend import compiled
from .._backend import is_traced
from .._backend import repeat
from .._registration import register
from ..classifier import as_classifier
from ..classifier import check_images
from ..classifier import check_labels
from ..classifier import check_value_range
from ..classifier import class_indices
from . import objectives
from . import perturbation_sets
from .arguments import check_count
from .arguments import check_epsilon
from .arguments import check_positive
from .image_gradient import image_gradient
from .worst_case import worst_case


@register
class Attack(keras.layers.Layer):
    """Base class: climbs an objective inside a norm ball around the images.

    A subclass chooses defaults, or overrides `start`, `target` or
    `direction`. It is a Keras layer only so that a model that trains with it
    keeps its random seed and its schedule; it is called with a model:
    `x_adv = attack(model, x, y)`.

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` from which it is drawn anew for each batch.
            None means 8/255 of the value range.
        step_size: Length of one step, in the units of the images. None
            derives it from `epsilon`.
        steps: Number of gradient steps.
        norm: `"linf"` or `"l2"`.
        targeted: Whether labels are classes to reach rather than to leave.
        random_start: Whether to start at a random point of the ball.
        restarts: Number of runs; the worst result is kept for each image.
        label_smoothing: Smoothing of the labels in the objective.
        value_range: `(lower, upper)` bounds of the images. None takes the
            attacked model's `value_range`, or else `(0.0, 1.0)`.
        seed: Integer seed of the random start.
        name: Name of the layer.
    """

    def __init__(
        self,
        epsilon=None,
        step_size=None,
        steps=1,
        *,
        norm="linf",
        targeted=False,
        random_start=False,
        restarts=1,
        label_smoothing=0.0,
        value_range=None,
        seed=None,
        name=None,
    ):
        super().__init__(name=name, dtype="float32", autocast=False)
        self.epsilon = check_epsilon(epsilon)
        self.step_size = check_positive("step_size", step_size)
        self.steps = check_count("steps", steps)
        self.restarts = check_count("restarts", restarts)
        self.norm = norm
        self.ball = perturbation_sets.get(norm)
        self.targeted = bool(targeted)
        self.random_start = bool(random_start)
        self.label_smoothing = float(label_smoothing)
        self.value_range = (
            None if value_range is None else check_value_range(value_range)
        )
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        # A variable, so that a schedule takes effect in compiled steps.
        self.strength = self.add_weight(
            shape=(), initializer="ones", trainable=False, name="strength"
        )
        self.built = True
        self._compiled = _Compiled()

    def __call__(self, model, x, y=None):
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
        if y is None and self.targeted:
            raise ValueError(
                "A targeted attack needs the classes to reach. Pass them as "
                "`y`, class indices of shape (batch,)."
            )
        victim = as_classifier(model)
        value_range = self.resolve_value_range(model)
        if is_traced(x):
            return self._craft(victim, value_range, x, y)
        check_images(x, value_range)
        if y is not None:
            check_labels(y, victim.num_classes, len(x))
            y = class_indices(y, victim.num_classes)
        x = ops.cast(ops.convert_to_tensor(x), "float32")
        victim.check_logits(x[:8])
        return self._compiled.function(self, victim, value_range)(x, y)

    def perturb(
        self, logits_of, images, labels, value_range, start=None, steps=None
    ):
        """Crafts adversarial images inside a step; nothing is checked.

        Args:
            logits_of: Function from images to logits `(batch, classes)`,
                without side effects.
            images: Float32 tensor `(batch, height, width, channels)`.
            labels: Class indices `(batch,)`.
            value_range: `(lower, upper)` bounds of the images.
            start: Images to start from instead of this attack's own start.
            steps: Number of steps, if other than `self.steps`.

        Returns:
            Adversarial images, a float32 tensor.
        """
        epsilon, step_size = self._lengths(value_range)
        labels, sign = self.target(logits_of, images, labels)
        project = self._projection(images, epsilon, value_range)

        def objective(logits):
            loss = objectives.cross_entropy(
                logits, labels, self.label_smoothing
            )
            return sign * loss

        def step(state):
            x, memory = state
            gradient = image_gradient(logits_of, objective, x)
            direction, memory = self.direction(gradient, memory)
            return project(x + step_size * direction), memory

        def run(x):
            state = (x, self.memory(images))
            return repeat(steps or self.steps, step, state)[0]

        if start is not None:
            return run(start)
        candidates = [
            run(project(self.start(images, epsilon)))
            for _ in range(self.restarts)
        ]
        return worst_case(candidates, logits_of, labels, sign)

    def start(self, images, epsilon):
        """Where the first step begins; projected afterwards."""
        if not self.random_start:
            return images
        shape = ops.shape(images)
        return images + self.ball.sample(shape, epsilon, self.seed_generator)

    def target(self, logits_of, images, labels):
        """The class of the objective, and 1.0 to leave or -1.0 to reach it."""
        return labels, -1.0 if self.targeted else 1.0

    def memory(self, images):
        """What `direction` carries from step to step."""
        return ()

    def direction(self, gradient, memory):
        """The step of norm one along `gradient`, and the new memory."""
        return self.ball.ascent_direction(gradient), memory

    def relative_step_size(self):
        """The step size as a share of epsilon, where none was given."""
        return min(1.0, 2.5 / self.steps)

    def resolve_value_range(self, model):
        """This attack's bounds of the images, or else the model's."""
        its = getattr(model, "value_range", None)
        return self.value_range or its or (0.0, 1.0)

    def get_config(self):
        return {
            "epsilon": self.epsilon,
            "step_size": self.step_size,
            "steps": self.steps,
            "norm": self.norm,
            "targeted": self.targeted,
            "random_start": self.random_start,
            "restarts": self.restarts,
            "label_smoothing": self.label_smoothing,
            "value_range": self.value_range,
            "seed": self.seed,
            "name": self.name,
        }

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["seed"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store):
        self.strength.assign(store["0"])
        self.seed_generator.state.assign(store["seed"])

    def _lengths(self, value_range):
        lower, upper = value_range
        epsilon = self.epsilon
        if epsilon is None:
            epsilon = 8 / 255 * (upper - lower)
        if isinstance(epsilon, tuple):
            epsilon = keras.random.uniform(
                (), *epsilon, seed=self.seed_generator
            )
        strength = ops.convert_to_tensor(self.strength)
        epsilon = epsilon * strength
        if self.step_size is None:
            return epsilon, epsilon * self.relative_step_size()
        return epsilon, self.step_size * strength

    def _projection(self, images, epsilon, value_range):
        lower, upper = value_range
        bound = max(abs(lower), abs(upper))
        radius = self.ball.margin(epsilon, ops.shape(images), bound)

        def project(x):
            x = images + self.ball.project(x - images, radius)
            return ops.clip(x, lower, upper)

        return project

    def _craft(self, victim, value_range, x, y):
        x = ops.cast(x, "float32")
        if y is None:
            labels = ops.argmax(victim.frozen_logits(x), axis=-1)
        else:
            labels = class_indices(y, victim.num_classes)
        return self.perturb(victim.frozen_logits, x, labels, value_range)


class _Compiled:
    """The compiled attack on the last model; not tracked by Keras."""

    def __init__(self):
        self._key = self._function = None

    def function(self, attack, victim, value_range):
        key = (victim.model, value_range, attack.get_config())
        # A plain function may read weights that the compiled code would keep
        # as they are now.
        if self._key != key or not victim.variables:
            self._key = key
            self._function = compiled(
                lambda x, y: attack._craft(victim, value_range, x, y),
                [*victim.variables, *attack.variables],
            )
        return self._function
