"""Radii inside which no perturbation changes the class, by added noise."""

from typing import Any

import keras
import numpy as np
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._backend import compiled
from .._typing import Model
from .._typing import Tensor
from .._typing import ValueRange
from ..attacks.arguments import check_seed
from ..classifier import as_classifier
from ..data import CheckedBlocks
from ..data import number_of_images
from ..data import resolve_value_range
from .certificate import Certificate
from .confidence import check_confidence
from .fingerprint import model_name
from .progress import check_verbose
from .sample import limited
from .sample import taken

_BLOCK = 128


def certify(
    model: Model,
    x: Any,
    y: Tensor | None = None,
    *,
    sigma: float | None = None,
    n0: int = 100,
    n: int = 10_000,
    alpha: float = 0.001,
    value_range: ValueRange | None = None,
    batch_size: int = 500,
    limit: int | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    name: str | None = None,
    dataset: str | None = None,
    verbose: int | str = "auto",
) -> Certificate:
    """Certifies l2 radii by randomized smoothing.

    The smoothed classifier answers the class that the model gives most often
    to an image with normal noise. `n0` noisy copies choose a class, and `n`
    others give a lower bound on how often the model answers it. With that
    probability `p` of at least one half, no perturbation of an l2 length below
    `sigma * quantile(p)`, with the quantile of the normal distribution,
    changes the answer of the smoothed classifier, whatever the attack. Below
    one half it abstains.

    What is certified is the smoothed classifier, not the model itself. The
    paper trains with the same noise, so that the model is right under it: put
    `keras.layers.GaussianNoise(sigma)` in front of it in training.

    Args:
        model: A Keras classifier, or a function from images to logits.
        x: Images `(num, height, width, channels)`, NumPy or tensor; or a data
            set of `(images, labels)` batches.
        y: Labels, if `x` are images: class indices or one-hot.
        sigma: The standard deviation of the noise, in the units of the images.
            None takes a quarter of the value range. Noisy images are not
            clipped to the range.
        n0: Noisy copies of an image that choose its class.
        n: Noisy copies that count how often the model answers that class. The
            largest radius that can be certified grows with it: 3.0 times
            `sigma` with 5,000, 3.2 times with 10,000, 3.8 times with the
            100,000 of the paper.
        alpha: The probability, for each image, that what is certified is
            wrong; above 0 and at most 0.5.
        value_range: `(lower, upper)` bounds of the images. None takes the
            model's `value_range`, or else `(0.0, 1.0)`.
        batch_size: Noisy images in one call of the model.
        limit: Use only so many images: of arrays a sample, drawn with `seed`,
            in which each class keeps its share; of a data set the first ones.
            None uses all.
        seed: Integer seed of the noise, from 0 to 2**31 - 1.
        confidence: The probability that the intervals of accuracies cover.
        name: Name of the model. None takes the model's own.
        dataset: Name of the data.
        verbose: `"auto"` or 1 for a progress bar, 2 for one line, 0 for
            silence.

    Returns:
        A `Certificate`.

    Raises:
        ValueError: If arguments, images or labels are not what is expected.

    Example:

    ```python
    result = kad.evaluation.certify(model, x, y, sigma=0.25, n=200, verbose=0)
    result.certified_accuracy(0.5)  # share that is right up to this l2 radius
    result.summary()
    ```

    Reference:
        CERTIFY of [Cohen et al., 2019](https://arxiv.org/abs/1902.02918).
    """
    victim = as_classifier(model)
    value_range = resolve_value_range(model, value_range)
    if sigma is None:
        sigma = (value_range[1] - value_range[0]) / 4
    settings = {
        "sigma": check_number("sigma", sigma, above=True),
        "n0": check_count("n0", n0),
        "n": check_count("n", n),
        "alpha": check_number("alpha", alpha, 0.0, 0.5, above=True),
        "seed": check_seed(check_count("seed", seed, lowest=0)),
        "confidence": check_confidence(confidence),
        "value_range": list(value_range),
        "batch_size": check_count("batch_size", batch_size),
        "model": name or model_name(victim.model),
        "dataset": dataset,
    }
    verbose = check_verbose(verbose)
    limit = None if limit is None else check_count("limit", limit)
    total = number_of_images(x, None)
    x, y, rows = limited(x, y, limit, seed)
    blocks = CheckedBlocks(x, y, _BLOCK, limit, victim, value_range)
    voters = _Voters(victim, settings["sigma"], batch_size, seed)
    progress = keras.utils.Progbar(
        number_of_images(x, limit), verbose=verbose, unit_name="image"
    )
    labels, classes, votes = [], [], []
    for block in blocks:
        for image, label in zip(block.images, block.labels, strict=True):
            chosen = int(voters.count(image, n0).argmax())
            labels.append(label)
            classes.append(chosen)
            votes.append(voters.count(image, n)[chosen])
            progress.add(1)
    index = np.arange(len(labels)) if rows is None else rows
    settings["images"] = taken(len(labels), total, limit, rows)
    columns = {
        "index": index,
        "label": labels,
        "class": classes,
        "votes": votes,
    }
    return Certificate(
        {key: np.asarray(each, "int64") for key, each in columns.items()},
        settings,
    )


class _Voters:
    """Asks a classifier about noisy copies of an image.

    Args:
        victim: A classifier view.
        sigma: The standard deviation of the noise.
        batch_size: Copies in one call.
        seed: Integer seed.
    """

    def __init__(self, victim, sigma, batch_size, seed):
        self._size = batch_size
        noise = keras.random.SeedGenerator(seed)

        def count(image, used):
            shape = (batch_size, *image.shape)
            added = keras.random.normal(shape, stddev=sigma, seed=noise)
            logits = victim.logits(image[None] + added)
            answered = ~ops.any(ops.isnan(logits), axis=-1)
            counts = answered & (ops.arange(batch_size) < used)
            votes = ops.one_hot(ops.argmax(logits, -1), logits.shape[-1])
            votes = ops.where(counts[:, None], votes, 0.0)
            return ops.sum(votes, axis=0)

        self._count = compiled(count, [*victim.variables, noise.state])

    def count(self, image, number):
        """Counts how often each class is answered to copies, `(classes,)`.

        Answers of NaN count for no class.
        """
        image = ops.convert_to_tensor(image)
        votes = 0
        for first in range(0, number, self._size):
            used = np.int32(min(number - first, self._size))
            counted = self._count(image, ops.convert_to_tensor(used))
            votes = votes + ops.convert_to_numpy(counted).astype("int64")
        return votes
