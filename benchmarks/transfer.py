"""How often images that one network was attacked with fool others.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/transfer.py
    python benchmarks/transfer.py --table
    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/transfer.py --search

Trains four small networks of different kinds on the same digit scenes, or with
`--data cifar10.npz` on CIFAR-10, and keeps them in `--networks`. Each attack
then runs on each network, and its images go to the three others. All attacks
start from the same test images, which all four networks classify correctly.
What was done is saved at once to benchmarks/results/transfer_<data>.json and
not done again, so that the command may be stopped and given again; `--minutes`
stops it by itself.

An image counts by the share of the twelve (source, target) pairs on which it
fools the target. The difference from MI-FGSM is paired by the image, and its
standard error is that of the mean over images: the networks are the same ones
throughout. Settings are those of the papers, but for steps (the library's
default), the kernel of TI (7, for images of 32x32) and the neighbors of VT (5);
none was chosen by its result. `--search` prints what other layers and shares
of FIA and other weights of ATA reach on the 200 images behind these.
"""

import argparse
import json
import pathlib
import sys
import time

import keras
import numpy as np

sys.path[:0] = [str(pathlib.Path(__file__).parents[1])]

import report  # noqa: E402
from transfer_networks import NETWORKS  # noqa: E402

import keras_attn_defense as kad  # noqa: E402

RESULTS = pathlib.Path(__file__).parent / "results"
DI = {"diversity": 0.5}
TI = {"smoothing": 7}
SI = {"scales": 5}
VT = {"neighbors": 5}
# Switches of the transfer attack; an objective by its name.
ATTACKS = {
    "MI": {},
    "DI": DI,
    "TI": TI,
    "FIA": {"objective": "importance"},
    "DI + TI": {**DI, **TI},
    "FIA + DI + TI": {"objective": "importance", **DI, **TI},
    "ATA": {"objective": "attention"},
    "NI": {"nesterov": True},
    "SI": SI,
    "VT": VT,
    "MI, 50 steps": {"steps": 50},
    "DI + TI + SI": {**DI, **TI, **SI},
    "DI + TI + VT": {**DI, **TI, **VT},
    "MI, small steps": {"step_size": "small"},
    "NI, small steps": {"step_size": "small", "nesterov": True},
}


def attack_of(name, args):
    """The attack of a name."""
    settings = {"steps": 10, "diversity": 0.0, **ATTACKS[name]}
    objectives = kad.attacks.objectives
    if settings.get("objective") == "importance":
        settings["objective"] = objectives.FeatureImportance(
            "middle", seed=args.seed
        )
    if settings.get("objective") == "attention":
        settings["objective"] = deviation(1.0)
    if settings.get("step_size") == "small":
        # Those of the papers on MI and NI, which only just reach the border.
        settings["step_size"] = args.epsilon / settings["steps"]
    return kad.attacks.TransferAttack(args.epsilon, seed=args.seed, **settings)


