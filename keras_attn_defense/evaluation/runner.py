"""Runs every attack at every epsilon on one block of images after another."""

import contextlib
import functools
import itertools
import time
import zlib

import numpy as np
from keras import ops

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
from .record_book import RecordBook
from .state import State
from .threat_model import ThreatModel
from .threat_model import check_epsilons
from .workers import InThisProcess
from .workers import Task


class EvaluationRunner:
    """Attacks blocks of images and records which attacks succeed.

    A job is one attack at one epsilon on one block. Its random numbers follow
    from these three, so that it does not matter who does it, or when. Epsilons
    come in ascending order: an image on which an attack succeeded is not
    attacked by it again at a larger epsilon, whose ball contains the smaller
    one. Built once, it can run as often as the model changes its weights;
    compiled code is kept.

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

    def __reduce__(self):
        arguments = {
            "norm": self.threat.norm,
            "value_range": self.threat.value_range,
            "batch_size": self.predictor.batch_size,
            "seed": self.seed,
            "keep_images": self.keep_images,
            "gallery": self.gallery,
        }
        build = functools.partial(EvaluationRunner, **arguments)
        return build, (self.model, self._attacks, self.threat.epsilons)

    def blocks(self, x, y, size, limit=None, shard=None):
        """Returns the data in blocks, checked against the model.

        Args:
            x: Images, or a data set of `(images, labels)` batches.
            y: Labels, if `x` are images.
            size: Images of a block.
            limit: The number of images after which to stop, or None.
            shard: `(index, count)`, or None for all blocks.
        """
        value_range = self.threat.value_range
        return CheckedBlocks(x, y, size, limit, self.victim, value_range, shard)

    def try_out(self, images):
        """Calls a function that was not called yet, which tells its classes.

        Args:
            images: Images in NumPy.
        """
        if self.victim.num_classes is None:
            self.victim.check_logits(ops.convert_to_tensor(images[:8]))

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

    def book(self):
        """Returns an empty `RecordBook`."""
        return RecordBook(
            self.entries,
            self.threat,
            self.keep_images,
            self.gallery,
            self.seed,
        )

    def run(
        self, blocks, total=None, state=None, fingerprint=None, workers=None
    ):
        """Attacks all images, or what an earlier run left of them.

        Args:
            blocks: Yields `Block`s.
            total: The number of images, for the progress bar, if known.
            state: The `State` to continue from and to save to, or None.
            fingerprint: With a state, what it has to belong to.
            workers: The `Workers`, or None for this process.

        Returns:
            The filled `Records`.
        """
        book, state = self.book(), state or State()
        state.load(book, fingerprint or {})
        progress = Progress(total, self.verbose)
        seen = []
        tasks = self._tasks(blocks, book, state, seen)
        results = (workers or InThisProcess()).attack(self, tasks)
        with contextlib.closing(results):  # Workers end with this process.
            for number, records in results:
                book.note(number, records)
                state.save(book)
                index = (records.jobs_done - 1) // len(self.entries)
                progress.update(book, self.threat.epsilons[index])
        state.finish(book, sum(seen))
        progress.finish(len(book))
        return book.joined()

    def _tasks(self, blocks, book, state, seen):
        """Yields what is left to do, and notes how many images there are."""
        for block in blocks:
            seen.append(len(block.images))
            checksum = data_checksum(block.images, block.labels)
            records = book.parts.get(block.number)
            if records is None:
                state.check_new(block, book)
            else:
                state.check_known(records, block, checksum)
            if records is None or records.jobs_done < book.jobs:
                yield Task(block, checksum, records, book.skipped)

    def attacked(self, task):
        """Attacks a block, and yields its `Records` after each job.

        Args:
            task: The `Task`.
        """
        records = task.records or self._begun(task)
        records.skipped |= task.skipped
        epsilons = self.threat.epsilons
        jobs = itertools.product(range(len(epsilons)), self.entries)
        for index, entry in itertools.islice(jobs, records.jobs_done, None):
            if entry.name not in records.skipped:
                try:
                    self._attack(records, entry, index, task.block)
                except NoGradientError as error:
                    _skip(records, entry.name, error)
            records.jobs_done += 1
            yield records

    def _begun(self, task):
        """Predicts a block."""
        block = task.block
        predictions = self.predictor.classes(block.images)
        if (predictions < 0).any():
            raise ValueError(
                "The model answers NaN for the clean image "
                f"{block.first + predictions.argmin()} of the data."
            )
        return self.book().begun(block, predictions, task.checksum)

    def _attack(self, records, entry, index, block):
        epsilon = self.threat.epsilons[index]
        left = records.group_min_distance(entry) > epsilon
        if entry.attack.minimal and index:
            left[:] = False  # It found what it could at the first radius.
        column = records.column(entry, epsilon)
        records.copy_previous_images(entry, epsilon)
        if not left.any():
            return
        radius = None if records.measures(entry) else epsilon
        attack = entry.attack.with_epsilon(radius)
        attack.reseed(self._seed(entry.name, index, block.number))
        images, labels = block.images[left], block.labels[left]
        start = time.perf_counter()
        result = attack.run(
            self.victim, images, labels, self.predictor.batch_size
        )
        records.work[self.entries.index(entry), index] += (
            left.sum(),
            result.forward_passes.sum(),
            result.backward_passes.sum(),
            time.perf_counter() - start,
        )
        distances, classes = judged(
            self.predictor,
            self.threat,
            result.images,
            images,
            labels,
            radius,
            entry.name,
        )
        where = np.flatnonzero(left)
        records.add_successes(entry, where, distances, classes)
        records.put_images(column, where, result.images)

    def _seed(self, name, index, block):
        place = [self.seed, zlib.crc32(name.encode()), index, block]
        (state,) = np.random.SeedSequence(place).generate_state(1)
        return int(state) % 2**31  # PyTorch's seeds have a sign.


def judged(predictor, threat, adversarial, images, labels, epsilon, name):
    """Predicts adversarial images afresh, and measures how far they are.

    Args:
        predictor: The `Predictor`.
        threat: The `ThreatModel`.
        adversarial: What the attack returned.
        images: The clean images.
        labels: Their class indices.
        epsilon: The radius, or None for an attack without one.
        name: The attack's name.

    Returns:
        `(distances, classes)`: the distance of each image, infinite where the
        prediction is right, and the predicted class.
    """
    threat.check(adversarial, images, epsilon, name)
    distances = threat.distances(adversarial, images)
    if epsilon is not None:  # More than it is rounding, as was checked.
        distances = np.minimum(distances, epsilon)
    distances = threat.without_rounding(distances)
    classes = predictor.classes(adversarial)
    return np.where(classes != labels, distances, np.inf), classes


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
