"""Accuracies and costs, from what is known of each image."""

from typing import NamedTuple

import numpy as np

from .confidence import accuracy_interval
from .records import ATTACKED
from .records import BACKWARD
from .records import FORWARD
from .records import SECONDS


class AccuracyRow(NamedTuple):
    """One row of a report.

    Args:
        attack: The attack's name; `"clean"` for none, `"worst case"` for all.
        epsilon: The radius; 0.0 for clean images.
        accuracy: Share of all images that are classified correctly, also under
            the attack.
        interval: Its confidence interval `(low, high)`.
        mean_distance: Mean norm of the successful perturbations; images that
            are misclassified without one do not count. None without success.
        median_distance: Their median.
        attacked: Number of images that were attacked.
        forward_passes: Passes through the model, the mean of those attacked.
        backward_passes: Gradients, the mean of those attacked.
        seconds: Time, compilation included.

    Example:

    ```python
    report = kad.evaluate_robustness(model, x, y, attacks="fgsm", verbose=0)
    clean = report.rows[0]
    assert (clean.attack, clean.epsilon, clean.accuracy) == ("clean", 0.0, 1.0)
    ```
    """

    attack: str
    epsilon: float
    accuracy: float
    interval: tuple
    mean_distance: float | None = None
    median_distance: float | None = None
    attacked: int = 0
    forward_passes: float = 0.0
    backward_passes: float = 0.0
    seconds: float = 0.0


def accuracy_rows(records, confidence):
    """Returns the rows of a report: clean, then epsilon by epsilon.

    Args:
        records: The finished `Records`.
        confidence: The probability that the intervals cover.
    """
    rows = [_row("clean", 0.0, records.correct, confidence)]
    for index, epsilon in enumerate(records.threat.epsilons):
        for place, entry in enumerate(records.entries):
            if entry.name in records.skipped:
                continue
            success = records.success(entry, index)
            rows.append(
                _row(
                    entry.name,
                    epsilon,
                    ~success,
                    confidence,
                    **_distances(records.group_min_distance(entry), success),
                    **_work(records.work[place, index]),
                )
            )
        distance = records.worst_case_distance()
        success = distance <= epsilon
        rows.append(
            _row(
                "worst case",
                epsilon,
                ~success,
                confidence,
                **_distances(distance, success),
                **_work(_together(records.work[:, index])),
            )
        )
    return rows


def rows_by_class(records, confidence):
    """Returns rows as in a report for each class, a dict by class index.

    Args:
        records: The finished `Records`.
        confidence: The probability that the intervals cover.
    """
    masks = {("clean", 0.0): records.correct}
    for index, epsilon in enumerate(records.threat.epsilons):
        for entry in records.ran:
            masks[entry.name, epsilon] = ~records.success(entry, index)
        masks["worst case", epsilon] = records.is_robust(epsilon)
    return {
        int(label): [
            _row(*key, mask[records.labels == label], confidence)
            for key, mask in masks.items()
        ]
        for label in np.unique(records.labels)
    }


def _row(attack, epsilon, is_robust, confidence, **more):
    robust, total = int(is_robust.sum()), len(is_robust)
    interval = accuracy_interval(robust, total, confidence)
    return AccuracyRow(attack, epsilon, robust / total, interval, **more)


def _distances(distance, success):
    # Images that are wrong from the start have the distance zero.
    moved = distance[success & (distance > 0)]
    if not len(moved):
        return {}
    return {
        "mean_distance": float(moved.mean()),
        "median_distance": float(np.median(moved)),
    }


def _together(works):
    """The work of all attacks, on those images that any of them attacked."""
    # Passes and seconds add up. Every attack meets the same images, or those
    # that are left of them: the largest number is that of all.
    together = works.sum(0)
    together[ATTACKED] = works[:, ATTACKED].max()
    return together


def _work(work):
    attacked = max(work[ATTACKED], 1)
    return {
        "attacked": int(work[ATTACKED]),
        "forward_passes": float(work[FORWARD] / attacked),
        "backward_passes": float(work[BACKWARD] / attacked),
        "seconds": float(work[SECONDS]),
    }
