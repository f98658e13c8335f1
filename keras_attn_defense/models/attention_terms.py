"""The losses that look at attention, as terms of a training step."""

from keras import ops

from ..losses import DebiasedRectificationLoss
from .pairs import halves
from .pairs import split
from .reading import explained_classes
from .reading import paired_maps
from .reading import teacher_maps


def rectification(model, x, y_pred, weights, training):
    """Computes the loss of what is left where the attention is hidden.

    Args:
        model: The `AttentionDefendedModel`.
        x: The inputs of the step.
        y_pred: What `read` returned.
        weights: Sample weights of the clean and of the adversarial images.
        training: Whether layers run in training mode.
    """
    loss, whole = model.rectification_loss, split(y_pred["logits"])
    if isinstance(loss, DebiasedRectificationLoss):
        clean, maps = split(x["images"])[0], split(y_pred["maps"])[0]
        rest = _rest(model, clean, maps, training)
        return loss((whole[0], rest), whole[1], weights[1])
    rest = split(_rest(model, x["images"], y_pred["maps"], training))
    return sum(map(loss, whole, rest, weights))


def _rest(model, images, maps, training):
    """Returns the logits of images without their attention areas."""
    masked = model.mask(images, maps)
    # In the same mode as the whole images: between batch statistics and
    # moving averages the distance could grow although no defense is learned.
    # The scope keeps gray images out of the averages.
    with model.classifier.stateless():
        return model.classifier(masked, training=training)[0]


def preservation(model, x, y_pred, weights, training):
    """Computes the distance of two maps; its arguments are those above."""
    labels, drawn = halves(x, x["labels"])[1], x.get("score_weights")
    if model.preservation_pair == "noise":
        maps = paired_maps(model, x["noisy"], labels, drawn, training)
        return model.preservation_loss(*split(maps), weights[1])
    first, second = split(y_pred["maps"])
    if model.preservation_pair == "teacher":
        x_adv, clean_logits = split(x["images"])[1], split(y_pred["logits"])[0]
        classes = explained_classes(
            model.attention, labels, lambda _: clean_logits, drawn
        )
        teacher = model.robust_loss.required_teacher()
        first = ops.stop_gradient(
            teacher_maps(model.attention, teacher, x_adv, classes, second)
        )
    return model.preservation_loss(first, second, weights[1])


ATTENTION_TERMS = {
    "rectification": rectification,
    "preservation": preservation,
}
