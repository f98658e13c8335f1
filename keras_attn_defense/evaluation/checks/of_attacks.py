"""Checks of the attacks: is there one that finds more?"""

import copy
import functools

import numpy as np

from ... import attacks as kad_attacks
from ..._backend import NoGradientError
from .context import is_black_box
from .context import is_iterative
from .context import is_single_step
from .context import is_white_box
from .context import margins
from .of_defenses import finds_more_on_average
from .of_defenses import more_draws_find_more
from .of_model import is_random_as_declared
from .surrogate import surrogates

_SHARE = 0.05
_SHARE_OF_ALL = 0.06
_ALL = 1000
_LONGER = 0.1
# Less is no progress: a share of the margin of clean images.
_STANDS_STILL = 1e-3


def single_step_beats_iterative(context):
    """Raised if one gradient step finds what many do not."""
    raised, sentence = _beats(
        context,
        (is_single_step, context.build(kad_attacks.FGSM)),
        (is_iterative, context.iterative),
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
    queries = 1000 if context.thorough else 200
    square = context.build(
        kad_attacks.Square, queries=queries, rescale_schedule=True
    )
    raised, sentence = _beats(
        context,
        (is_black_box, square),
        (is_white_box, context.iterative),
        "a black-box attack, but to no attack with gradients",
    )
    if raised:
        sentence += (
            " Gradients mislead: attack through what masks them, with another "
            "objective, `kad.attacks.BPDA` or "
            "`kad.attacks.objectives.ExpectationOverTransformation`."
        )
    return raised, sentence


def huge_epsilon_is_survived(context):
    """Raised if images stand where the ball holds the mid-gray image."""
    images, _ = context.sample()
    epsilon = context.threat.huge_epsilon(images.shape[1:])
    _, success = context.run(context.brief, epsilon, context.some)
    share = float((~success).mean())
    sentence = (
        f"{share:.0%} of {len(success)} images survive epsilon={epsilon:.4g}, "
        "with which any image can become plain gray."
    )
    if share > _SHARE:
        return True, f"{sentence} The attack does not work on this model."
    return False, sentence


def accuracy_does_not_fall(context):
    """Raised if fresh attacks with larger epsilons do not break more."""
    images = context.sample()[0][context.some]
    threat, attack = context.threat, context.brief
    epsilons = threat.epsilons[0], threat.huge_epsilon(images.shape[1:])
    robust = [
        int((~context.run(attack, epsilon, context.some)[1]).sum())
        for epsilon in epsilons
    ]
    tolerated = max(1, _SHARE * len(images))
    # With the larger radius more images stand; or nearly as many, where there
    # were enough to fall.
    rises = robust[1] - robust[0] > tolerated
    flat = robust[0] > tolerated > robust[0] - robust[1]
    words = ", ".join(
        f"{count} at {epsilon:.3g}"
        for count, epsilon in zip(robust, epsilons, strict=True)
    )
    sentence = f"Of {len(images)} images withstand: {words}."
    if rises or flat:
        return True, (
            f"{sentence} A larger ball holds all that a smaller one does, so "
            "the attack is lost on this model."
        )
    return False, sentence


def loss_still_rises(context):
    """Raised if twice the steps get further, or the steps get nowhere.

    Progress is how much the margin between the strongest wrong class and the
    true one has grown since the clean image, on images that withstood: it has
    no bounds, whatever the objective.
    """
    attack = context.iterative
    name = type(attack).__name__
    images, labels = context.sample()
    for epsilon in reversed(context.threat.epsilons):
        robust = np.flatnonzero(context.is_robust(epsilon))
        if _points(context, len(robust), len(images)) > _SHARE:
            break
    else:
        return False, "Next to none of the drawn images withstood the attacks."
    longer = copy.copy(attack)
    longer.steps = 2 * attack.steps
    found = [context.run(each, epsilon, robust)[0] for each in (attack, longer)]
    # The lead of the strongest wrong class, `(images,)`: it rises as an attack
    # gets on.
    clean, once, twice = (
        -margins(context.predictor.logits(each), labels[robust])
        for each in (images[robust], *found)
    )
    at = f"at epsilon={context.threat.label(epsilon)}"
    progress = np.median((once - clean) / np.maximum(-clean, 1e-30))
    if progress < _STANDS_STILL:
        return True, (
            f"The {attack.steps} steps of {name} move the margin of images "
            f"that withstood by {progress:.2%} {at}: the attack stands still. "
            "Its objective does not see what decides, or its gradients are "
            "masked: try objective='margin', `kad.attacks.BPDA`, or transfer "
            "from a network like it (`kad.attacks.EnsembleAttack`)."
        )
    gained, more = once.mean() - clean.mean(), twice.mean() - once.mean()
    share = more / max(gained, 1e-12)
    if gained > 0 and share > _LONGER:
        return True, (
            f"Twice the {attack.steps} steps of {name} get {share:.0%} further "
            f"{at}: take more or larger steps."
        )
    return False, f"Twice the {attack.steps} steps of {name} get no further."


def another_attack_finds_more(context):
    """Raised if gradient steps on the margin find what the attacks did not."""
    if is_random_as_declared(context):
        return more_draws_find_more(context)
    return _finds_more(
        context,
        context.climb,
        f"{context.steps} gradient steps on the margin of the logits",
        "Evaluate with attacks='autoattack', or with more than one objective.",
    )


def layers_hide_the_gradient(context):
    """Raised if images crafted on the network inside make the model fall."""
    context.sample()
    sentence = "No layer of the model hides its logits or its gradient."
    for words, view in surrogates(context.victim):
        try:
            raised, sentence = _finds_more(
                context,
                functools.partial(context.climb, view=view),
                f"images crafted on the same network, {words}",
                "The gradient of the model as it is misleads. Attack it "
                "through these layers, with `kad.attacks.BPDA`, or transfer "
                "from the network without them (`kad.attacks.EnsembleAttack`).",
            )
        except NoGradientError:
            continue
        if raised:
            return True, sentence
    return False, sentence


def levels_decide(context):
    """Raised if images on the 256 levels of a byte are attacked better.

    Images of cameras lie on the levels of a byte, those of attacks between
    them: a model can tell them apart.
    """
    images, _ = context.sample()
    if not context.on_levels(images):
        return False, "Not even clean images lie on the levels of a byte."
    return _finds_more(
        context,
        functools.partial(context.climb, levels=True),
        "gradient steps over the 256 levels of a byte and not to the same "
        "steps between them",
        "The model treats images between these levels in another way than "
        "those on them: remove what tells them apart, or round adversarial "
        "images before they are judged.",
        beside=context.climb,
    )


def _finds_more(context, craft, means, advice, beside=None):
    """Tells whether more images fall to one more attack.

    At the largest radius that a good part of the images withstood. What a
    few images suggest, all that were drawn have to confirm. Those that fall to
    the attack `beside`, too, do not count.
    """
    if is_random_as_declared(context):
        return finds_more_on_average(context, craft, means, advice)
    images, labels = context.sample()
    for epsilon in reversed(context.threat.epsilons):
        robust = context.is_robust(epsilon)
        if _points(context, robust.sum(), len(images)) > _SHARE:
            break
    else:
        return False, "Next to none of the drawn images withstood the attacks."
    label = context.threat.label(epsilon)
    for size, share in ((context.size, _SHARE), (_ALL, _SHARE_OF_ALL)):
        images, labels = context.sample(size)
        robust = context.is_robust(epsilon, size)
        x, y = images[robust], labels[robust]
        crafted = craft(x, y, epsilon)
        success = context.success(crafted, x, y, epsilon, means, epsilon)
        if beside and success.any():
            x, y = x[success], y[success]
            crafted = beside(x, y, epsilon)
            success = ~context.success(crafted, x, y, epsilon, means, epsilon)
        count = int(success.sum())
        sentence = (
            f"Of {len(images)} images, {robust.sum()} withstood the attacks at "
            f"epsilon={label}; {count} of these fall to {means}."
        )
        if _points(context, count, len(images)) <= share:
            return False, sentence
    return True, f"{sentence} {advice}"


def _points(context, count, total):
    """Returns the images as accuracy; a single one is no evidence."""
    return context.records.correct.mean() * count / total if count > 1 else 0.0


def _beats(context, weak, strong, words):
    evaluated = all(context.entries(kind) for kind, _ in (weak, strong))
    where = context.where
    if evaluated:
        where = np.flatnonzero(context.records.correct)
    context.sample()  # Says so, if there is none.
    shares = []
    for epsilon in context.threat.epsilons:
        weak_success, strong_success = (
            _success(context, *side, epsilon, where) for side in (weak, strong)
        )
        missed = (weak_success & ~strong_success).sum()
        if is_random_as_declared(context):
            # Of a random model other images fall each time: rates count.
            missed = max(weak_success.sum() - strong_success.sum(), 0)
        shares.append(missed / len(where) if missed > 1 else 0.0)
    worst = int(np.argmax(shares))
    label = context.threat.label(context.threat.epsilons[worst])
    return shares[worst] > _SHARE, (
        f"Of {len(where)} images, {shares[worst]:.1%} fell to {words} "
        f"(epsilon={label})."
    )


def _success(context, kind, substitute, epsilon, where):
    """Tells on which images at `where` an attack of a kind succeeds."""
    records = context.records
    names = [entry.name for entry in context.entries(kind)]
    if not names:
        return context.run(substitute, epsilon)[1]
    distance = np.min([records.distances[name] for name in names], axis=0)
    return distance[where] <= epsilon
