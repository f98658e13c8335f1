"""Reads the images of a step: predictions, logits and maps."""

import contextlib

from keras import ops

from ..attention.class_choice import score_weights
from ..attention.resizing import resized
from .pairs import double
from .pairs import interleave
from .pairs import split


def read(model, inputs, training):
    """Runs the classifier on the images of a step.

    Args:
        model: The `AttentionDefendedModel`.
        inputs: The inputs of the step, a dict.
        training: Whether layers run in training mode.

    Returns:
        A dict of `predictions`, `logits` and, where a loss reads them, `maps`,
        all in the order of the images.
    """
    labels, weights = inputs["labels"], inputs.get("score_weights")
    alone = "adversarial" in inputs
    images = inputs["adversarial" if alone else "images"]
    if alone or not training or model.batch_statistics == "mixed":
        chosen = explained_classes(
            model.attention, labels, _of_clean, double(weights)
        )
        return _read(model, images, chosen, training)
    return _read_apart(model, split(images), split(labels), weights)


def _read_apart(model, images, labels, weights):
    """Runs the classifier on each half of the batch by itself.

    So batch normalization sees one kind of images at a time.
    """
    last_counts = model.batch_statistics == "adversarial"
    quiet = model.classifier.stateless() if last_counts else _no_scope()
    # If the averages are to be those of the adversarial images, the clean half
    # leaves no trace in them.
    with quiet:
        chosen = explained_classes(
            model.attention, labels[0], _of_each, weights
        )
        first = _read(model, images[0], chosen, True)
    # Ranked by the logits of the clean half, which has just run.
    chosen = explained_classes(
        model.attention, labels[1], lambda _: first["logits"], weights
    )
    second = _read(model, images[1], chosen, True)
    return {name: interleave(first[name], second[name]) for name in first}


def _read(model, images, chosen, training):
    if not model.maps_both:
        logits, outputs = model.classifier(images, training=training)
        return {"predictions": outputs, "logits": logits}
    logits, maps, outputs = model.attention.explain(
        model.classifier, images, chosen, training=training
    )
    return {"predictions": outputs, "logits": logits, "maps": maps}


def paired_maps(model, images, labels, weights, training):
    """Returns the maps of interleaved images, and leaves no trace.

    Args:
        model: The `AttentionDefendedModel`.
        images: `(2 * batch, height, width, channels)`.
        labels: Class indices `(batch,)`.
        weights: What `score="random"` has drawn, `(batch, classes)`, or None.
        training: Whether layers run in training mode.
    """
    chosen = explained_classes(
        model.attention, double(labels), _of_clean, double(weights)
    )
    with model.classifier.stateless():
        return model.attention.explain(
            model.classifier, images, chosen, training=training
        )[1]


def teacher_maps(attention, teacher, images, classes, maps):
    """Returns a teacher's maps, at the size of those they are compared with.

    Args:
        attention: The attention method.
        teacher: The `Classifier` of the teacher.
        images: `(batch, height, width, channels)`.
        classes: What `explained_classes` returned.
        maps: The student's maps of the same images.
    """
    with teacher.stateless():
        found = attention.explain(teacher, images, classes)[1]
    # Its layers may have another size; gradients of pixels have that of images.
    return resized(found, maps.shape[1:]) if len(maps.shape) == 3 else found


def explained_classes(attention, labels, ranking, weights=None):
    """Returns the classes to explain, as attention methods take them.

    Images that are compared have the same strongest other class, that of the
    clean one, or the same random weights of the logits: else the maps of
    different things were compared.

    Args:
        attention: The attention method.
        labels: Class indices `(batch,)`.
        ranking: A function of the logits that returns those that choose the
            strongest other class.
        weights: What `score="random"` has drawn, `(batch, classes)`; None
            means that the logit is explained.
    """

    def margins(logits):
        ranks = ranking(logits)
        return score_weights("margin", labels, logits, ranked_by=ranks)

    def drawn(logits):
        return ops.cast(weights, logits.dtype)

    if attention.score == "margin":
        return margins
    return labels if weights is None else drawn


def _of_clean(logits):
    return ops.repeat(split(logits)[0], 2, axis=0)


def _of_each(logits):
    return logits


_no_scope = contextlib.nullcontext
