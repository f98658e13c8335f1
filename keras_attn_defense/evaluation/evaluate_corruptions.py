"""Accuracy on images that are noisy, blurred, snowed on or compressed."""

import zlib
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from .._arguments import check_count
from .._typing import Model
from .._typing import Tensor
from .._typing import ValueRange
from ..attacks.arguments import check_seed
from ..classifier import as_classifier
from ..classifier.predictor import Predictor
from ..data import CheckedBlocks
from ..data import from_channels_last
from ..data import number_of_images
from ..data import resolve_value_range
from ..data import to_channels_last
from .confidence import check_confidence
from .corruption_result import CorruptionResult
from .corruptions import CORRUPTIONS
from .corruptions import SEVERITIES
from .fingerprint import model_name
from .progress import check_verbose
from .sample import limited
from .sample import taken

_Corruption = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def evaluate_corruptions(
    model: Model,
    x: Any,
    y: Tensor | None = None,
    *,
    corruptions: Sequence[str] | Mapping[str, str | _Corruption] | None = None,
    severities: Sequence[int] = SEVERITIES,
    value_range: ValueRange | None = None,
    batch_size: int = 128,
    limit: int | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    name: str | None = None,
    dataset: str | None = None,
    verbose: int | str = "auto",
) -> CorruptionResult:
    """Measures accuracy under the common corruptions, at each severity.

    The fifteen are `gaussian_noise`, `shot_noise`, `impulse_noise`,
    `defocus_blur`, `glass_blur`, `motion_blur`, `zoom_blur`, `snow`, `frost`,
    `fog`, `brightness`, `contrast`, `elastic_transform`, `pixelate` and
    `jpeg_compression`, with the strengths of CIFAR-10-C; lengths in pixels
    grow with images of more than 32 pixels. They are written anew, and the
    ice of `frost` is drawn: compare models that were evaluated here, not with
    published numbers on the files of CIFAR-10-C or ImageNet-C.

    Args:
        model: A Keras classifier, or a function from images to logits.
        x: Images `(num, height, width, channels)`, NumPy or tensor, of one
            channel or three; or a data set of `(images, labels)` batches.
        y: Labels, if `x` are images: class indices or one-hot.
        corruptions: Their names; None takes all fifteen. Or a dict of names,
            or functions of your own, by name: of images
            `(N, height, width, channels)` from 0 to 1, the severity, and a
            `numpy.random.Generator`; they return such images.
        severities: Whole numbers from 1 to 5.
        value_range: `(lower, upper)` bounds of the images. None takes the
            model's `value_range`, or else `(0.0, 1.0)`.
        batch_size: Images in one call of the model.
        limit: Use only so many images: of arrays a sample, drawn with `seed`,
            in which each class keeps its share; of a data set the first ones.
            None uses all.
        seed: Integer seed of what corruptions draw, from 0 to 2**31 - 1. Two
            models see the same images.
        confidence: The probability that the intervals of accuracies cover.
        name: Name of the model. None takes the model's own.
        dataset: Name of the data.
        verbose: `"auto"` or 1 for a progress bar, 2 for one line, 0 for
            silence.

    Returns:
        A `CorruptionResult`.

    Raises:
        ValueError: If arguments, images or labels are not what is expected.

    Example:

    ```python
    result = kad.evaluation.evaluate_corruptions(
        model, x, y, corruptions=["fog", "pixelate"], verbose=0
    )
    result.accuracy["fog"]  # at each severity
    result.mean_corruption_error()
    result.summary()
    ```

    Reference:
        [Hendrycks and Dietterich, 2019](https://arxiv.org/abs/1903.12261).
    """
    victim = as_classifier(model)
    value_range = resolve_value_range(model, value_range)
    chosen = _functions(corruptions)
    severities = _checked_severities(severities)
    seed = check_seed(check_count("seed", seed, lowest=0))
    confidence = check_confidence(confidence)
    predictor = Predictor(victim, check_count("batch_size", batch_size))
    limit = None if limit is None else check_count("limit", limit)
    verbose = check_verbose(verbose)
    total = number_of_images(x, None)
    x, y, rows = limited(x, y, limit, seed)
    blocks = CheckedBlocks(x, y, 4 * batch_size, limit, victim, value_range)
    progress = keras.utils.Progbar(
        number_of_images(x, limit), verbose=verbose, unit_name="image"
    )
    clean = count = 0
    correct = {each: np.zeros(len(severities), int) for each in chosen}
    for block in blocks:
        clean += (predictor.classes(block.images) == block.labels).sum()
        for each, function in chosen.items():
            for place, severity in enumerate(severities):
                generator = np.random.default_rng(
                    [seed, zlib.crc32(each.encode()), severity, block.number]
                )
                corrupted = _in_range(function, each, value_range)(
                    block.images, severity, generator
                )
                right = predictor.classes(corrupted) == block.labels
                correct[each][place] += right.sum()
        count += len(block.labels)
        progress.add(len(block.labels))
    settings = {
        "model": name or model_name(victim.model),
        "dataset": dataset,
        "images": taken(count, total, limit, rows),
        "seed": seed,
        "confidence": confidence,
        "value_range": list(value_range),
        "batch_size": batch_size,
    }
    counts = {each: values.tolist() for each, values in correct.items()}
    return CorruptionResult(count, int(clean), severities, counts, settings)


def _in_range(function, name, value_range):
    """A corruption of images of any range, wherever their channels are."""
    lower, upper = value_range

    def corrupt(images, severity, generator):
        shares = to_channels_last(images).astype("float64") - lower
        shares /= upper - lower
        found = np.asarray(function(shares.copy(), severity, generator))
        if found.shape != shares.shape or not np.isfinite(found).all():
            raise ValueError(
                f"The corruption '{name}' should return finite images of the "
                f"shape {shares.shape}, as it receives them. Received: an "
                f"array of shape {found.shape} and type {found.dtype}."
            )
        found = lower + (upper - lower) * np.clip(found, 0.0, 1.0)
        return from_channels_last(found.astype("float32"))

    return corrupt


def _functions(corruptions):
    """Returns the corruptions by name."""
    if corruptions is None:
        return CORRUPTIONS
    if isinstance(corruptions, str):
        corruptions = [corruptions]
    if not isinstance(corruptions, Mapping):
        corruptions = {each: each for each in corruptions}
    if not corruptions:
        raise ValueError(
            "`corruptions` is empty. Name some, or pass None for all fifteen."
        )
    found = {}
    for name, each in corruptions.items():
        if not callable(each) and each not in CORRUPTIONS:
            raise ValueError(
                f"A corruption should be one of {list(CORRUPTIONS)}, or a "
                f"function in a dict. Received: {each!r}"
            )
        found[name] = each if callable(each) else CORRUPTIONS[each]
    return found


def _checked_severities(severities):
    try:
        found = [check_count("severities", each) for each in severities]
    except (TypeError, ValueError):
        found = []
    if not found or len(set(found)) < len(found) or max(found) > 5:
        raise ValueError(
            "`severities` should be different whole numbers from 1 to 5, such "
            f"as (1, 3, 5). Received: severities={severities!r}"
        )
    return found