def trained(name, train, args):
    """A network, from an earlier run or trained now."""
    path = args.networks / f"{args.data_name}_{name}.keras"
    if path.exists():
        return keras.saving.load_model(path)
    keras.utils.set_random_seed(args.seed)
    model = NETWORKS[name]()
    steps = args.epochs * -(-len(train.images) // 128)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(train.images, train.labels, 128, epochs=args.epochs, verbose=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    return model


def fooled(model, x, y):
    """Which images are taken for another class, as text of zeros and ones."""
    predicted = model.predict(x, verbose=0, batch_size=64).argmax(-1)
    return "".join(str(int(wrong)) for wrong in predicted != y)


def prepared(args):
    """Networks, what each classifies correctly, and what all of them do."""
    if args.data == "digit_scenes":
        train, test = kad.datasets.load_digit_scenes(
            args.train, 1000, seed=args.seed
        )
    else:
        train, test = kad.datasets.load_npz(args.data)
        train = train._replace(
            images=train.images[: args.train], labels=train.labels[: args.train]
        )
    models = {name: trained(name, train, args) for name in NETWORKS}
    right = {
        name: model.predict(test.images, verbose=0).argmax(-1) == test.labels
        for name, model in models.items()
    }
    every = np.logical_and.reduce(list(right.values()))
    return models, right, test.images[every], test.labels[every]


def search(args):
    """Prints success on others with other settings of FIA and ATA."""
    models, _, images, labels = prepared(args)
    rows = slice(args.images, 2 * args.images)
    x, y = images[rows], labels[rows]
    objectives = kad.attacks.objectives

    def show(name, objective_for):
        shares = []
        for source, model in models.items():
            attack = kad.attacks.TransferAttack(
                args.epsilon, diversity=0.0, objective=objective_for(model)
            )
            found = attack.run(model, x, y, batch_size=100).images
            shares += [
                fooled(each, found, y).count("1") / len(y)
                for target, each in models.items()
                if target != source
            ]
        print(name, f"{np.mean(shares):.3f}", flush=True)

    show("MI", lambda model: "cross_entropy")
    for place, index in (("first", 0), ("middle", None), ("last", -1)):
        for drop in (0.1, 0.3):
            show(
                f"FIA, {place} layer, drop {drop}",
                lambda model, index=index, drop=drop: (
                    objectives.FeatureImportance(
                        layer_of(model, index), drop=drop, seed=args.seed
                    )
                ),
            )
    for weight in (1.0, 10.0, 1e3, 1e5):
        show(
            f"ATA, weight {weight:g}",
            lambda _, weight=weight: deviation(weight),
        )


def layer_of(model, index):
    """The middle, or one of the activations and joins by its place."""
    if index is None:
        return "middle"
    kinds = (keras.layers.ReLU, keras.layers.Activation)
    kinds += (keras.layers.Concatenate,)
    return [each for each in model.layers if isinstance(each, kinds)][index]


def deviation(weight):
    """ATA: the distance of maps as they are, before any normalization."""
    grad_cam = kad.attention.GradCAM(
        "middle", normalization=None, scale_gradients=False
    )
    return kad.attacks.objectives.AttentionDeviation(
        weight, "cross_entropy", attention=grad_cam
    )


def measure(args):
    """Trains, attacks, and saves each row as soon as it is done."""
    begin = time.time()
    models, right, images, labels = prepared(args)
    x, y = images[: args.images], labels[: args.images]
    clean = {name: float(each.mean()) for name, each in right.items()}
    print(clean, f"{len(images)} by all, {len(x)} attacked", flush=True)
    rows = saved(args)
    settings = {
        key: getattr(args, key)
        for key in ("epsilon", "train", "epochs", "images")
    }
    if rows:
        before = json.loads(path_of(args).read_text())
        before = {key: before[key] for key in settings}
        if before != settings:
            raise ValueError(
                f"{path_of(args)} has rows of {before}, not of {settings}. "
                "Give these settings, or move the file away."
            )
    done = {(row["attack"], row["source"]) for row in rows}
    # Whole attacks first, so that a part of the table is complete.
    for attack_name in ATTACKS:
        for source, model in models.items():
            if (attack_name, source) in done:
                continue
            if time.time() - begin > 60 * args.minutes:
                return
            attack = attack_of(attack_name, args)
            start = time.process_time()
            result = attack.run(model, x, y, batch_size=100)
            row = {
                "attack": attack_name,
                "source": source,
                "cpu_seconds": time.process_time() - start,
                "passes": int(result.forward_passes[0]),
                "fooled": {
                    target: fooled(each, result.images, y)
                    for target, each in models.items()
                },
            }
            shares = {
                k: v.count("1") / len(v) for k, v in row["fooled"].items()
            }
            print(attack_name, source, shares, flush=True)
            rows.append(row)
            report.write(
                path_of(args), args, **settings, clean=clean, rows=rows
            )


def path_of(args):
    return RESULTS / f"transfer_{args.data_name}.json"


def saved(args):
    path = path_of(args)
    return json.loads(path.read_text())["rows"] if path.exists() else []


def table(args):
    """Prints the results in Markdown."""
    rows = saved(args)
    success = {}
    for name in ATTACKS:
        its = [row for row in rows if row["attack"] == name]
        if len(its) == len(NETWORKS):
            success[name] = shares_of(its), its
    print(
        "| attack | passes | CPU | own network | others | difference from MI "
        f"| {' | '.join(NETWORKS)} |\n"
        "| --- | --- | --- | --- | --- | --- |" + " --- |" * len(NETWORKS)
    )
    (own_mi, base), _ = success["MI"]
    for name, ((own, others), its) in success.items():
        difference = (others - base).mean(0)
        error = 100 * difference.std(ddof=1) / len(difference) ** 0.5
        seconds = sum(row["cpu_seconds"] for row in its)
        # Those for the importance of features, which results do not count.
        before = 30 * (ATTACKS[name].get("objective") == "importance")
        passes = its[0]["passes"] + before
        words = [
            name,
            str(passes),
            f"{seconds:.0f} s",
            f"{100 * own.mean():.1f}",
            f"{100 * others.mean():.1f}",
            ""
            if name == "MI"
            else f"{100 * difference.mean():+.1f} ± {error:.1f}",
            *(f"{100 * each.mean():.1f}" for each in others),
        ]
        print(f"| {' | '.join(words)} |")


def shares_of(rows):
    """Success on the own network and on others: (sources, images)."""
    own, others = [], []
    for row in rows:
        bits = {k: np.array(list(v), int) for k, v in row["fooled"].items()}
        own.append(bits.pop(row["source"]))
        others.append(np.mean(list(bits.values()), axis=0))
    return np.array(own), np.array(others)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="digit_scenes", help="or a .npz file")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--train", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--epsilon", type=float, default=16 / 255)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9)
    folder = pathlib.Path("out/transfer")
    parser.add_argument("--networks", type=pathlib.Path, default=folder)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--search", action="store_true")
    args = parser.parse_args()
    args.backend = keras.backend.backend()
    is_scenes = args.data == "digit_scenes"
    args.data_name = args.data if is_scenes else "cifar10"
    if args.table:
        return table(args)
    search(args) if args.search else measure(args)


if __name__ == "__main__":
    main()
