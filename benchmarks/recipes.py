"""Compares recipes of robust training under one budget.

    python benchmarks/recipes.py --data cifar10.npz --network conv4 \\
        --epsilon 10 --recipes fgsm grad-align --seeds 1 2 --out fgsm_conv4

Each recipe sees the same images in the same order from the same initial
weights. Every `--watch` epochs the model is saved, so a run that was killed
goes on where it was: call it again. `--minutes` ends a call early, for machines
that lend time in pieces. Results go to `benchmarks/results/recipes_<out>.json`;
`--table RECIPE` prints them, with the differences from that recipe, paired by
the seed.
"""

import argparse
import json
import os
import pathlib
import sys
import time

import numpy as np

_FOLDER = pathlib.Path(__file__).parent


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend
    sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]
    # Imported here: Keras reads its backend when it is imported.
    import recipe_data
    import report

    train, test = recipe_data.load(options.data, options.images)
    path = _FOLDER / "results" / f"recipes_{options.out}.json"
    rows = results_of(path, options)
    if options.table:
        return table(rows, options.table)
    if options.watch < options.epochs and any(
        recipe.startswith("averaged ") for recipe in options.recipes
    ):
        raise ValueError("Averages end with a call of `fit`: --watch EPOCHS.")
    known = {(row["recipe"], row["seed"]) for row in rows}
    deadline = time.monotonic() + 60 * options.minutes
    options.state.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        for recipe in options.recipes:
            if (recipe, seed) in known:
                continue
            row = run(recipe, seed, train, test, options, deadline)
            if row is None:
                print("out of time: call again to go on")
                return
            show(row)
            # Another call may have written rows of other seeds meanwhile.
            rows = [*results_of(path, options), row]
            options.seed = options.seeds[0]
            report.write(
                path, options, settings=_settings(options), results=rows
            )


def results_of(path, options):
    """Returns what a file has so far, which is of the same settings."""
    if not path.exists():
        return []
    report = json.loads(path.read_text())
    # Earlier files have no word of these.
    unsaid = {"data": _settings(options)["data"], "teacher": "digits"}
    unsaid |= {"warm_up": 0, "ramp": 0}
    settings = {**unsaid, **report["settings"]}
    if settings != _settings(options):
        raise ValueError(
            f"{path} has results of other settings, {settings}. "
            f"These are {_settings(options)}. Give another `--out`."
        )
    return report["results"]


