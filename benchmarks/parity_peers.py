"""Robust accuracy beside torchattacks, Foolbox, ART and CleverHans (PyTorch).

    python benchmarks/parity_peers.py --networks networks/ --data cifar10.npz

The same attack with the same settings, of every library that has it, on two
networks (`train_networks.py` makes them). Attacks that look for the smallest
perturbation (DeepFool, C&W) are judged by the share of images whose
perturbation is larger than the radius.
"""

import argparse
import functools
import os
import pathlib
import sys

_FOLDER = pathlib.Path(__file__).parent
_RADII = {
    "plain": {"linf": 1 / 255, "l2": 0.15},
    "adversarial": {"linf": 8 / 255, "l2": 0.5},
}


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend = "torch"
    sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]
    # Imported here: Keras reads its backend when it is imported.
    import keras
    import numpy as np
    import report

    with np.load(options.data) as file:
        x = file["x_test"][: options.images].astype("float32") / 255
        y = file["y_test"][: options.images].reshape(-1).astype("int64")
    rows = []
    for name, radii in _RADII.items():
        model = keras.saving.load_model(options.networks / f"{name}.keras")
        right = model.predict(x, verbose=0).argmax(-1) == y
        for (attack, norm), libraries in _attacks().items():
            accuracy = {
                library: _accuracy(
                    build(model, radii[norm]),
                    model,
                    x[right],
                    y[right],
                    norm,
                    radii[norm],
                )
                * right.mean()
                for library, build in libraries.items()
            }
            rows.append({"network": name, "attack": attack, **accuracy})
            cells = (f"{k} {100 * v:.2f}" for k, v in accuracy.items())
            print(f"{name}, {attack}:", "  ".join(cells), flush=True)
            path = _FOLDER / "results" / "parity_peers.json"
            report.write(path, options, results=rows)


def _accuracy(attack, model, x, y, norm, radius):
    import numpy as np

    x_adv = np.asarray(attack(x, y))
    change = (x_adv - x).reshape(len(x), -1)
    order = np.inf if norm == "linf" else 2
    inside = np.linalg.norm(change, ord=order, axis=-1) <= radius * (1 + 1e-5)
    wrong = model.predict(x_adv, verbose=0).argmax(-1) != y
    return 1 - float((inside & wrong).mean())


def _attacks():
    """By name and norm: for each library, a builder of the attack."""
    import peers

    pgd = {
        name: functools.partial(_pgd, build)
        for name, build in peers.PEERS.items()
    }
    return {
        ("PGD-10", "linf"): pgd,
        ("APGD-CE", "linf"): {
            "keras_attn_defense": functools.partial(_ours, "apgd-ce"),
            "torchattacks": _torchattacks_apgd,
            "art": _art_apgd,
        },
        ("DeepFool", "l2"): {
            "keras_attn_defense": _our_deepfool,
            "foolbox": _foolbox_deepfool,
        },
        ("C&W, 5 x 100 steps", "l2"): {
            "keras_attn_defense": _our_cw,
            "foolbox": _foolbox_cw,
        },
    }


def _pgd(build, model, radius):
    settings = {"steps": 10, "batch_size": 128, "epsilon": radius}
    return build(model, {**settings, "step_size": radius / 4})


def _ours(name, model, radius):
    from keras_attn_defense import attacks

    attack = attacks.get(name, radius, seed=0)
    return lambda x, y: attack.run(model, x, y).images


def _our_deepfool(model, radius):
    from keras_attn_defense.attacks import DeepFool

    return lambda x, y: DeepFool().run(model, x, y).images


def _our_cw(model, radius):
    from keras_attn_defense.attacks import CarliniWagner

    attack = CarliniWagner(steps=100, binary_search_steps=5)
    return lambda x, y: attack.run(model, x, y).images


def _torchattacks_apgd(model, radius):
    import torchattacks

    from keras_attn_defense import adapters

    attack = adapters.from_torch(
        lambda module, epsilon: torchattacks.APGD(
            module, eps=epsilon, steps=100
        ),
        radius,
    )
    return lambda x, y: attack.run(model, x, y).images


def _art_apgd(model, radius):
    import peers
    from art.attacks.evasion import AutoProjectedGradientDescent

    attack = AutoProjectedGradientDescent(
        peers.art_classifier(model),
        eps=radius,
        eps_step=2 * radius,
        max_iter=100,
        nb_random_init=1,
        batch_size=128,
        loss_type="cross_entropy",
        verbose=False,
    )

    def run(x, y):
        crafted = attack.generate(x.transpose(0, 3, 1, 2), y)
        return crafted.transpose(0, 2, 3, 1)

    return run


def _foolbox_deepfool(model, radius):
    import foolbox

    return _foolbox(foolbox.attacks.L2DeepFoolAttack(), model)


def _foolbox_cw(model, radius):
    import foolbox

    attack = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=5, steps=100
    )
    return _foolbox(attack, model)


def _foolbox(attack, model):
    from keras_attn_defense import adapters

    attack = adapters.from_foolbox(attack)
    return lambda x, y: attack.run(model, x, y).images


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--networks", type=pathlib.Path, required=True)
    parser.add_argument("--data", required=True, help="a .npz file")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
