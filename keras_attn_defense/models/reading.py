"""What the model makes of the images of a step: predictions, logits, maps."""

import contextlib

from keras import ops

from ..attention.class_choice import score_weights
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
    labels = inputs["labels"]
    alone = "adversarial" in inputs
    images = inputs["adversarial" if alone else "images"]
    if alone or not training or model.batch_statistics == "mixed":
        return _read(model, images, labels, training, _of_clean)
    return _read_apart(model, split(images), split(labels))


def _read_apart(model, images, labels):
    """Runs the classifier on each half of the batch by itself.

    So batch normalization sees one kind of images at a time.
    """
    last_counts = model.batch_statistics == "adversarial"
    quiet = model.classifier.stateless() if last_counts else _no_scope()
    # If the averages are to be those of the adversarial images, the clean half
    # leaves no trace in them.
    with quiet:
        first = _read(model, images[0], labels[0], True, _of_each)
    # Ranked by the logits of the clean half, which has just run.
    second = _read(model, images[1], labels[1], True, lambda _: first["logits"])
    return {name: interleave(first[name], second[name]) for name in first}


def _read(model, images, labels, training, ranking):
    if not model.maps_both:
        logits, outputs = model.classifier(images, training=training)
        return {"predictions": outputs, "logits": logits}
    logits, maps, outputs = _explained(
        model, model.classifier, images, labels, training, ranking
    )
    return {"predictions": outputs, "logits": logits, "maps": maps}


def paired_maps(model, images, labels, training):
    """Returns the maps of interleaved images, and leaves no trace."""
    with model.classifier.stateless():
        return _explained(
            model, model.classifier, images, labels, training, _of_clean
        )[1]


def teacher_maps(model, images, labels, ranked_by):
    """Returns the maps of the teacher of a robust loss, as constants.

    Args:
        model: The `AttentionDefendedModel`.
        images: `(batch, height, width, channels)`.
        labels: Class indices `(batch,)`.
        ranked_by: Logits that choose the strongest other class.
    """
    teacher = model.robust_loss.required_teacher()
    with teacher.stateless():
        maps = _explained(
            model, teacher, images, labels, False, lambda _: ranked_by
        )[1]
    return ops.stop_gradient(maps)


def _explained(model, classifier, images, labels, training, ranking):
    """Explains images as the attention method does.

    Images that are compared have the same strongest other class, that of the
    clean one: else the margins of different classes were compared.
    """

    def margins(logits):
        ranks = ranking(logits)
        return score_weights("margin", labels, logits, ranked_by=ranks)

    chosen = margins if model.attention.score == "margin" else labels
    return model.attention.explain(
        classifier, images, chosen, training=training
    )


def _of_clean(logits):
    return ops.repeat(split(logits)[0], 2, axis=0)


def _of_each(logits):
    return logits


_no_scope = contextlib.nullcontext
