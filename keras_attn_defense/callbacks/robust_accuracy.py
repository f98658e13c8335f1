"""Robust accuracy of a model that is measured repeatedly."""

from ..classifier import as_classifier
from ..classifier.predictor import Predictor
from ..data import CheckedBlocks
from ..evaluation.campaign import Campaign
from ..evaluation.progress import Progress
from ..evaluation.records import Records
from ..evaluation.state import State
from ..evaluation.suite import contenders
from .full_strength import at_full_strength


class RobustAccuracy:
    """Measures the share of images on which all attacks fail.

    It is the robust accuracy of `evaluate_robustness`, measured with compiled
    code that is kept and with the same random numbers each time.

    Args:
        model: The Keras classifier.
        images: NumPy images.
        labels: Their labels.
        attacks: A dict of attacks by name.
        threat: The `ThreatModel`, with one epsilon.
        batch_size: Number of images in one call of the model.
        seed: Integer seed of all attacks.
    """

    def __init__(
        self, model, images, labels, attacks, threat, batch_size, seed
    ):
        victim = as_classifier(model)
        blocks = CheckedBlocks(
            images, labels, len(images), None, victim, threat.value_range
        )
        self.model = model
        self._blocks = list(blocks)
        self._threat = threat
        self._suite = contenders(
            attacks, victim.num_classes, threat.value_range
        )
        for contender in self._suite:
            contender.attack.check(victim)
        self._predictor = Predictor(victim, batch_size)
        self._seed = seed

    def measure(self, verbose=0):
        """Attacks the model with its current weights.

        Args:
            verbose: `"auto"` or 1 for a progress bar, 2 for one line, 0 for
                silence.

        Returns:
            A number between 0 and 1.
        """
        # A single block: all images are in memory.
        (_, images, _) = self._blocks[0]
        records = Records(self._suite, self._threat)
        campaign = Campaign(
            self._predictor,
            records,
            State(None, {}),
            Progress(len(images), verbose),
            self._seed,
        )
        with at_full_strength([each.attack for each in self._suite]):
            campaign.run(self._blocks)
        (epsilon,) = self._threat.epsilons
        return float((records.worst_reach() > epsilon).mean())