def run(recipe, seed, train, test, options, deadline):
    """Trains one recipe to the end and measures it; None if time is out."""
    import keras
    import recipe_arms
    import recipe_data

    import keras_attn_defense as kad

    stem = f"{options.out}_{recipe}_{seed}".replace(" ", "_").replace(",", "")
    log = options.state / f"{stem}.json"
    history = results_of(log, options)

    def saved(epochs):
        return options.state / f"{stem}_{epochs}.keras"

    keras.utils.set_random_seed(seed)
    if history:
        model = keras.saving.load_model(saved(len(history)))
    else:
        model = build(recipe, seed, *train, options)
    while len(history) < options.epochs:
        if time.monotonic() > deadline:
            return None
        done = len(history)
        # Up to the next epoch that is watched. In one call of `fit`, for
        # callbacks that carry something from epoch to epoch.
        goal = min((done // options.watch + 1) * options.watch, options.epochs)
        images = recipe_data.Epochs(
            train, options.batch, seed, recipe_data.mirrors(options.data)
        )
        schedule = kad.callbacks.DefenseSchedule(options.warm_up, options.ramp)
        start = time.process_time()
        logs = model.fit(
            images,
            initial_epoch=done,
            epochs=goal,
            shuffle=False,
            callbacks=[
                images.callback,
                schedule,
                *recipe_arms.callbacks(recipe),
            ],
            verbose=0,
        ).history
        seconds = (time.process_time() - start) / (goal - done)
        history += [
            {"cpu_s": seconds, **{k: float(v[i]) for k, v in logs.items()}}
            for i in range(goal - done)
        ]
        history[-1] |= watch(model, test, options)
        text = "  ".join(
            f"{k} {history[-1][k]:.3f}" for k in ("clean", "fgsm", "pgd_10")
        )
        print(f"{recipe}, seed {seed}, epoch {goal}:  {text}", flush=True)
        # A kill between these lines repeats the epochs, no more.
        model.save(saved(goal))
        log.write_text(
            json.dumps({"settings": _settings(options), "results": history})
        )
        saved(done).unlink(missing_ok=True)
    measured = measure(model, test, options)
    cpu = sum(epoch["cpu_s"] for epoch in history)
    row = {"recipe": recipe, "seed": seed, **measured, "cpu_s": cpu}
    return {**row, "epochs": history}


def build(recipe, seed, x, y, options):
    """Returns a compiled defended model."""
    import keras
    import networks
    import recipe_arms

    import keras_attn_defense as kad

    base = networks.NETWORKS[options.network](
        seed=seed,
        classes=int(y.max()) + 1,
        size=x.shape[1],
        channels=x.shape[-1],
    )
    arguments = recipe_arms.arguments(
        recipe, options.epsilon / 255, options.teacher
    )
    model = kad.AttentionDefendedModel(
        base, validation_attack=None, **arguments
    )
    steps = options.epochs * -(-len(x) // options.batch)
    schedule = recipe_arms.Triangle(options.rate, steps)
    optimizer = keras.optimizers.Adam(schedule)
    if options.sgd:
        optimizer = keras.optimizers.SGD(
            schedule, momentum=0.9, weight_decay=5e-4
        )
    model.compile(
        optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def watch(model, test, options):
    """Accuracy on a few test images, clean and attacked, after an epoch."""
    import keras_attn_defense as kad

    x, y = (part[:500] for part in test)
    epsilon = options.epsilon / 255
    attacks = {
        "fgsm": kad.attacks.FGSM(epsilon),
        "pgd_10": kad.attacks.PGD(epsilon, steps=10, seed=0),
    }
    found = {"clean": accuracy(model, x, y)}
    for name, attack in attacks.items():
        x_adv = attack.run(model.base, x, y, batch_size=500).images
        found[name] = accuracy(model, x_adv, y)
    return found


def measure(model, test, options):
    """Accuracy at the end: clean on all, the worst case on some images."""
    import keras_attn_defense as kad

    x, y = (part[: options.test_images] for part in test)
    epsilon = options.epsilon / 255
    attacks = {
        "fgsm": kad.attacks.FGSM(epsilon),
        "pgd_50_10": kad.attacks.PGD(
            epsilon, epsilon / 4, steps=50, restarts=10, seed=0
        ),
    }
    found = {"clean": accuracy(model, *test)}
    for name, attack in attacks.items():
        x_adv = attack.run(model.base, x, y, batch_size=500).images
        found[name] = accuracy(model, x_adv, y)
    if options.auto_attack:
        x, y = x[: options.auto_attack], y[: options.auto_attack]
        attack = kad.attacks.AutoAttack(epsilon, seed=0)
        x_adv = attack.run(model.base, x, y, batch_size=500).images
        found["autoattack"] = accuracy(model, x_adv, y)
    return found


def accuracy(model, x, y):
    predicted = model.predict(x, batch_size=500, verbose=0).argmax(-1)
    return float(np.mean(predicted == y))


def show(row):
    values = {k: v for k, v in row.items() if isinstance(v, float)}
    text = "  ".join(
        f"{name} {value:.0f}" if name == "cpu_s" else f"{name} {value:.1%}"
        for name, value in values.items()
    )
    print(f"{row['recipe']:<30} seed {row['seed']}  {text}", flush=True)


def table(rows, against):
    """Prints means over the seeds, and their standard errors, in percent.

    Differences are those under the strongest attack, paired by the seed.
    """
    names = {"clean": "clean", "fgsm": "FGSM", "pgd_50_10": "PGD-50-10"}
    if all("autoattack" in row for row in rows):
        names["autoattack"] = "AutoAttack"
    *_, key = names
    baseline = {r["seed"]: r[key] for r in rows if r["recipe"] == against}
    heads = ["seeds", *names.values(), f"less {against}", "CPU s"]
    print("|", "", *(f"| {head}" for head in heads), "|")
    print("|", "--- | " * len(heads) + "--- |")
    for name in dict.fromkeys(row["recipe"] for row in rows):
        own = [row for row in rows if row["recipe"] == name]
        pairs = [
            row[key] - baseline[row["seed"]]
            for row in own
            if row["seed"] in baseline and name != against
        ]
        cells = [str(len(own))]
        cells += [_mean([row[each] for row in own]) for each in names]
        cells += [_mean(pairs, "+")]
        cells += [f"{np.median([row['cpu_s'] for row in own]):.0f}"]
        print(f"| {name} | {' | '.join(cells)} |")


def _mean(values, sign=""):
    """Formats the mean in percent, with its standard error if it has one."""
    if not values:
        return ""
    text = f"{100 * np.mean(values):{sign}.1f}"
    if len(values) > 1:
        error = np.std(values, ddof=1) / len(values) ** 0.5
        text += f" ± {100 * error:.1f}"
    return text


def _settings(options):
    names = "network epsilon epochs batch rate sgd images test_images".split()
    names += ["auto_attack", "warm_up", "ramp", "teacher"]
    found = {name: getattr(options, name) for name in names}
    return {**found, "data": pathlib.Path(options.data).stem}


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--data", required=True, help="a .npz file, digits or 'digit scenes'"
    )
    parser.add_argument("--out", required=True, help="name of the results")
    parser.add_argument("--recipes", nargs="+", default=["fgsm", "grad-align"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--network", default="conv4")
    parser.add_argument("--teacher", default="digits", help="of `kad.zoo`")
    parser.add_argument("--epsilon", type=float, default=10, help="of 255")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument(
        "--warm-up", type=int, default=0, help="epochs without an attack"
    )
    parser.add_argument(
        "--ramp", type=int, default=0, help="epochs in which epsilon grows"
    )
    parser.add_argument("--watch", type=int, default=1, help="epochs")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--sgd", action="store_true", help="in place of Adam")
    parser.add_argument("--images", type=int, default=50000)
    parser.add_argument("--test-images", type=int, default=1000)
    parser.add_argument("--auto-attack", type=int, default=0, help="images")
    parser.add_argument("--table", metavar="RECIPE", help="print the results")
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--backend", default="torch")
    parser.add_argument(
        "--state", type=pathlib.Path, default=pathlib.Path("recipes_state")
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
