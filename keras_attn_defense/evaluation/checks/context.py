"""The input of checks: results, and a few images to try things on."""

import contextlib
import copy
import functools

import numpy as np
from keras import ops

from ... import attacks as kad_attacks
from ..._backend import compiled
from ...attacks import GradientAttack
from ...attacks import SearchAttack
from ...attacks import perturbation_sets
from ...attacks.engine.draws import over_draws
from ...attacks.engine.image_gradient import image_gradient
from ...attacks.objectives import cross_entropy
from ...attacks.objectives import margin
from ...classifier import Classifier
from ...data import padded_batches
from ..runner import judged
from .declared import same_draws

_OBJECTIVES = {"cross_entropy": cross_entropy, "margin": margin}


class Context:
    """The evaluation as the checks see it.

    Args:
        predictor: The `Predictor` of the model, which judges success.
        records: The finished `Records`.
        drawn: The positions of some images in the data, the images and their
            class indices, in NumPy.
        seed: Integer seed of extra attacks.
        thorough: Whether to take more images and more steps.
    """

    def __init__(self, predictor, records, drawn, seed, thorough=False):
        self.victim = predictor.victim
        self.predictor = predictor
        self.records = records
        self.threat = records.threat
        self.seed = seed
        self.thorough = thorough
        #: Images of one extra attack.
        self.size = 128 if thorough else 48
        #: The images of the sample that are attacked with several radii.
        self.some = slice(self.size // 2)
        #: Steps of one extra attack.
        self.steps = 50 if thorough else 15
        positions, images, labels = drawn
        #: Some images, however they are classified.
        self.clean = images[: self.size]
        correct = np.flatnonzero(records.correct[positions])
        self._where = positions[correct]
        self._images = images[correct]
        self._labels = labels[correct]
        self._runs = {}

    @property
    def where(self):
        """The positions of the sample in the data."""
        return self._where[: self.size]

    def sample(self, size=None):
        """Draws images that are classified correctly.

        Args:
            size: How many, if there are so many. None takes the usual number.

        Returns:
            Images and their class indices, in NumPy.
        """
        if not len(self._images):
            raise ValueError(
                "none of the drawn images is classified correctly."
            )
        size = self.size if size is None else size
        return self._images[:size], self._labels[:size]

    def is_robust(self, epsilon, size=None):
        """Tells on which images of the sample all attacks fail at a radius."""
        where = self._where[: self.size if size is None else size]
        return self.records.is_robust(epsilon)[where]

    @contextlib.contextmanager
    def live(self):
        """The model as it predicts, seeds moving on; later all is restored."""
        variables = [v for v in self.victim.variables if not v.trainable]
        values = [np.array(ops.convert_to_numpy(v)) for v in variables]
        try:
            yield self._predict
        finally:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    @functools.cached_property
    def spread(self):
        """By how much predictions of the same images differ, relatively."""
        with self.live() as predict:
            return self._spread(predict)

    @functools.cached_property
    def undeclared_spread(self):
        """Takes `spread` while layers that declare their draws stand still."""
        with self.live() as predict, same_draws(self.victim) as restore:

            def predict_still(images):
                restore()
                return predict(images)

            return self._spread(predict_still)

    def _spread(self, predict):
        images = ops.convert_to_tensor(self.perturbed(4))
        first = predict(images)
        spread = max(
            float(np.abs(predict(images) - first).max())
            for _ in range(100 if self.thorough else 40)
        )
        return spread / max(float(np.abs(first).max()), 1.0)

    def perturbed(self, count):
        """Images changed at random: half of them on the 8-bit grid."""
        images = self.clean[:count]
        generator = np.random.default_rng(self.seed)
        level = self.threat.width / 255
        radius = max(self.largest_change(), level)
        noise = generator.uniform(-radius, radius, images.shape)
        on_grid = np.arange(len(images)) % 2 == 0
        noise[on_grid] = np.round(noise[on_grid] / level) * level
        changed = np.clip(images + noise, *self.threat.value_range)
        return changed.astype("float32")

    def largest_change(self):
        """Estimates the change of one value at the largest radius."""
        one = np.ones((1, *self.clean.shape[1:]))
        size = self.threat.distances(one, np.zeros_like(one))[0]
        return self.threat.epsilons[-1] / size

    def entries(self, kind):
        """Returns the evaluated entries for which `kind(attack)` holds."""
        return [each for each in self.records.entries if kind(each.attack)]

    @functools.cached_property
    def iterative(self):
        """An attack of many gradient steps, of the evaluation if there is."""
        for entry in self.entries(is_iterative):
            attack = copy.copy(entry.attack)
            attack.restarts = 1  # Enough to see, and cheap.
            return attack
        return self.build(kad_attacks.APGD, steps=20)

    @functools.cached_property
    def brief(self):
        """Attacks with few steps, where the radius leaves no doubt."""
        attack = copy.copy(self.iterative)
        attack.steps = min(attack.steps, 10)
        return attack

    def build(self, attack_class, **arguments):
        """An attack of the evaluation's norm, value range and seed."""
        return attack_class(
            norm=self.threat.norm,
            value_range=self.threat.value_range,
            seed=self.seed,
            **arguments,
        )

    def run(self, attack, epsilon, rows=slice(None)):
        """Attacks the sample afresh.

        Args:
            attack: The attack.
            epsilon: The radius.
            rows: Which images of the sample, as an index of arrays.

        Returns:
            Adversarial images in NumPy, and which of them succeed.
        """
        key = id(attack), epsilon, str(rows)
        if key not in self._runs:
            images, labels = (values[rows] for values in self.sample())
            radius = None if attack.minimal else epsilon
            at_epsilon = attack.with_epsilon(radius)
            at_epsilon.reseed(self.seed)
            size = self.predictor.batch_size
            found = at_epsilon.run(self.victim, images, labels, size).images
            name = type(attack).__name__
            success = self.success(found, images, labels, epsilon, name, radius)
            # With the attack, whose identity is not given away again.
            self._runs[key] = attack, found, success
        return self._runs[key][1:]

    def success(self, adversarial, images, labels, epsilon, name, radius=None):
        """Tells which adversarial images succeed by a fresh prediction."""
        distances, _ = judged(
            self.predictor,
            self.threat,
            adversarial,
            images,
            labels,
            radius,
            name,
        )
        return distances <= epsilon

    def gradients(self, images, labels, objective="margin", view=None):
        """Values of an objective and their gradients, in NumPy.

        Args:
            images: Images in NumPy, up to the size of the sample.
            labels: Their class indices.
            objective: `"margin"` or `"cross_entropy"`.
            view: A classifier view in place of the model.
        """
        run = self._gradient_of(view or self.victim, objective)
        values, gradients = [], []
        labels = labels.astype("int32")
        for rows, batch in padded_batches(images, labels, size=self.size):
            count = rows.stop - rows.start
            for found, pieces in zip(
                run(*batch), (values, gradients), strict=True
            ):
                pieces.append(np.asarray(ops.convert_to_numpy(found))[:count])
        return np.concatenate(values), np.concatenate(gradients)

    def climb(self, images, labels, epsilon, view=None, levels=False):
        """Adversarial images by gradient steps on the margin.

        One compiled gradient serves all steps, so that this is cheap where
        an attack would be compiled again.

        Args:
            images: Images in NumPy.
            labels: Their class indices.
            epsilon: The radius.
            view: A classifier view to attack in place of the model.
            levels: Whether to stay on the 256 levels of a byte, on which the
                images have to lie.
        """
        level = self.threat.width / 255
        ball = perturbation_sets.get(self.threat.norm)
        project = ball.projection(
            ops.convert_to_tensor(images), epsilon, self.threat.value_range
        )
        x = images
        for step in range(self.steps):
            _, gradient = self.gradients(x, labels, "margin", view)
            direction = ball.ascent_direction(ops.convert_to_tensor(gradient))
            # From half of the radius down to a small part of it.
            size = 0.5 * epsilon * (1.0 - step / self.steps)
            x = project(ops.convert_to_tensor(x) + size * direction)
            x = np.asarray(ops.convert_to_numpy(x))
            if levels:  # Towards the clean image, to stay in the ball.
                steps = np.trunc((x - images) / level * (1 + 1e-5))
                x = (images + steps * level).astype("float32")
        return x

    def on_levels(self, images):
        """Tells whether images lie on the 256 levels of a byte."""
        levels = (images - self.threat.value_range[0]) / self.threat.width * 255
        return bool((np.abs(levels - np.round(levels)) < 1e-3).all())

    def _gradient_of(self, view, objective):
        key = id(view), objective
        if key not in self._runs:
            function = _OBJECTIVES[objective]

            def gradient(images, labels):
                return over_draws(
                    view,
                    lambda view: image_gradient(
                        view.frozen_logits,
                        lambda logits: function(logits, labels),
                        images,
                    ),
                )[:2]

            # With the view, whose identity is not given away again.
            self._runs[key] = view, compiled(gradient, view.variables)
        return self._runs[key][1]

    def _predict(self, images):
        if isinstance(self.victim, Classifier):
            return ops.convert_to_numpy(self.victim(images)[0])
        return ops.convert_to_numpy(self.victim.logits(images))


def margins(logits, labels):
    """Computes the lead of the true class, in NumPy float64."""
    logits = np.array(logits, "float64")
    rows = np.arange(len(labels))
    true = logits[rows, labels]
    logits[rows, labels] = -np.inf
    return true - logits.max(-1)


def is_iterative(attack):
    """Tells whether an attack takes many gradient steps to a given radius."""
    return _climbs(attack) and attack.steps > 1


def is_single_step(attack):
    """Tells whether an attack takes one gradient step."""
    return _climbs(attack) and attack.steps == 1


def is_black_box(attack):
    """Tells whether an attack uses no gradients of the model."""
    return attack.black_box


def is_white_box(attack):
    """Tells whether an attack uses gradients of the model."""
    return not attack.black_box


def _climbs(attack):
    plain = not attack.black_box and not attack.minimal
    return plain and isinstance(attack, (GradientAttack, SearchAttack))
