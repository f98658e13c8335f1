"""What an attack maximises: one value per image, from its logits."""

from keras import ops


def cross_entropy(logits, labels, label_smoothing=0.0):
    """Cross-entropy of the class `labels`, in nats.

    Args:
        logits: `(batch, classes)`.
        labels: Class indices `(batch,)`.
        label_smoothing: Share of the target spread over all classes.

    Returns:
        `(batch,)`, at least zero.
    """
    log_probabilities = ops.log_softmax(logits, axis=-1)
    target = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    if label_smoothing:
        uniform = label_smoothing / logits.shape[-1]
        target = target * (1.0 - label_smoothing) + uniform
    return -ops.sum(target * log_probabilities, axis=-1)
