"""What the model makes of the images of a step: predictions, logits, maps."""

import contextlib

from keras import ops

from ..attention.class_choice import score_weights
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
        chosen = _chosen(model, labels, double(weights), _of_clean)
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
        chosen = _chosen(model, labels[0], weights, _of_each)
        first = _read(model, images[0], chosen, True)
    # Ranked by the logits of the clean half, which has just run.
    chosen = _chosen(model, labels[1], weights, lambda _: first["logits"])
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
    chosen = _chosen(model, double(labels), double(weights), _of_clean)
    with model.classifier.stateless():
        return model.attention.explain(
            model.classifier, images, chosen, training=training
        )[1]


def teacher_maps(model, images, labels, weights, ranked_by):
    """Returns the maps of the teacher of a robust loss, as constants.

    Args:
        model: The `AttentionDefendedModel`.
        images: `(batch, height, width, channels)`.
        labels: Class indices `(batch,)`.
        weights: What `score="random"` has drawn, `(batch, classes)`, or None.
        ranked_by: Logits that choose the strongest other class.
    """
    teacher = model.robust_loss.required_teacher()
    chosen = _chosen(model, labels, weights, lambda _: ranked_by)
    with teacher.stateless():
        maps = model.attention.explain(teacher, images, chosen)[1]
    return ops.stop_gradient(maps)


def _chosen(model, labels, weights, ranking):
    """Returns the classes to explain, as attention methods take them.

    Images that are compared have the same strongest other class, that of the
    clean one, or the same random weights of the logits: else the maps of
    different things were compared.
    """

    def margins(logits):
        ranks = ranking(logits)
        return score_weights("margin", labels, logits, ranked_by=ranks)

    def drawn(logits):
        return ops.cast(weights, logits.dtype)

    return {"margin": margins, "random": drawn}.get(
        model.attention.score, labels
    )


def _of_clean(logits):
    return ops.repeat(split(logits)[0], 2, axis=0)


def _of_each(logits):
    return logits


_no_scope = contextlib.nullcontext
