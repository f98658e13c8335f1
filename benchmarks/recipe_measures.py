"""What `recipes.py` measures of a network, while and after it trains."""

import numpy as np

from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import AutoAttack


def watch(model, test, epsilon):
    """Accuracy on a few test images, clean and attacked, after an epoch."""
    x, y = (part[:500] for part in test)
    attacks = {
        "fgsm": FGSM(epsilon),
        "pgd_10": PGD(epsilon, steps=10, seed=0),
    }
    found = {"clean": accuracy(model, x, y)}
    for name, attack in attacks.items():
        found[name] = float(np.mean(resists(attack, model, x, y)))
    return found


def measure(model, test, options):
    """Accuracy at the end: clean on all, the worst case on some images."""
    epsilon = options.epsilon / 255
    strong = {"step_size": epsilon / 4, "steps": 50, "restarts": 10, "seed": 0}
    # The last one climbs the cross-entropy and the terms on attention.
    attacks = {
        "fgsm": (FGSM(epsilon), options.test_images),
        "pgd_50_10": (PGD(epsilon, **strong), options.test_images),
        "autoattack": (AutoAttack(epsilon, seed=0), options.auto_attack),
        "adaptive": (
            PGD(epsilon, objective="defense", **strong),
            options.adaptive,
        ),
    }
    right = {}
    for name, (attack, images) in attacks.items():
        if images:
            x, y = (part[:images] for part in test)
            right[name] = resists(attack, model, x, y)
    found = {"clean": accuracy(model, *test)}
    found |= {name: float(np.mean(each)) for name, each in right.items()}
    if options.adaptive:
        # An image counts if it resists all attacks.
        common = min(map(len, right.values()))
        worst = np.all([each[:common] for each in right.values()], axis=0)
        found["worst"] = float(np.mean(worst))
    return found


def resists(attack, model, x, y):
    """Tells which images keep their label under an attack."""
    x_adv = attack.run(model, x, y, batch_size=500).images
    return model.predict(x_adv, batch_size=500, verbose=0).argmax(-1) == y


def accuracy(model, x, y):
    predicted = model.predict(x, batch_size=500, verbose=0).argmax(-1)
    return float(np.mean(predicted == y))
