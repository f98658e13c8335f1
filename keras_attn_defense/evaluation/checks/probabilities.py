"""Do the logits come from probabilities, whose gradients vanish?"""

from ...classifier.logits import is_probability


def outputs_are_probabilities(context):
    """Raised if logits are computed back from probabilities, or are some."""
    ending = getattr(context.victim, "ending", None)
    if ending and ending.layer is None and ending.activation != "linear":
        return True, (
            f"The {ending.activation} of the model was not found, so logits "
            "are computed back from its probabilities, which float32 rounds "
            "to 0 and 1: attacks lose their gradient. End the model in a "
            "Keras layer with that activation, or in logits."
        )
    if is_probability(context.predictor.logits(context.clean)):
        return True, (
            "What the model returns as logits lies between 0 and 1 and sums "
            "to 1, as probabilities do: losses on it have weak gradients. "
            "Return the values before the softmax."
        )
    return False, "The logits are no probabilities."
