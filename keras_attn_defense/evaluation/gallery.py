"""A sample of images, with what a model makes of them under each attack."""

from typing import NamedTuple

import keras
import numpy as np
import scipy

from ..data import padded_batches
from ..data import to_numpy
from ..visualization.explainer import Explainer
from .records import CLEAN


class Answers(NamedTuple):
    """What a model answers to images, one entry for each.

    Args:
        predictions: The predicted classes `(N,)`.
        confidences: Their probabilities `(N,)`.
        margins: The logit of the true class minus the largest other `(N,)`;
            below 0 where the prediction is wrong.
        maps: Attention maps for the true class `(N, height, width)`, or None
            where the model has none.
        overlaps: Intersection over union of the attention area with that of
            the clean image `(N,)`, or None.

    Example:

    ```python
    report = kad.evaluate_robustness(
        model, x, y, attacks="fgsm", gallery=4, verbose=0
    )
    assert (report.gallery.clean.overlaps == 1).all()
    ```
    """

    predictions: np.ndarray
    confidences: np.ndarray
    margins: np.ndarray
    maps: np.ndarray | None
    overlaps: np.ndarray | None


class Gallery(NamedTuple):
    """A sample of an evaluation's images, before and after each attack.

    Each image has the same chance to be drawn, whether it falls or holds.

    Args:
        rows: The places of the images in the evaluation `(N,)`.
        labels: Their class indices `(N,)`.
        images: The clean images `(N, height, width, channels)`.
        clean: The `Answers` to them.
        adversarial: Attacked images of the same shape, a dict by
            `<attack>@<epsilon>`.
        attacked: The `Answers` to these, a dict by the same.
        attention: The name of the attention method; None without maps.
        note: Why there are no maps; None with maps.

    Example:

    ```python
    report = kad.evaluate_robustness(
        model, x, y, attacks="fgsm", epsilons=[0.1], gallery=4, verbose=0
    )
    report.gallery.adversarial["fgsm@0.1"]  # (4, 16, 16, 3)
    ```
    """

    rows: np.ndarray
    labels: np.ndarray
    images: np.ndarray
    clean: Answers
    adversarial: dict[str, np.ndarray]
    attacked: dict[str, Answers]
    attention: str | None
    note: str | None


def make_gallery(model, predictor, records):
    """Returns the `Gallery` of an evaluation, or None if none was asked for.

    Args:
        model: The model, function or view that was evaluated.
        predictor: The `Predictor` of it.
        records: The finished `Records`.
    """
    kept = records.kept["gallery"]
    if not kept.columns:
        return None
    adversarial = dict(kept.images)
    images, labels = adversarial.pop(CLEAN), records.labels[kept.rows]
    adversarial = {
        column: adversarial[column]
        for entry in records.ran
        for epsilon in records.threat.epsilons
        for column in [records.column(entry, epsilon)]
    }
    answer = _Answer(model, predictor, images, labels, records.threat)
    return Gallery(
        kept.rows,
        labels,
        images,
        answer(images),
        adversarial,
        {name: answer(attacked) for name, attacked in adversarial.items()},
        answer.attention,
        answer.note,
    )


class _Answer:
    """Asks a model about changed versions of some images.

    Args:
        model: The model, function or view.
        predictor: The `Predictor` of it.
        images: The clean images.
        labels: Their class indices.
        threat: The `ThreatModel`.
    """

    def __init__(self, model, predictor, images, labels, threat):
        self._predictor = predictor
        self._labels = labels
        self._explainer = self._clean_maps = self.attention = self.note = None
        if not isinstance(model, keras.Model):
            self.note = "It is no Keras model: it has no layers to look into."
            return
        self._explainer = Explainer(
            model, images, labels, value_range=threat.value_range
        )
        try:
            self._clean_maps = self._maps(images)
        except ValueError as error:  # Such as a model without feature maps.
            self._explainer, self.note = None, str(error)
            return
        self.attention = type(self._explainer.attention).__name__

    def __call__(self, images):
        """Returns the `Answers` to images."""
        logits = self._predictor.logits(images).astype("float64")
        rows = np.arange(len(logits))
        own = logits[rows, self._labels]
        # Without its own logit, the largest is that of the strongest other
        # class. It is put back, as the probabilities need it.
        logits[rows, self._labels] = -np.inf
        margins = own - logits.max(-1)
        logits[rows, self._labels] = own
        probabilities = scipy.special.softmax(logits, axis=-1)
        return Answers(
            logits.argmax(-1),
            probabilities.max(-1),
            margins,
            *self._attention(images),
        )

    def _attention(self, images):
        if self._explainer is None:
            return None, None
        maps = self._maps(images)
        return maps, self._explainer.overlap(self._clean_maps, maps)

    def _maps(self, images):
        size, pieces = self._predictor.batch_size, []
        for rows, batch in padded_batches(images, self._labels, size=size):
            maps = to_numpy(self._explainer(*batch).maps)
            pieces.append(maps[: rows.stop - rows.start])
        return np.concatenate(pieces)
