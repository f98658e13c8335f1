"""Measurements of the attention to one block of images."""

import numpy as np
from keras import ops

from ..attacks import GradientAttack
from ..attention.compiled_method import CompiledMethod
from ..classifier.predictor import predicted_classes
from ..data import padded_batches
from .completeness import attention_completeness
from .confidence_drop import ConfidenceDrop
from .deviation import attention_deviation
from .maps import checked_maps
from .scatter import attention_scatter

#: The measures that are taken after each step of the attack.
STEP_MEASURES = (
    "fallen",
    "iou",
    "rank_correlation",
    "centroid_shift",
    "components",
    "entropy",
    "spread",
)


class Measurements:
    """Attacks images and measures the attention along the way.

    Args:
        model: The model that the attack is called with.
        predictor: A `Predictor` of its classifier.
        attack: The attack.
        attention: The attention method.
        other: Another attention method, or None.
        mask: The `AttentionMask` that defines the area of a map.
        value_range: `(lower, upper)` bounds of the images.
    """

    def __init__(
        self, model, predictor, attack, attention, other, mask, value_range
    ):
        self.model = model
        self.predictor = predictor
        self.attack = attack
        self.mask = mask
        self.attention = CompiledMethod(attention, predictor.victim)
        self.other = None
        if other is not None:
            self.other = CompiledMethod(other, predictor.victim)
        self.drop = ConfidenceDrop(predictor, mask, value_range)

    def __call__(self, images, labels, boxes, logits):
        """Measures the attention to images before, during and after an attack.

        Args:
            images: Correctly classified images, float32 in NumPy.
            labels: Their classes `(N,)`.
            boxes: Their boxes or masks, or None.
            logits: What the model predicts for them, in NumPy.

        Returns:
            A dict of arrays: those of `STEP_MEASURES` of shape `(N, steps +
            1)`, the others `(N,)`.
        """
        clean, _ = self._explain(self.attention, images, labels)
        drop = self.drop(images, clean, labels, logits)
        measured = {"confidence_drop": drop}
        if boxes is not None:
            measured["completeness"] = attention_completeness(clean, boxes)
        path = self._path(images, labels)
        # The first images of the path are the clean ones, measured already.
        steps = [self._step(clean, logits, labels, clean)]
        for x_adv in path[1:]:
            explained = self._explain(self.attention, x_adv, labels)
            steps.append(self._step(*explained, labels, clean))
        for name in STEP_MEASURES:
            measured[name] = np.stack([each[name] for each in steps], axis=1)
        if self.other is not None:
            measured.update(self._other(images, path[-1], labels, boxes))
        return measured

    def _explain(self, attention, images, labels):
        """Returns maps and logits, computed in batches of one size."""
        size, maps, logits = self.predictor.batch_size, [], []
        for rows, batch in padded_batches(images, labels, size=size):
            explained = map(ops.convert_to_numpy, attention(*batch))
            for values, pieces in zip(explained, (logits, maps), strict=True):
                # The last batch is padded; its padding is cut off.
                pieces.append(values[: rows.stop - rows.start])
        return checked_maps(np.concatenate(maps)), np.concatenate(logits)

    def _path(self, images, labels):
        """Returns the images after each step, the clean ones first."""
        if isinstance(self.attack, GradientAttack):
            size = self.predictor.batch_size
            return self.attack.trajectory(self.model, images, labels, size)
        crafted = self.attack.run(
            self.model, images, labels, self.predictor.batch_size
        )
        return np.stack([images, crafted.images])

    def _step(self, maps, logits, labels, clean):
        """Takes the measures of one step of the attack."""
        return {
            "fallen": predicted_classes(logits) != labels,
            **attention_deviation(clean, maps, self.mask)._asdict(),
            **attention_scatter(maps, self.mask)._asdict(),
        }

    def _other(self, images, x_adv, labels, boxes):
        """Repeats the measurements with the other attention method."""
        before, _ = self._explain(self.other, images, labels)
        after, _ = self._explain(self.other, x_adv, labels)
        deviation = attention_deviation(before, after, self.mask)
        measured = {f"other_{k}": v for k, v in deviation._asdict().items()}
        if boxes is not None:
            completeness = attention_completeness(before, boxes)
            measured["other_completeness"] = completeness
        for name in ("components", "entropy", "spread"):
            rise = [
                getattr(attention_scatter(maps, self.mask), name)
                for maps in (before, after)
            ]
            measured[f"other_{name}_rise"] = rise[1] - rise[0]
        return measured
