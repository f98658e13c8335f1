"""A study of the paper's two observations, for any classifier and data."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from .._arguments import check_count
from .._typing import Tensor
from .._typing import ValueRange
from ..adapters import from_function
from ..attacks import BIM
from ..attacks import Attack
from ..attacks import get
from ..attention import AttentionMask
from ..attention import AttentionMethod
from ..classifier import Classifier
from ..classifier.predictor import Predictor
from ..classifier.predictor import predicted_classes
from ..data import blocks
from ..data import check_images
from ..data import check_labels
from ..data import image_size
from ..data import number_of_images
from ..data import object_masks
from ..data import resolve_value_range
from ..visualization.explainer import check_attack
from ..visualization.explainer import in_range
from ..visualization.explainer import named_attention
from .default_attention import default_attention
from .measurements import Measurements
from .study_result import StudyResult


class AttentionStudy:
    """Compares the attention of images with successful and failed attacks.

    Two observations are tested on the images that are classified correctly:
    attacks succeed first on those whose attention is incomplete, and
    successful attacks move the attention further and scatter it more than
    failed ones. All maps are taken for the true class. It is a study of
    associations, not of causes.

    Args:
        model: A Keras classifier, or an `AttentionDefendedModel`.
        attack: The attack, its name, or a function as in
            `kad.adapters.from_function`. It should fail on some images, so
            that there is something to compare. None means `BIM(steps=10)`,
            which is the same each time. Attacks of a fixed number of gradient
            steps are measured after each step (of several restarts, the
            first), others before and after.
        attention: The attention method, or its name. None means Grad-CAM, of
            the layer that an `AttentionDefendedModel` was defended at.
        other_attention: A second method to repeat the study with, such as
            `LIME` or `Occlusion`, or None.
        mask: The `AttentionMask` that defines the area of a map where no box
            does. None means the positions above the map's mean.
        value_range: `(lower, upper)` bounds of the images. None means the
            model's `value_range`, or `(0.0, 1.0)`.
        batch_size: Number of images at a time. The images after all steps of
            the attack are held in memory for one batch.

    Example:

    ```python
    study = kad.analysis.AttentionStudy(model, kad.attacks.BIM(epsilon=4 / 255))
    result = study.run(x, y, boxes)
    result.summary()
    result.plot("study.png")
    ```

    Reference:
        Attention, Please! Adversarial Defense via Activation Rectification
        and Preservation, [Wu et al., 2023](https://doi.org/10.1145/3572843),
        the analysis of vulnerable images.
    """

    def __init__(
        self,
        model: keras.Model,
        attack: Attack | str | Callable[..., Any] | None = None,
        attention: AttentionMethod | str | None = None,
        other_attention: AttentionMethod | str | None = None,
        *,
        mask: AttentionMask | None = None,
        value_range: ValueRange | None = None,
        batch_size: int = 32,
    ) -> None:
        self.model = model
        self.classifier = Classifier(model)
        self.value_range = resolve_value_range(model, value_range)
        if attack is None:
            attack = BIM(steps=10, value_range=self.value_range)
        elif isinstance(attack, str):
            attack = get(attack)
        elif not isinstance(attack, Attack):
            check_attack(attack)
            attack = from_function(attack)
        self.attack = in_range(attack, model, self.value_range)
        self.attention = named_attention(attention) or default_attention(model)
        self.other_attention = named_attention(other_attention)
        self.mask = mask or AttentionMask(value_range=self.value_range)
        self.batch_size = check_count("batch_size", batch_size)
        self.attack.check(self.classifier)

    def run(
        self,
        x: Any,
        y: Tensor | None = None,
        boxes: Tensor | None = None,
        *,
        limit: int | None = None,
        verbose: int | str = "auto",
    ) -> StudyResult:
        """Attacks and measures all images of the data once.

        Args:
            x: Images `(num, height, width, channels)`, or a data set of
                `(images, labels)` or `(images, labels, boxes)` batches:
                `tf.data`, a `PyDataset`, a PyTorch `DataLoader` or any
                iterable.
            y: Labels, if `x` are images: class indices or one-hot.
            boxes: Boxes or masks of the objects, if `x` are images; see
                `attention_completeness`. Without them the drop in confidence
                on the masked image stands in for completeness.
            limit: Number of images to use, the first ones. None uses all.
            verbose: `"auto"` or 1 for a progress bar, 0 for silence.

        Returns:
            A `StudyResult`.

        Raises:
            ValueError: If images, labels or boxes do not have the expected
                form, or no image is classified correctly.
        """
        limit = None if limit is None else check_count("limit", limit)
        measure = Measurements(
            self.model,
            Predictor(self.classifier, self.batch_size),
            self.attack,
            self.attention,
            self.other_attention,
            self.mask,
            self.value_range,
        )
        total = number_of_images(x, limit)
        bar = keras.utils.Progbar(
            total, verbose=0 if verbose == 0 else 1, unit_name="image"
        )
        measured, done = [], 0
        # Blocks are measured one by one, and their images are not kept.
        for columns in blocks(x, y, boxes, size=self.batch_size, limit=limit):
            measured.append(self._block(measure, done, *columns))
            done += len(columns[0])
            bar.update(done, finalize=False)
        if not measured:
            raise ValueError("There are no images in `x`.")
        bar.update(done, finalize=True)
        return StudyResult(_joined(measured), self._settings())

    def _block(self, measure, position, images, labels, boxes=None):
        """Measures one block of the data, whose first image is `position`."""
        try:
            check_images(images, self.value_range)
            check_labels(labels, self.classifier.num_classes, len(images))
            if boxes is not None:
                boxes = object_masks(boxes, image_size(images))
        except ValueError as error:
            last = position + len(images) - 1
            raise ValueError(
                f"In images {position} to {last} of the data: {error}"
            ) from None
        if labels.ndim == 2 and labels.shape[1] > 1:
            labels = labels.argmax(-1)
        labels = labels.reshape(-1).astype("int32")
        images = np.clip(images.astype("float32"), *self.value_range)
        logits = measure.predictor.logits(images)
        predictions = predicted_classes(logits)
        correct = predictions == labels
        lower, upper = self.value_range
        brightness = images.mean((1, 2, 3), dtype="float64") - lower
        rows = {
            "index": position + np.arange(len(images)),
            "brightness": brightness / (upper - lower),
            "label": labels,
            "prediction": predictions,
        }
        if correct.any():
            # Only correct images are attacked. The rows of the others are NaN.
            masks = None if boxes is None else boxes[correct]
            measured = measure(
                images[correct], labels[correct], masks, logits[correct]
            )
            for name, values in measured.items():
                whole = np.full((len(images), *values.shape[1:]), np.nan)
                whole[correct] = values
                rows[name] = whole
        return rows

    def _settings(self):
        """Describes the study in values that JSON can hold."""

        def description(part):
            if part is None:
                return None
            config = part.get_config()
            return {"name": type(part).__name__, "config": _plain(config)}

        epsilon = ops.convert_to_numpy(self.attack.radius(self.value_range))
        return {
            "model": self.model.name,
            "attack": description(self.attack),
            # Attacks that minimize the change have an infinite radius, which
            # JSON cannot hold.
            "epsilon": float(epsilon) if np.isfinite(epsilon) else None,
            "attention": description(self.attention),
            "other_attention": description(self.other_attention),
            "mask": description(self.mask),
            "value_range": list(self.value_range),
        }


def _plain(value):
    """Converts a configuration to values that JSON can hold."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items() if k != "model"}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    simple = value is None or isinstance(value, (bool, int, float, str))
    return value if simple else repr(value)


def _joined(blocks_of_rows):
    """Concatenates the columns of all blocks.

    Blocks without any correct image lack the measured columns: NaN takes
    their place.
    """
    # Blocks with a correct image have the most columns; one of them shows the
    # shape of each.
    columns = max(blocks_of_rows, key=len)
    joined = {}
    for name, example in columns.items():
        shape = example.shape[1:]
        joined[name] = np.concatenate(
            [
                rows.get(name, np.full((len(rows["index"]), *shape), np.nan))
                for rows in blocks_of_rows
            ]
        )
    if "fallen" not in joined:
        raise ValueError(
            "The model classifies none of the images correctly, so there is "
            "nothing to attack. Check the labels and the value range."
        )
    return joined
