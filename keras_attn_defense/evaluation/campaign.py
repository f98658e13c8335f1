"""Runs every attack at every epsilon on one block of images after another."""

import itertools
import time
import zlib

import numpy as np

from .._backend import NoGradientError
from .fingerprint import data_checksum


class Campaign:
    """Attacks blocks and writes down who fell.

    Epsilons come in ascending order. An image that an attack made fall is not
    attacked by it again at a larger one, whose ball contains the smaller.

    Args:
        predictor: The `Predictor` of the model, which judges success.
        records: The `Records` to fill.
        state: The `State` to save them in.
        progress: The `Progress` to show.
        seed: Integer; every attack's seed follows from it and its place.
    """

    def __init__(self, predictor, records, state, progress, seed):
        self.predictor = predictor
        self.records = records
        self.state = state
        self.progress = progress
        self.seed = seed
        self.threat = records.threat
        self.units = list(
            itertools.product(
                range(len(self.threat.epsilons)),
                range(len(records.contenders)),
            )
        )

    def run(self, blocks):
        """Attacks all images, or what an earlier run left of them.

        Args:
            blocks: Yields the position of a block's first image in the data,
                its images and its class indices, in NumPy.
        """
        for block, (first, images, labels) in enumerate(blocks):
            self._open(block, first, images, labels)
            self._run_block(block, first, images, labels)
        self.state.finish(self.records, first + len(images))

    def _open(self, block, first, images, labels):
        checksum = data_checksum(images, labels)
        if block < len(self.records.checksums):
            self.state.check_block(self.records, block, checksum)
            return
        self.state.check_open(self.records)
        predictions = self.predictor.classes(images)
        if (predictions < 0).any():
            raise ValueError(
                "The model answers NaN for the clean image "
                f"{first + predictions.argmin()} of the data."
            )
        self.records.open_block(images, labels, predictions, checksum)

    def _run_block(self, block, first, images, labels):
        records, count = self.records, len(self.units)
        done = np.clip(records.units - block * count, 0, count)
        for number, unit in enumerate(self.units[done:], done + 1):
            name = records.contenders[unit[1]].name
            if name not in records.skipped:
                try:
                    self._attack(block, first, images, labels, *unit)
                except NoGradientError as error:
                    self._skip(name, error)
            records.units += 1
            self.state.save(records)
            self.progress.update(
                first + len(images) * number / count,
                records,
                self.threat.epsilons[unit[0]],
            )

    def _attack(self, block, first, images, labels, index, row):
        records, threat = self.records, self.threat
        contender, epsilon = records.contenders[row], threat.epsilons[index]
        rows = slice(first, first + len(images))
        standing = records.cascade_reach(contender)[rows] > epsilon
        if contender.attack.minimal and index:
            standing[:] = False  # It found what it could at the first.
        column = records.column(contender, epsilon)
        records.carry_images(contender, epsilon, rows)
        if not standing.any():
            return
        radius = None if self._wants_distances(contender) else epsilon
        attack = contender.attack.with_epsilon(radius)
        attack.reseed(self._seed(contender.name, index, block))
        start = time.perf_counter()
        result = attack.run(
            self.predictor.victim,
            images[standing],
            labels[standing],
            self.predictor.batch_size,
        )
        records.work[row, index] += (
            standing.sum(),
            result.forward_passes.sum(),
            result.backward_passes.sum(),
            time.perf_counter() - start,
        )
        found = judge(
            self.predictor,
            threat,
            result.images,
            images[standing],
            labels[standing],
            radius,
            contender.name,
        )
        where = first + np.flatnonzero(standing)
        records.fall(contender, where, found)
        if column in records.images:
            records.images[column][where] = result.images

    def _skip(self, name, error):
        """Goes on without an attack that needs a gradient that is not there."""
        records = self.records
        records.skipped[name] = str(error)
        if not records.ran:
            raise ValueError(
                f"{error} No attack of this evaluation works without "
                "gradients: add one that does, such as "
                "attacks=['square'], or one that crafts its images on "
                "another model, `kad.attacks.EnsembleAttack`."
            ) from None

    def _wants_distances(self, contender):
        # Of a cascade at one radius only success is asked, which is cheaper.
        part = contender.cascade != contender.name
        alone = part and len(self.threat.epsilons) == 1
        return contender.attack.minimal and not alone

    def _seed(self, name, index, block):
        place = [self.seed, zlib.crc32(name.encode()), index, block]
        (state,) = np.random.SeedSequence(place).generate_state(1)
        return int(state) % 2**31  # PyTorch's seeds have a sign.


def judge(predictor, threat, adversarial, images, labels, epsilon, name):
    """The distance at which each image was made to fall, infinite if not.

    Args:
        predictor: The `Predictor`.
        threat: The `ThreatModel`.
        adversarial: What the attack returned.
        images: The clean images.
        labels: Their class indices.
        epsilon: The radius, or None for an attack without one.
        name: The attack's name.
    """
    threat.check(adversarial, images, epsilon, name)
    distances = threat.distances(adversarial, images)
    if epsilon is not None:  # More than it is rounding, as was checked.
        distances = np.minimum(distances, epsilon)
    distances = threat.without_rounding(distances)
    fallen = predictor.classes(adversarial) != labels
    return np.where(fallen, distances, np.inf)
