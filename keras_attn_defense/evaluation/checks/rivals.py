"""Does a weak attack find what a strong one misses?"""

import numpy as np

from ... import attacks as kad_attacks
from .context import is_black_box
from .context import is_iterative
from .context import is_single_step
from .context import is_white_box

_SHARE = 0.05


def single_step_beats_iterative(context):
    """Raised if one gradient step finds what many do not."""
    raised, sentence = _beats(
        context,
        (is_single_step, context.build(kad_attacks.FGSM)),
        (is_iterative, context.iterative()),
        "a single step, but to no iterative attack",
    )
    if raised:
        sentence += (
            " Gradients may be masked around the images: look at the loss "
            "along the steps, and use more restarts."
        )
    return raised, sentence


def black_box_beats_white_box(context):
    """Raised if a search without gradients finds what gradients do not."""
    raised, sentence = _beats(
        context,
        (is_black_box, _square(context)),
        (is_white_box, context.iterative()),
        "a black-box attack, but to no attack with gradients",
    )
    if raised:
        sentence += (
            " Gradients mislead: attack through what masks them, with another "
            "objective, `BPDA` or `EOT`."
        )
    return raised, sentence


def _square(context):
    return context.build(kad_attacks.Square, queries=200, rescale_schedule=True)


def _beats(context, weak, strong, words):
    evaluated = all(context.contenders(kind) for kind, _ in (weak, strong))
    where = context.where
    if evaluated:
        where = np.flatnonzero(context.records.correct)
    context.sample()  # Says so, if there is none.
    shares = []
    for epsilon in context.threat.epsilons:
        weak_fell, strong_fell = (
            _fallen(context, *side, epsilon, where) for side in (weak, strong)
        )
        missed = (weak_fell & ~strong_fell).sum()
        shares.append(missed / len(where) if missed > 1 else 0.0)
    worst = int(np.argmax(shares))
    label = context.threat.label(context.threat.epsilons[worst])
    return shares[worst] > _SHARE, (
        f"Of {len(where)} images, {shares[worst]:.1%} fell to {words} "
        f"(epsilon={label})."
    )


def _fallen(context, kind, substitute, epsilon, where):
    """Which images at `where` an attack of a kind made fall."""
    records = context.records
    names = [contender.name for contender in context.contenders(kind)]
    if not names:
        return context.run(substitute, epsilon)[1]
    reach = np.min([records.distances[name] for name in names], axis=0)
    return reach[where] <= epsilon
