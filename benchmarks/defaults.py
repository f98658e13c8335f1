"""The default and the presets beside plain adversarial training.

    python benchmarks/defaults.py --seeds 0 1

Trains the quickstart's network on digit scenes in several ways under one
budget. Reports accuracy (clean, PGD-20) and what attention does: the overlap
of the attention area with the digit's box, before and after the attack (the
area has as many pixels as the box), and of the area before with that after.
"""

import argparse
import os
import pathlib
import sys

import numpy as np

_FOLDER = pathlib.Path(__file__).parent
_NAMES = [
    "adversarial training",
    "default",
    "default, preservation 8",
    "paper",
    "paper, epsilon ramp",
    "authors",
    "authors, epsilon ramp",
]


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend
    root = _FOLDER.parent
    sys.path[:0] = [str(root), str(root / "examples"), str(_FOLDER)]
    # Imported here: Keras reads its backend when it is imported.
    import report

    rows = []
    print(f"{'':<28}  clean  PGD-20     box  attacked    kept")
    for seed in options.seeds:
        for name in options.names:
            row = {"name": name, "seed": seed, **_run(name, seed, options)}
            rows.append(row)
            values = [f"{v:7.3f}" for v in list(row.values())[2:]]
            print(f"{name + ', seed ' + str(seed):<28}", *values, flush=True)
        # After each seed: a long run that is stopped leaves its results.
        options.seed = options.seeds[0]
        path = _FOLDER / "results" / "defaults.json"
        report.write(path, options, results=rows)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--backend", default="tensorflow")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--images", type=int, default=4032)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--names", nargs="+", default=_NAMES, choices=_NAMES)
    return parser.parse_args()


def _run(name, seed, options):
    import keras
    import quickstart

    import keras_attn_defense as kad

    keras.utils.set_random_seed(seed)
    train, test = kad.datasets.load_digit_scenes(options.images, 1000)
    base = quickstart.build_network((32, 32, 3), 10)
    kind, *extra = name.split(", ")
    ramp, strong = "epsilon ramp" in extra, "preservation 8" in extra
    if kind in ("paper", "authors"):
        model = kad.AttentionDefendedModel.from_preset(kind, base)
    else:
        weights = {"preservation_weight": 0.5} if strong else {}
        if kind == "adversarial training":
            weights = quickstart.WITHOUT_ATTENTION
        model = kad.AttentionDefendedModel(base, **weights)
    steps = options.epochs * (options.images // 64) * model.adversarial_rounds
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        steps - steps // 5,
        warmup_target=quickstart.LEARNING_RATE,
        warmup_steps=steps // 5,
    )
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy"
    )
    schedule = kad.callbacks.DefenseSchedule(epsilon_ramp=4 if ramp else 0)
    model.fit(
        train.images,
        train.labels,
        batch_size=64,
        epochs=options.epochs,
        callbacks=[schedule],
        verbose=0,
    )
    return _measure(base, test)


def _measure(base, test):
    from keras import ops

    import keras_attn_defense as kad

    images, labels, boxes = test
    attack = kad.attacks.PGD(steps=20, seed=0)
    cam = kad.attention.GradCAM(model=base, normalization="softmax")
    batches = [slice(i, i + 200) for i in range(0, len(images), 200)]

    def over(function, *arrays):
        parts = [function(*(a[batch] for a in arrays)) for batch in batches]
        return np.concatenate([ops.convert_to_numpy(part) for part in parts])

    attacked = over(lambda x, y: attack(base, x, y), images, labels)
    box = _inside(boxes, images.shape[1])
    count = box.sum((1, 2))
    clean = _largest(over(cam, images, labels), count)
    moved = _largest(over(cam, attacked, labels), count)
    predicted = [over(base, x).argmax(-1) for x in (images, attacked)]
    return {
        "clean": float((predicted[0] == labels).mean()),
        "PGD-20": float((predicted[1] == labels).mean()),
        "box": _overlap(clean, box),
        "box, attacked": _overlap(moved, box),
        "kept": _overlap(clean, moved),
    }


def _inside(boxes, size):
    middle = (np.arange(size) + 0.5) / size
    columns = (middle >= boxes[:, :1]) & (middle < boxes[:, 2:3])
    rows = (middle >= boxes[:, 1:2]) & (middle < boxes[:, 3:])
    return rows[:, :, None] & columns[:, None, :]


def _largest(maps, count):
    flat = maps.reshape(len(maps), -1)
    rank = (-flat).argsort(1, kind="stable").argsort(1)
    return (rank < count[:, None]).reshape(maps.shape)


def _overlap(areas, others):
    both, either = areas & others, areas | others
    return float(np.mean(both.sum((1, 2)) / either.sum((1, 2))))


if __name__ == "__main__":
    main()
