"""Did the attack take enough steps?"""

import copy

import numpy as np

_SHARE = 0.1


def loss_still_rises(context):
    """Raised if twice the steps get an attack a good deal further.

    Progress is how much the margin between the strongest wrong class and the
    true one has grown since the clean image, on images that withstood: it has
    no bounds, whatever the objective.
    """
    attack = context.iterative()
    images, labels = context.sample()
    for epsilon in reversed(context.threat.epsilons):
        adversarial, fallen = context.run(attack, epsilon)
        if not fallen.all():
            break
    else:
        return False, "No image withstood the attack."
    longer = copy.copy(attack)
    longer.steps = 2 * attack.steps
    longer.restarts = 1  # Enough to see, and cheap.
    further, _ = context.run(longer, epsilon)
    clean, once, twice = (
        _margins(context, each[~fallen], labels[~fallen]).mean()
        for each in (images, adversarial, further)
    )
    share = (twice - once) / max(once - clean, 1e-12)
    if once > clean and share > _SHARE:
        return True, (
            f"Twice the {attack.steps} steps of {type(attack).__name__} get "
            f"{share:.0%} further at epsilon={context.threat.label(epsilon)}: "
            "take more or larger steps."
        )
    return False, (
        f"Twice the {attack.steps} steps of {type(attack).__name__} get no "
        "further."
    )


def _margins(context, images, labels):
    logits = context.predictor.logits(images)
    rows = np.arange(len(labels))
    true = logits[rows, labels]
    logits[rows, labels] = -np.inf
    return logits.max(-1) - true
