"""What checks look at: the results, and a few images to try things on."""

import contextlib

import numpy as np
from keras import ops

from ... import attacks as kad_attacks
from ...classifier import Classifier
from ..campaign import judge

# Images for extra attacks of the checks.
_SAMPLE = 64


class Context:
    """The evaluation as the checks see it.

    Args:
        predictor: The `Predictor` of the model, which judges success.
        records: The finished `Records`.
        images: The first block of images, in NumPy.
        labels: Its class indices.
        seed: Integer seed of extra attacks.
    """

    def __init__(self, predictor, records, images, labels, seed):
        self.victim = predictor.victim
        self.predictor = predictor
        self.records = records
        self.threat = records.threat
        self.seed = seed
        #: The first images, however they are classified.
        self.clean = images[:_SAMPLE]
        correct = records.correct[: len(images)]
        #: The positions of the sample: correctly classified images.
        self.where = np.flatnonzero(correct)[:_SAMPLE]
        self._images = images[self.where]
        self._labels = labels[self.where]
        self._runs = {}

    def sample(self):
        """Images that are classified correctly, and their class indices."""
        if not len(self._images):
            raise ValueError(
                "none of the first images is classified correctly."
            )
        return self._images, self._labels

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

    def contenders(self, kind):
        """The evaluated contenders for which `kind(attack)` holds."""
        return [c for c in self.records.contenders if kind(c.attack)]

    def iterative(self):
        """An attack of many gradient steps, of the evaluation if there is."""
        for contender in self.contenders(is_iterative):
            return contender.attack
        return self.build(kad_attacks.APGD, steps=20)

    def build(self, attack_class, **arguments):
        """An attack of the evaluation's norm, value range and seed."""
        return attack_class(
            norm=self.threat.norm,
            value_range=self.threat.value_range,
            seed=self.seed,
            **arguments,
        )

    def run(self, attack, epsilon):
        """Attacks the sample afresh.

        Args:
            attack: The attack.
            epsilon: The radius.

        Returns:
            Adversarial images in NumPy, and which of them fell.
        """
        key = id(attack), epsilon
        if key not in self._runs:
            images, labels = self.sample()
            radius = None if attack.minimal else epsilon
            at_epsilon = attack.with_epsilon(radius)
            at_epsilon.reseed(self.seed)
            size = self.predictor.batch_size
            result = at_epsilon.run(self.victim, images, labels, size)
            found = judge(
                self.predictor,
                self.threat,
                result.images,
                images,
                labels,
                radius,
                type(attack).__name__,
            )
            # With the attack, whose identity is not given away again.
            self._runs[key] = attack, result.images, found <= epsilon
        return self._runs[key][1:]

    def _predict(self, images):
        if isinstance(self.victim, Classifier):
            return ops.convert_to_numpy(self.victim(images)[0])
        return ops.convert_to_numpy(self.victim.logits(images))


def is_iterative(attack):
    """Whether an attack takes many gradient steps to a given radius."""
    return _climbs(attack) and attack.steps > 1


def is_single_step(attack):
    """Whether an attack takes one gradient step."""
    return _climbs(attack) and attack.steps == 1


def is_black_box(attack):
    """Whether an attack uses no gradients of the model."""
    return attack.black_box


def is_white_box(attack):
    """Whether an attack uses gradients of the model."""
    return not attack.black_box


def _climbs(attack):
    plain = not attack.black_box and not attack.minimal
    return plain and hasattr(attack, "steps")
