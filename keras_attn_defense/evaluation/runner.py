"""Runs every attack at every epsilon on one block of images after another."""

import functools
import itertools
import time
import zlib

import numpy as np

from .._arguments import check_count
from .._backend import NoGradientError
from ..classifier import as_classifier
from ..classifier.predictor import Predictor
from ..data import CheckedBlocks
from ..data import resolve_value_range
from .attack_entries import attack_entries
from .attack_entries import common_epsilon
from .attack_entries import named_attacks
from .fingerprint import data_checksum
from .progress import Progress
from .progress import check_verbose
from .records import Records
from .state import State
from .threat_model import ThreatModel
from .threat_model import check_epsilons


class EvaluationRunner:
    """Attacks blocks of images and records which attacks succeed.

    A job is one attack at one epsilon on one block. Epsilons come in ascending
    order: an image on which an attack succeeded is not attacked by it again at
    a larger epsilon, whose ball contains the smaller one. Built once, it can
    run as often as the model changes its weights; compiled code is kept.

    Args:
        model: A Keras classifier, a function or a classifier view.
        attacks: As in `evaluate_robustness`.
        epsilons: The radii: a number, several, or None for the radius that
            the attacks carry or the usual one.
        norm: The norm.
        value_range: `(lower, upper)` bounds of the images, or None.
        batch_size: Images in one call of the model.
        seed: Integer; every attack's seed follows from it and its place.
        keep_images: Whether to keep the adversarial images.
        gallery: The number of images to keep for the pictures of a page.
        verbose: `"auto"` or 1 for a progress bar, 2 for one line, 0 for
            silence.
    """

    def __init__(
        self,
        model,
        attacks,
        epsilons=None,
        *,
        norm,
        value_range,
        batch_size,
        seed,
        keep_images=False,
        gallery=0,
        verbose=0,
    ):
        self.model = model
        self.victim = as_classifier(model)
        self.predictor = Predictor(
            self.victim, check_count("batch_size", batch_size)
        )
        self.seed = seed
        self.keep_images = keep_images
        self.gallery = gallery
        self.verbose = check_verbose(verbose)
        self._attacks = named_attacks(attacks, norm, seed)
        value_range = resolve_value_range(model, value_range)
        if epsilons is None:
            epsilons = common_epsilon(self._attacks)
        epsilons = check_epsilons(epsilons, norm, value_range)
        self.threat = ThreatModel(norm, epsilons, value_range)

    def blocks(self, x, y, size, limit=None):
        """Returns the data in blocks, checked against the model.

        Args:
            x: Images, or a data set of `(images, labels)` batches.
            y: Labels, if `x` are images.
            size: Images of a block.
            limit: The number of images after which to stop, or None.
        """
        value_range = self.threat.value_range
        return CheckedBlocks(x, y, size, limit, self.victim, value_range)

    @functools.cached_property
    def entries(self):
        """The attacks, checked. A function needs `blocks` first.

        The number of classes of a function is known once it was called.
        """
        entries = attack_entries(
            self._attacks, self.victim.num_classes, self.threat.value_range
        )
        for entry in entries:
            entry.attack.with_epsilon(self.threat.epsilons[0]).check(
                self.victim
            )
        return entries

    def run(self, blocks, total=None, state=None):
        """Attacks all images, or what an earlier run left of them.

        Args:
            blocks: Yields the position of a block's first image in the data,
                its images and its class indices, in NumPy.
            total: The number of images, for the progress bar, if known.
            state: The `State` to continue from and to save to, or None.

        Returns:
            The filled `Records`.
        """
        records = Records(
            self.entries,
            self.threat,
            self.keep_images,
            self.gallery,
            self.seed,
        )
        state = state or State(None, {})
        state.load(records)
        progress = Progress(total, self.verbose)
        for block, (first, images, labels) in enumerate(blocks):
            self._open(records, state, block, first, images, labels)
            self._run_jobs(
                records, state, progress, block, first, images, labels
            )
        state.finish(records, first + len(images))
        progress.finish(records)
        return records

    def _open(self, records, state, block, first, images, labels):
        """Predicts a block, unless an earlier run has done so."""
        checksum = data_checksum(images, labels)
        if block < len(records.checksums):
            state.check_block(records, block, checksum)
            return
        state.check_open(records)
        predictions = self.predictor.classes(images)
        if (predictions < 0).any():
            raise ValueError(
                "The model answers NaN for the clean image "
                f"{first + predictions.argmin()} of the data."
            )
        records.open_block(images, labels, predictions, checksum)

    def _run_jobs(self, records, state, progress, block, first, images, labels):
        epsilons = self.threat.epsilons
        jobs = list(itertools.product(range(len(epsilons)), self.entries))
        count = len(jobs)
        done = np.clip(records.jobs_done - block * count, 0, count)
        for number, (index, entry) in enumerate(jobs[done:], done + 1):
            if entry.name not in records.skipped:
                try:
                    self._attack(
                        records, entry, index, block, first, images, labels
                    )
                except NoGradientError as error:
                    _skip(records, entry.name, error)
            records.jobs_done += 1
            state.save(records)
            progress.update(
                first + len(images) * number / count, records, epsilons[index]
            )

    def _attack(self, records, entry, index, block, first, images, labels):
        epsilon = self.threat.epsilons[index]
        rows = slice(first, first + len(images))
        left = records.group_min_distance(entry)[rows] > epsilon
        if entry.attack.minimal and index:
            left[:] = False  # It found what it could at the first radius.
        column = records.column(entry, epsilon)
        records.copy_previous_images(entry, epsilon, rows)
        if not left.any():
            return
        radius = None if self._needs_distances(entry) else epsilon
        attack = entry.attack.with_epsilon(radius)
        attack.reseed(self._seed(entry.name, index, block))
        start = time.perf_counter()
        result = attack.run(
            self.victim,
            images[left],
            labels[left],
            self.predictor.batch_size,
        )
        records.work[self.entries.index(entry), index] += (
            left.sum(),
            result.forward_passes.sum(),
            result.backward_passes.sum(),
            time.perf_counter() - start,
        )
        distances = success_distances(
            self.predictor,
            self.threat,
            result.images,
            images[left],
            labels[left],
            radius,
            entry.name,
        )
        where = first + np.flatnonzero(left)
        records.add_distances(entry, where, distances)
        records.put_images(column, where, result.images)

    def _needs_distances(self, entry):
        # Of a group at one radius only success is asked, which is cheaper.
        is_part = entry.group != entry.name
        only_success = is_part and len(self.threat.epsilons) == 1
        return entry.attack.minimal and not only_success

    def _seed(self, name, index, block):
        place = [self.seed, zlib.crc32(name.encode()), index, block]
        (state,) = np.random.SeedSequence(place).generate_state(1)
        return int(state) % 2**31  # PyTorch's seeds have a sign.


def success_distances(
    predictor, threat, adversarial, images, labels, epsilon, name
):
    """Returns the distance of each success by a fresh prediction, or infinity.

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
    success = predictor.classes(adversarial) != labels
    return np.where(success, distances, np.inf)


def _skip(records, name, error):
    """Leaves out an attack that needs a gradient the model does not have."""
    records.skipped[name] = str(error)
    if not records.ran:
        raise ValueError(
            f"{error} No attack of this evaluation works without "
            "gradients: add one that does, such as "
            "attacks=['square'], or one that crafts its images on "
            "another model, `kad.attacks.EnsembleAttack`."
        ) from None
