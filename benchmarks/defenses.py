"""What defenses claimed, and what they are worth.

    KERAS_BACKEND=torch python benchmarks/defenses.py
    KERAS_BACKEND=torch python benchmarks/defenses.py --data cifar10.npz
    python benchmarks/defenses.py --table

Trains a small network on digit scenes or CIFAR-10, puts each defense of
`kad.defenses` in front of it, and measures three accuracies on test images
that the network classifies correctly:

- clean;
- ignored: of images that PGD crafted on the network alone (for a distilled
  network, which is another one: on it, at temperature one);
- adaptive: what `kad.evaluate_robustness` reports, which asks the defense how
  it has to be attacked.

Each defense is saved to benchmarks/results/defenses_<data>.json when it is
done, and not measured again without `--again`. `--table` prints the table of
docs/defenses.md.
"""

import argparse
import json
import pathlib
import sys
import time

import keras
import numpy as np
from keras import layers

_FOLDER = pathlib.Path(__file__).parent
sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]

import report  # noqa: E402

import keras_attn_defense as kad  # noqa: E402
from keras_attn_defense import defenses  # noqa: E402

RESULTS = pathlib.Path(__file__).with_name("results")
PREDICTIONS = 8
EPSILONS = {"digit_scenes": 8 / 255, "cifar10": 4 / 255}
TITLES = {"digit_scenes": "scenes", "cifar10": "CIFAR-10"}
# It trains a network for each answer: a quarter of the images has to do.
_SLOW = "OnlineGenerator"
# What was said of it, by its authors.
CLAIMS = {
    "BitDepthReduction": "with the best of its kind, 60 % of strong gray-box "
    "and 90 % of strong black-box attacks fail",
    "JPEGCompression": "the same",
    "TotalVariationMinimization": "the same",
    "CropRescale": "the same",
    "RandomResizePad": "second among the defenses of NIPS 2017",
    "StochasticActivationPruning": "robust without training",
    "AntiAdversary": "more robust, without training, at no clean cost",
    "OnlineGenerator": "a copy without the perturbation",
    "GuidedDenoiser": "first among the defenses of NIPS 2017",
    "APEGAN": "much lower errors",
    "SuperResolution": "back to natural images",
    "CompressAndRestore": "close to clean images",
    "distill": "success of attacks from 95 % to below 0.5 % (MNIST)",
}


def measure(args):
    """Yields a row for each defense, and one for none."""
    train, test = data_of(args)
    plain = trained(network(train.images.shape[1:]), train, args)
    right = plain.predict(test.images, verbose=0).argmax(-1) == test.labels
    x = test.images[right][: args.images]
    y = test.labels[right][: args.images]
    print(f"{right.mean():.1%} of test images are right", flush=True)
    attack = kad.attacks.PGD(args.epsilon, steps=40, seed=1)
    found = attack.run(plain, x, y).images
    yield row(title("none", args), plain, x, y, found, 0.0, args)
    for name, make in makers(plain, train, args).items():
        if wanted(name, args):
            keras.utils.set_random_seed(args.seed)
            start = time.perf_counter()
            model = make()
            if isinstance(model, tuple):  # Another network than `plain`.
                model, alone = model
                its = attack.run(alone, x, y).images
            else:
                its = found
            seconds = time.perf_counter() - start
            count = len(x) // 4 if name == _SLOW else len(x)
            few = (part[:count] for part in (x, y, its))
            yield row(title(name, args), model, *few, seconds, args)


def makers(plain, train, args):
    """Functions that return a defended network, by the defense's name."""
    few = train.images[: args.learn], train.labels[: args.learn]
    settings = {"epochs": args.learn_epochs, "learning_rate": 2e-3}
    attack = kad.attacks.PGD(args.epsilon, steps=10, seed=0)

    def in_front(defense):
        with_draws(defense, args)
        return lambda: defenses.defend(plain, defense)

    def learned(defense):
        with_draws(defense, args)

        def make():
            defense.learn(plain, *few, attack=attack, **settings)
            return defenses.defend(plain, defense)

        return make

    def restored(defense):
        with_draws(defense, args)

        def make():
            defense.learn(few[0], **settings)
            return defenses.defend(plain, defense)

        return make

    def distilled():
        shape = train.images.shape[1:]
        teacher, student = network(shape), network(shape)
        model = defenses.distill(
            teacher,
            student,
            train.images,
            train.labels,
            temperature=20.0,
            epochs=args.epochs,
            learning_rate=2e-3,
        )
        return model, student

    return {
        "BitDepthReduction": in_front(defenses.BitDepthReduction(3)),
        "JPEGCompression": in_front(defenses.JPEGCompression(75)),
        "TotalVariationMinimization": in_front(
            defenses.TotalVariationMinimization(seed=0)
        ),
        "CropRescale": in_front(defenses.CropRescale(0.8, seed=0)),
        "RandomResizePad": in_front(defenses.RandomResizePad(seed=0)),
        "StochasticActivationPruning": in_front(
            defenses.StochasticActivationPruning(seed=0)
        ),
        "AntiAdversary": in_front(defenses.AntiAdversary()),
        "OnlineGenerator": in_front(defenses.OnlineGenerator(steps=60, seed=0)),
        "GuidedDenoiser": learned(defenses.GuidedDenoiser()),
        "APEGAN": learned(defenses.APEGAN()),
        "SuperResolution": restored(
            defenses.SuperResolution(filters=16, blocks=2)
        ),
        "CompressAndRestore": restored(defenses.CompressAndRestore(seed=0)),
        "distill": distilled,
    }


