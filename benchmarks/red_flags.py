"""Are fake defenses found out, and honest networks left in peace?

    KERAS_BACKEND=torch python benchmarks/red_flags.py fakes
    KERAS_BACKEND=torch python benchmarks/red_flags.py honest --seeds 3

`fakes` evaluates every model of tests/evaluation/fake_defenses.py with the
quick set at 8/255 and compares with an upper bound of its robustness, from
attacks that are transferred from the network inside. `honest` trains networks
of twelve kinds and evaluates them. `cost` measures what the checks cost beside
the quick set. Results go to benchmarks/results/; `table` prints those of
`fakes` as they stand in docs/reliability.md.
"""

import argparse
import json
import pathlib
import sys
import time

import keras
from keras import layers

sys.path[:0] = [str(pathlib.Path(__file__).parents[1])]

import keras_attn_defense as kad  # noqa: E402
from tests.evaluation import fake_defenses  # noqa: E402

RESULTS = pathlib.Path(__file__).with_name("results")
SHAPE = fake_defenses.IMAGE_SHAPE


def fakes(args):
    """Yields a row for each fake defense."""
    network = fake_defenses.plain()
    x, y = fake_defenses.images_and_labels(96)
    known = fake_defenses.right(network, x, y, draws=1) > 0
    x, y = x[known][:64], y[known][:64]
    candidates = fake_defenses.transferred(network, x, y)
    makers = {"plain": lambda network: network, **fake_defenses.FAKES}
    for name, make in makers.items():
        if args.only and name not in args.only:
            continue
        model = make(network)
        bound = fake_defenses.upper_bound(model, candidates, y)
        epsilon = fake_defenses.EPSILON
        yield row(name, evaluate(model, x, y, [epsilon]), bound=bound)


def honest(args):
    """Yields a row for each honest network and seed."""
    train, test = kad.datasets.load_digit_scenes(
        4000, 500, image_size=24, clutter=0.3
    )
    for seed in range(args.seeds):
        for name, make in HONEST.items():
            if args.only and name not in args.only:
                continue
            keras.utils.set_random_seed(seed)
            x, y = train.images, train.labels
            x_test, y_test = test.images[:200], test.labels[:200]
            model = make()
            if name == "binary sigmoid":
                y, y_test = y % 2, y_test % 2
            fit(model, x, y, adversarial=name.startswith("adversarial"))
            keras.config.set_dtype_policy("float32")
            report = evaluate(
                model, x_test, y_test, [2 / 255, 8 / 255], attacks=args.attacks
            )
            yield row(f"{name}, seed {seed}", report)


def cost(args):
    """Yields the CPU time of the quick set without and with checks."""
    network = fake_defenses.plain()
    x, y = fake_defenses.images_and_labels(500)
    for count in (128, 500):
        seconds = []
        for checks in (False, True) * 4:
            start = time.process_time()
            evaluate(network, x[:count], y[:count], [8 / 255], checks=checks)
            seconds.append(time.process_time() - start)
        without, checked = min(seconds[2::2]), min(seconds[3::2])
        yield {
            "name": f"{count} images",
            "quick_seconds": without,
            "checks_share": checked / without - 1,
        }


def table():
    """Prints the results of `fakes` in Markdown."""
    path = RESULTS / f"red_flags_fakes_{keras.backend.backend()}.json"
    print("| fake | clean | at most | reported | flags |")
    print("| --- | --- | --- | --- | --- |")
    for each in json.loads(path.read_text()):
        (reported,) = each["reported"]
        shares = (each["clean"], each["bound"], reported)
        words = " | ".join(f"{100 * share:.1f}" for share in shares)
        name = each["name"].replace("_", " ")
        print(f"| {name} | {words} | {', '.join(each['raised']) or 'none'} |")


def evaluate(model, x, y, epsilons, checks=True, attacks="quick"):
    return kad.evaluate_robustness(
        model,
        x,
        y,
        attacks=attacks,
        epsilons=epsilons,
        checks=checks,
        verbose=0,
    )


