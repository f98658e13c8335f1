"""Checks of the data: is it what the model was made for, and all of it?"""

import numpy as np
import scipy

_CHANCE = 0.05
_FEW = 3


def accuracy_at_chance(context):
    """Raised if the model does no better on clean images than guessing."""
    correct = context.records.correct
    total, classes = len(correct), context.victim.num_classes
    count = int(correct.sum())
    sentence = (
        f"{count} of {total} clean images are classified correctly; guessing "
        f"among {classes} classes gives {total / classes:.3g}."
    )
    # The chance that guessing gives as many, or more.
    luck = scipy.special.bdtrc(count - 1, total, 1 / classes) if count else 1.0
    if luck < _CHANCE:
        return False, sentence
    # Of a few images, a model halfway to perfect may have no more right.
    halfway = (1 + 1 / classes) / 2
    if scipy.special.bdtr(count, total, halfway) > _CHANCE / 5:
        raise ValueError(f"{sentence} These are too few images to tell.")
    return True, (
        f"{sentence} The model does not know these images: look at their "
        "value range and preprocessing (`value_range`, "
        "`kad.preprocessing.with_preprocessing`), and at the order of the "
        "classes."
    )


def classes_are_missing(context):
    """Raised if the images come from a small part of the classes."""
    labels, classes = context.records.labels, context.victim.num_classes
    found = len(np.unique(labels))
    sentence = f"The {len(labels)} images are of {found} of {classes} classes."
    if found * _FEW <= min(classes, len(labels)):
        return True, (
            f"{sentence} Their accuracy is not that of the whole data: data "
            "sets are often sorted by class. Shuffle it once, or give arrays, "
            "of which `limit` draws from each class alike."
        )
    return False, sentence
