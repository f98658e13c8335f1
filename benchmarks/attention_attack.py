"""The attack on attention beside PGD and APGD, at equal numbers of passes.

    python benchmarks/attention_attack.py --data digit_scenes \\
        --networks out/plain.keras out/adversarial.keras out/defended.keras

(`examples/quickstart.py` trains these three.) A step of PGD takes one forward
and one backward pass, a step of AttentionAttack one backward pass more, that
of the class score. Settings are searched on the first half of the images, stage
by stage: the mean success over the networks decides, and PGD is searched too.
The second half is for the results. Success is counted among the images that a
network classifies correctly; transfer among those that both do. Overlap is the
intersection over union of the attention areas before and after (above 0.2 of
the maximum), distance the L2 distance of the two maps, each divided by its
length. Standard errors are binomial, those of differences from PGD paired;
"only here" are the images that PGD leaves standing.
"""

import argparse
import os
import pathlib
import sys

_FOLDER = pathlib.Path(__file__).parent
_START = [{"random_start": False}]
_OBJECTIVES = [{"objective": name} for name in ("margin", "dlr")]
# One stage after another, each on top of the best so far; large weights first,
# so that of equals the one that moves the attention more is taken.
_STAGES = [
    [
        {"deviation_weight": weight, "objective": objective, "form": form}
        for weight in (100.0, 10.0, 1.0, 0.1)
        for objective in ("cross_entropy", "margin", "dlr")
        for form in ("area", "map")
    ],
    [
        {"schedule": schedule}
        for schedule in ("linear", "cosine", "switched", "alternating")
    ],
    _START,
    [{"region": "inside"}, {"region": "outside"}],
]


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]
    # Imported here: Keras reads its backend when it is imported.
    import keras
    import report
    from attention_trial import Trial
    from attention_trial import compare
    from attention_trial import show

    images, labels = _data(options)
    networks = {}
    for path in options.networks:
        model = keras.saving.load_model(path)
        networks[path.stem] = getattr(model, "base", model)
    half = len(images) // 2
    tuning = Trial(networks, images[:half], labels[:half], options)
    test = Trial(networks, images[half:], labels[half:], options)
    searched = {"attention": [], "PGD": []}
    found = {
        "attention": _search(
            tuning,
            lambda **settings: _attention(options, **settings),
            {},
            _STAGES,
            searched["attention"],
        ),
        "PGD": _search(
            tuning,
            lambda **settings: _pgd(options, **settings),
            {},
            [[{}], _OBJECTIVES, _START],
            searched["PGD"],
        ),
    }
    rows = []
    for name, attack in _contestants(options, found).items():
        rows += test.rows(name, attack)
    compare(rows)
    for row in rows:
        show(row)
    name = f"attention_attack_{options.data.stem}.json"
    report.write(
        _FOLDER / "results" / name,
        options,
        searched=searched,
        found=found,
        results=rows,
    )


def _search(trial, build, best, stages, rows):
    """The settings of most success, stage by stage."""
    most = -1.0
    for stage in stages:
        start = best
        for change in stage:
            settings = {**start, **change}
            success = trial.success(build(**settings))
            rows.append({**settings, "success": success})
            mean = sum(success.values()) / len(success)
            print(f"{100 * mean:6.2f}", settings, flush=True)
            if mean > most:
                best, most = settings, mean
    return best


def _contestants(options, found):
    from keras_attn_defense.attacks import APGD
    from keras_attn_defense.attacks.objectives import AttentionDeviation

    # Before its first step it evaluates once.
    apgd = {"steps": options.passes // 2 - 1, "seed": options.seed}
    authors = {"objective": "cross_entropy", "form": "area"}
    attention = {
        "default": {},
        "weight 1": {"deviation_weight": 1.0},
        "strongest": found["attention"],
        "authors": authors,
        "authors, stopped at 0.6": {**authors, "stop_at_iou": 0.6},
        "deviation alone": {"objective": None},
        "deviation alone, area": {"objective": None, "form": "area"},
        "inside": {"region": "inside"},
        "inside, weight 0": {"region": "inside", "deviation_weight": 0.0},
        "outside": {"region": "outside"},
        "outside, weight 0": {"region": "outside", "deviation_weight": 0.0},
    }
    steps = _attention(options).steps
    deviation = AttentionDeviation(10.0, "margin")
    return {
        "PGD": _pgd(options),
        "PGD, strongest": _pgd(options, **found["PGD"]),
        "PGD, as many steps": _pgd(options, steps=steps),
        "APGD-CE": APGD(**apgd),
        "APGD-DLR": APGD(objective="dlr", **apgd),
        "APGD, margin and attention": APGD(
            steps=steps - 1, objective=deviation, seed=options.seed
        ),
        **{
            f"attention, {name}": _attention(options, **settings)
            for name, settings in attention.items()
        },
    }


def _pgd(options, **settings):
    from keras_attn_defense.attacks import PGD

    return PGD(**{"steps": options.passes // 2, **settings}, seed=options.seed)


def _attention(options, **settings):
    from keras_attn_defense.attacks import AttentionAttack

    # The map of the clean image is one more.
    steps = options.passes // 3 - 1
    return AttentionAttack(steps=steps, seed=options.seed, **settings)


def _data(options):
    import numpy as np

    from keras_attn_defense import datasets

    if options.data.name == "digit_scenes":
        test = datasets.load_digit_scenes()[1]
        images, labels = test.images, test.labels
    else:
        with np.load(options.data) as file:
            images, labels = file["x_test"] / 255.0, file["y_test"]
    images = np.asarray(images[: options.images], "float32")
    return images, labels[: options.images].reshape(-1).astype("int32")


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--backend", default="torch")
    parser.add_argument(
        "--networks", type=pathlib.Path, nargs="+", required=True
    )
    parser.add_argument(
        "--data",
        type=pathlib.Path,
        default="digit_scenes",
        help="digit_scenes, or a .npz file with x_test and y_test",
    )
    parser.add_argument(
        "--epsilons", type=float, nargs="+", help="one for each network"
    )
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--passes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.epsilons = options.epsilons or [8 / 255] * len(options.networks)
    return options


if __name__ == "__main__":
    main()