def row(name, report, **more):
    """A dict of what the table shows."""
    return {
        "name": name,
        "clean": report.clean_accuracy,
        **more,
        "reported": list(report.robust_accuracy.values()),
        "raised": [flag.name for flag in report.flags if flag.raised],
        "not_checked": [f.name for f in report.flags if f.raised is None],
    }


def fit(model, x, y, adversarial):
    model.compile(keras.optimizers.Adam(1e-3), _loss(model))
    model.fit(x, y, epochs=12, batch_size=64, verbose=0)
    if adversarial:
        model = kad.AttentionDefendedModel(
            model,
            kad.attacks.PGD(4 / 255, steps=3),
            validation_attack=None,
            rectification_weight=0.0,
            preservation_weight=0.0,
            classification_weight=1.0,
        )
        model.compile(keras.optimizers.Adam(1e-3), _loss(model))
        model.fit(x, y, epochs=6, batch_size=64, verbose=0)


def _loss(model):
    if isinstance(model, kad.AttentionDefendedModel):
        model = model.base
    if model.output_shape[-1] == 1:
        return "binary_crossentropy"
    is_softmax = model.layers[-1].name.startswith("softmax")
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=not is_softmax
    )


def convolutional(*, norm=None, activation="relu", head=(), pool=True):
    stack = [keras.Input(SHAPE)]
    for filters in (12, 20, 28):
        stack.append(layers.Conv2D(filters, 3, strides=2, padding="same"))
        if norm is not None:
            stack.append(norm())
        stack.append(layers.Activation(activation))
    stack.append(layers.Flatten())
    return keras.Sequential([*stack, *(head or [layers.Dense(10)])])


def pooled():
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(12, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(24, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(10, activation="softmax", name="softmax"),
        ]
    )


def residual():
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(16, 3, strides=2, padding="same")(inputs)
    for _ in range(2):
        y = layers.BatchNormalization()(x)
        y = layers.Conv2D(16, 3, padding="same")(layers.ReLU()(y))
        x = layers.Add()([x, y])
    x = layers.AveragePooling2D(3)(layers.ReLU()(x))
    return keras.Model(inputs, layers.Dense(10)(layers.Flatten()(x)))


def transformer():
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(24, 4, strides=4)(inputs)
    x = layers.Reshape((-1, 24))(x)
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, 12)(y, y)])
        y = layers.Dense(48, "gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(24)(y)])
    return keras.Model(inputs, layers.Dense(10)(layers.Flatten()(x)))


def dense(*hidden):
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Rescaling(2.0, -1.0),
            layers.Flatten(),
            *(layers.Dense(units, "relu") for units in hidden),
            layers.Dense(10),
        ]
    )


def half():
    keras.config.set_dtype_policy("mixed_bfloat16")
    return convolutional(
        head=[layers.Dense(10), layers.Activation("linear", dtype="float32")]
    )


HONEST = {
    "plain": convolutional,
    "batch normalization": lambda: convolutional(
        norm=layers.BatchNormalization
    ),
    "layer normalization, gelu": lambda: convolutional(
        norm=layers.LayerNormalization, activation="gelu"
    ),
    "max pooling, dropout, softmax": pooled,
    "residual": residual,
    "transformer": transformer,
    "two dense layers": lambda: dense(64),
    "linear": dense,
    "binary sigmoid": lambda: convolutional(
        head=[layers.Dense(1, activation="sigmoid")]
    ),
    "mixed bfloat16": half,
    "adversarial": convolutional,
    "adversarial, tanh": lambda: convolutional(activation="tanh"),
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("part", choices=("fakes", "honest", "cost", "table"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--attacks", default="quick", help="of `honest`")
    args = parser.parse_args()
    if args.part == "table":
        return table()
    part = {"fakes": fakes, "honest": honest, "cost": cost}[args.part]
    found, backend = [], keras.backend.backend()
    for each in part(args):
        found.append(each)
        print(json.dumps(each), flush=True)
        if not args.only:
            path = RESULTS / f"red_flags_{args.part}_{backend}.json"
            path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
