"""What else may explain that incomplete attention and success go together."""

import numpy as np
from scipy import stats

from keras_attn_defense.classifier import Classifier
from keras_attn_defense.classifier.predictor import Predictor


def controlled(network, test, result):
    """How completeness and success go together where other things are equal.

    Spearman's correlation, and the partial ones given the margin of the clean
    logits, the size of the object (to which the area is matched: chance alone
    covers large objects better), and both.

    Args:
        network: The network.
        test: Images, labels and boxes.
        result: The `StudyResult`.

    Returns:
        A dict of `r` and `p`; None if all images fare alike.
    """
    chosen = np.flatnonzero(result.correct)
    images, labels, boxes = (column[: len(result)][chosen] for column in test)
    samples = {k: v[chosen] for k, v in result.per_sample.items()}
    pair = [samples["completeness"], samples["success"]]
    if np.ptp(pair, axis=1).min() == 0:
        return None
    margin = _margins(network, images, labels)
    size = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    controls = {
        "nothing": [],
        "margin": [margin],
        "size": [size],
        "margin and size": [margin, size],
    }
    return {
        "completeness with margin": _correlation(pair[0], margin, []),
        "completeness with size": _correlation(pair[0], size, []),
        "size with success": _correlation(size, pair[1], []),
        **{
            f"completeness with success given {name}": _correlation(
                *pair, given
            )
            for name, given in controls.items()
        },
    }


def _margins(network, images, labels):
    """By how much the logit of the true class is above the others."""
    logits = Predictor(Classifier(network), 64).logits(images)
    rows = np.arange(len(labels))
    own = logits[rows, labels].copy()
    logits[rows, labels] = -np.inf
    return own - logits.max(-1)


def _correlation(first, second, given):
    """Spearman's partial correlation, and its p by Student's t."""
    first, second, *given = (
        stats.rankdata(values) for values in (first, second, *given)
    )
    known = np.stack([np.ones_like(first), *given], axis=-1)
    left = [
        values - known @ np.linalg.lstsq(known, values)[0]
        for values in (first, second)
    ]
    r = float(stats.pearsonr(*left).statistic)
    freedom = len(first) - 2 - len(given)
    t = r * np.sqrt(freedom / (1 - r**2))
    return {"r": r, "p": float(2 * stats.t.sf(abs(t), freedom))}
