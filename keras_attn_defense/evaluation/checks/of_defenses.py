"""Checks of attacks on layers that say how they have to be attacked."""

import copy

import numpy as np
from keras import ops

from ...adapters import ForeignAttack
from .context import is_white_box
from .declared import declared_by

# Fresh predictions whose mean tells how often a random model is right.
_PREDICTIONS = 8
# How many times as many draws are tried.
_MORE = 3
_SHARE = 0.08


def defenses_are_ignored(context):
    """Raised if no attack does what the layers of the model declare."""
    declared = declared_by(context.victim)
    if not declared:
        return False, "No layer says how it has to be attacked."
    words = "; ".join(_words(layer, how) for layer, how in declared)
    sentence = f"Some layers say how they have to be attacked: {words}."
    following = context.entries(is_white_box)
    if context.victim.draws > 1:
        following = [
            entry
            for entry in following
            if not isinstance(entry.attack, ForeignAttack)
        ]
    if following:
        return False, sentence
    return True, (
        f"{sentence} No attack of this evaluation does so: those without "
        "gradients take the model as it is, and those of other libraries take "
        "one draw. Evaluate with attacks='quick' or 'autoattack' as well."
    )


def more_draws_find_more(context):
    """Compares attacks that average over the declared draws, and over more."""
    more = copy.copy(context.victim)
    more.draws = _MORE * context.victim.draws

    def craft(images, labels, epsilon):
        return context.climb(images, labels, epsilon, view=more)

    return finds_more_on_average(
        context,
        craft,
        f"gradients over {more.draws} draws",
        "Declare more draws in `how_to_attack` of the layer.",
    )


def finds_more_on_average(context, craft, means, advice):
    """Tells whether other images make a random model fail more often.

    Args:
        context: The `Context`.
        craft: Function of images, labels and a radius.
        means: How it crafts, in words.
        advice: What to do about it.
    """
    images, labels = context.sample()
    epsilon = context.threat.epsilons[-1]
    usual, other = (
        _accuracy(context, each(images, labels, epsilon), labels)
        for each in (context.climb, craft)
    )
    sentence = (
        f"Of {len(images)} images, attacked at "
        f"epsilon={context.threat.label(epsilon)}, the model has {usual:.0%} "
        f"right in {_PREDICTIONS} predictions; with {means}, {other:.0%}."
    )
    if usual - other > _SHARE:
        return True, f"{sentence} {advice}"
    return False, sentence


def _accuracy(context, images, labels):
    x = ops.convert_to_tensor(images)
    with context.live() as predict:
        right = [predict(x).argmax(-1) == labels for _ in range(_PREDICTIONS)]
    return float(np.mean(right))


def _words(layer, how):
    parts = []
    if how.substitute is not None:
        parts.append("by the gradient of a substitute")
    if how.draws > 1:
        parts.append(f"over {how.draws} draws")
    ways = " ".join(parts) or "by its own gradient, through all of its steps"
    return f"'{layer.name}' ({type(layer).__name__}) {ways}"