def row(name, model, x, y, found, seconds, args):
    """A dict of what the table shows."""
    start = time.perf_counter()
    steps = 60 if args.thorough else 20
    robustness = kad.evaluate_robustness(
        model,
        x,
        y,
        attacks={
            "pgd": kad.attacks.PGD(steps=steps, restarts=2, seed=0),
            "margin": kad.attacks.PGD(steps=steps, objective="margin", seed=0),
            "square": kad.attacks.Square(
                queries=200, rescale_schedule=True, seed=0
            ),
        },
        epsilons=[args.epsilon],
        batch_size=64,
        verbose=0,
    )
    (adaptive,) = robustness.robust_accuracy.values()
    return {
        "name": name,
        "clean": accuracy(model, x, y),
        "ignored": accuracy(model, found, y),
        "adaptive": adaptive,
        "attacks": {
            line.attack: line.accuracy
            for line in robustness.rows
            if line.attack not in ("clean", "worst case")
        },
        "raised": [flag.name for flag in robustness.flags if flag.raised],
        "not_checked": [f.name for f in robustness.flags if f.raised is None],
        "images": len(x),
        "epsilon": args.epsilon,
        "learning_seconds": seconds,
        "seconds": time.perf_counter() - start,
    }


def accuracy(model, x, y):
    """The mean of some predictions, of which random models give several."""
    right = [
        model.predict(x, verbose=0, batch_size=64).argmax(-1) == y
        for _ in range(PREDICTIONS)
    ]
    return float(np.mean(right))


def network(shape):
    """A small network with logits."""
    stack = [keras.Input(shape)]
    for filters in (24, 48, 96):
        stack += [
            layers.Conv2D(
                filters, 3, strides=2, padding="same", use_bias=False
            ),
            layers.BatchNormalization(),
            layers.ReLU(),
        ]
    stack += [layers.Flatten(), layers.Dropout(0.3), layers.Dense(10)]
    return keras.Sequential(stack, name="plain")


def trained(model, train, args):
    """Trains the network, or loads it from an earlier run."""
    path = args.networks and args.networks / f"{args.data_name}.keras"
    if path and path.exists():
        return keras.saving.load_model(path)
    steps = args.epochs * -(-len(train.images) // 128)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(train.images, train.labels, 128, epochs=args.epochs, verbose=2)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(path)
    return model


def data_of(args):
    """Training and test images."""
    if args.data_name == "digit_scenes":
        return kad.datasets.load_digit_scenes(args.train, 1000, seed=args.seed)
    train, test = kad.datasets.load_npz(args.data)
    return (
        train._replace(
            images=train.images[: args.train], labels=train.labels[: args.train]
        ),
        test._replace(images=test.images[:1000], labels=test.labels[:1000]),
    )


def with_draws(defense, args):
    """Has attacks average over more draws of a random defense, if asked."""
    if args.thorough and hasattr(defense, "draws"):
        defense.draws *= 3


def title(name, args):
    """The name of a row."""
    return f"{name}, thorough" if args.thorough else name


def wanted(name, args):
    known = {each["name"] for each in load(args)}
    if args.only:
        return name in args.only
    return args.again or title(name, args) not in known


def path_of(data_name):
    return RESULTS / f"defenses_{data_name}.json"


def settings_of(args):
    """Returns what all rows have in common."""
    names = "train epochs learn learn_epochs images seed".split()
    return {name: getattr(args, name) for name in names}


def load(args):
    """Returns the rows so far, which are of the same settings."""
    unsaid = {"images": 100, "seed": 0}
    file = report.read(path_of(args.data_name), settings_of(args), unsaid)
    return file.get("rows", [])


def save(found, args):
    """Writes a row into the results, in the place of an older one."""
    rows = {each["name"]: each for each in load(args)}
    rows[found["name"]] = found
    report.write(
        path_of(args.data_name),
        args,
        settings=settings_of(args),
        rows=list(rows.values()),
    )


def rows_of(data_name):
    """Returns the rows of one kind of data, whatever their settings."""
    path = path_of(data_name)
    return json.loads(path.read_text())["rows"] if path.exists() else []


def table():
    """Prints the results of all data in Markdown, in percent."""
    shares = ("clean", "ignored", "adaptive")
    found = {
        TITLES[name]: {row["name"]: row for row in rows_of(name)}
        for name in EPSILONS
    }
    heads = [f"{name}, {share}" for name in found for share in shares]
    print("| defense | claimed |", " | ".join(heads), "|")
    print("| --- " * (2 + len(heads)) + "|")
    flags = []
    for name in ["none", *CLAIMS]:
        cells = [name, CLAIMS.get(name, "")]
        for data, rows in found.items():
            row = rows.get(name)
            cells += [f"{100 * row[s]:.0f}" if row else "" for s in shares]
            if row and row["raised"]:
                flags.append(f"{name}, {data}: {', '.join(row['raised'])}")
        print("|", " | ".join(cells), "|")
    print("Raised:", "; ".join(flags) or "nothing")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="digit_scenes", help="or a .npz file")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--train", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--learn", type=int, default=3000, help="of purifiers")
    parser.add_argument("--learn-epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--again", action="store_true")
    parser.add_argument(
        "--thorough",
        action="store_true",
        help="three times the steps and the draws; rows of their own",
    )
    parser.add_argument("--networks", type=pathlib.Path, help="to keep them")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if args.table:
        return table()
    is_scenes = args.data == "digit_scenes"
    args.data_name = "digit_scenes" if is_scenes else "cifar10"
    args.epsilon = EPSILONS[args.data_name]
    args.backend = keras.backend.backend()
    load(args)  # Before hours of work, not after.
    keras.utils.set_random_seed(args.seed)
    for found in measure(args):
        print(json.dumps(found), flush=True)
        save(found, args)


if __name__ == "__main__":
    main()
