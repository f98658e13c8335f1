"""Does a larger epsilon break more images?"""

import numpy as np

_SHARE = 0.05


def accuracy_does_not_fall(context):
    """Raised if fresh attacks with larger epsilons do not break more."""
    images, _ = context.sample()
    threat, attack = context.threat, context.iterative()
    smallest, huge = threat.epsilons[0], threat.huge_epsilon(images.shape[1:])
    epsilons = [smallest, float(np.sqrt(smallest * huge)), huge]
    standing = [int((~context.run(attack, e)[1]).sum()) for e in epsilons]
    tolerated = max(1, _SHARE * len(images))
    rises = np.diff(standing).max() > tolerated
    flat = standing[0] > tolerated > standing[0] - standing[-1]
    words = ", ".join(
        f"{count} at {epsilon:.3g}"
        for count, epsilon in zip(standing, epsilons, strict=True)
    )
    sentence = f"Of {len(images)} images withstand: {words}."
    if rises or flat:
        return True, (
            f"{sentence} A larger ball holds all that a smaller one does, so "
            "the attack is lost on this model."
        )
    return False, sentence
