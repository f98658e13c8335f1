"""Trains, measures and packs the models of `kad.zoo`.

    python benchmarks/train_zoo.py digits
    python benchmarks/train_zoo.py cifar10_resnet8 --data cifar10.npz

Every epoch and every attack of the evaluation is saved, so a run that was
killed goes on where it was: call it again. At the end the model and its card,
with the training settings, are written to `keras_attn_defense/zoo/`.
"""

import argparse
import hashlib
import json
import os
import pathlib
import platform
import shutil
import sys
import time

_FOLDER = pathlib.Path(__file__).resolve().parent
_ZOO = _FOLDER.parent / "keras_attn_defense" / "zoo"


def _cifar10(network, epochs):
    return {
        "dataset": "CIFAR-10",
        "network": network,
        "preset": "n-fgsm",
        "attack": {},
        "epsilon": 8 / 255,
        "plain_epochs": 0,
        "epochs": epochs,
        "ramp": 0,
        "rate": 1e-2,
        "images": 50000,
        "batch": 128,
        "mirror": True,
        "evaluated": 1000,
    }


# After `plain_epochs` on clean images, in batches of 32, `epsilon`, in images
# from 0 to 1, rises for `ramp` epochs. `evaluated` test images are drawn,
# None: all of them.
MODELS = {
    "digits": {
        "dataset": "digits",
        "network": "conv16",
        "preset": "madry",
        "attack": {"step_size": 0.0625, "steps": 10},
        "epsilon": 0.25,
        "plain_epochs": 0,
        "epochs": 60,
        "ramp": 0,
        "rate": 1e-2,
        "images": 1400,
        "batch": 64,
        "mirror": False,
        "evaluated": None,
    },
    "digit_scenes": {
        "dataset": "digit scenes",
        "network": "scenes",
        "preset": "n-fgsm",
        "attack": {},
        "epsilon": 8 / 255,
        "plain_epochs": 8,
        "epochs": 10,
        "ramp": 3,
        "rate": 5e-3,
        "images": 4000,
        "batch": 64,
        "mirror": False,
        "evaluated": 1000,
    },
    "mnist": {
        "dataset": "MNIST",
        "network": "digits",
        "preset": "madry",
        "attack": {"step_size": 0.075, "steps": 10},
        "epsilon": 0.3,
        "plain_epochs": 1,
        "epochs": 12,
        "ramp": 4,
        "rate": 1e-3,
        "images": 60000,
        "batch": 128,
        "mirror": False,
        "evaluated": 1000,
    },
    "cifar10_resnet8": _cifar10("resnet8", 30),
    "cifar10_resnet20": {**_cifar10("resnet20", 20), "evaluated": 300},
}


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend
    sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]
    settings = {**MODELS[options.model], "seed": options.seed}
    options.state.mkdir(parents=True, exist_ok=True)
    import recipe_data

    source = options.data or settings["dataset"]
    train, test = recipe_data.load(source, settings["images"])
    packed = _ZOO / f"{options.model}.json"
    if options.measure:
        path = packed.with_suffix(".keras")
        training = json.loads(packed.read_text())["training"]
        training["evaluated"] = settings["evaluated"]
    else:
        path = options.state / f"{options.model}.keras"
        training = train_anew(path, settings, train, options)
    card = measured(path, settings, test, options.state)
    card["training"] = training
    card["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    if not options.measure:
        shutil.copy(path, _ZOO / path.name)
    packed.write_text(json.dumps(card, indent=1, allow_nan=False) + "\n")


def train_anew(path, settings, train, options):
    """Writes the trained model, and returns how it was trained."""
    model, seconds = trained(options.model, settings, train, options.state)
    if not path.exists():
        save(model.base, path)
    command = f"python benchmarks/train_zoo.py {options.model}"
    data = " --data <file>.npz" * (options.data is not None)
    return {
        "command": f"{command}{data} --backend {options.backend}",
        **settings,
        "optimizer": "Adam, triangular learning rate up to `rate`",
        "backend": options.backend,
        "hardware": hardware(),
        "cpu_seconds": round(seconds),
    }


def trained(name, settings, train, state):
    """Trains to the end, from where an earlier call came.

    Returns:
        The defended model and the CPU seconds of all epochs.
    """
    import keras
    import recipe_arms  # noqa: F401  Its learning rate is in saved models.
    import recipe_data

    import keras_attn_defense as kad

    log = state / f"{name}.log.json"
    history = json.loads(log.read_text()) if log.exists() else []

    def saved(epochs):
        return state / f"{name}_{epochs}.keras"

    keras.utils.set_random_seed(settings["seed"])
    if history:
        model = keras.saving.load_model(saved(len(history)))
    else:
        model = build(settings, *train)
    schedule = kad.callbacks.DefenseSchedule(epsilon_ramp=settings["ramp"])
    for epoch in range(len(history), settings["epochs"]):
        x, y = recipe_data.epoch_data(
            *train, settings["seed"], epoch, settings["mirror"]
        )
        start = time.process_time()
        logs = model.fit(
            x,
            y,
            settings["batch"],
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            callbacks=[schedule],
            verbose=0,
        ).history
        row = {"cpu_s": time.process_time() - start}
        row |= {key: float(values[-1]) for key, values in logs.items()}
        print(name, "epoch", epoch + 1, row, flush=True)
        # A kill between these lines repeats the epoch, no more.
        model.save(saved(epoch + 1))
        log.write_text(json.dumps([*history, row]))
        history.append(row)
        saved(epoch).unlink(missing_ok=True)
    return model, sum(row["cpu_s"] for row in history)


def save(model, path):
    """Writes a model without its optimizer."""
    import keras

    whole = path.with_suffix(".whole.keras")
    model.save(whole)
    keras.saving.load_model(whole, compile=False).save(path)
    whole.unlink()


def build(settings, images, labels):
    """Returns a compiled defended model, whose base has seen clean images."""
    import keras
    import networks
    import recipe_arms

    import keras_attn_defense as kad
    from keras_attn_defense.models import presets

    base = networks.NETWORKS[settings["network"]](
        seed=settings["seed"], size=images.shape[1], channels=images.shape[-1]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if settings["plain_epochs"]:
        base.compile(keras.optimizers.Adam(settings["rate"]), loss)
        base.fit(images, labels, epochs=settings["plain_epochs"], verbose=0)
    published = presets.get(settings["preset"], (0.0, 1.0))["attack"]
    attack = type(published).from_config(
        {
            **published.get_config(),
            "epsilon": settings["epsilon"],
            **settings["attack"],
        }
    )
    model = kad.AttentionDefendedModel.from_preset(
        settings["preset"], base, attack=attack, validation_attack=None
    )
    steps = settings["epochs"] * -(-len(images) // settings["batch"])
    model.compile(
        keras.optimizers.Adam(recipe_arms.Triangle(settings["rate"], steps)),
        loss,
        metrics=["accuracy"],
    )
    return model


def measured(path, settings, test, state):
    """Returns the card of a model, with AutoAttack."""
    import keras

    import keras_attn_defense as kad

    report = kad.evaluate_robustness(
        keras.saving.load_model(path, compile=False),
        *test,
        attacks="autoattack",
        epsilons=settings["epsilon"],
        limit=settings["evaluated"],
        seed=settings["seed"],
        state=state / f"{path.stem}.state",
        name=path.stem,
        dataset=settings["dataset"],
        verbose=2,
    )
    print(report)
    return report.to_dict()


def hardware():
    """The processor's name and the number of cores."""
    name = platform.processor() or platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if "model name" in x]
        name = names[0].partition(": ")[2] if names else name
    return f"{os.cpu_count()} cores of {name}"


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--data", help="a .npz file, for MNIST and CIFAR-10")
    parser.add_argument(
        "--measure", action="store_true", help="only, the packed model anew"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--backend", default="torch")
    parser.add_argument(
        "--state", type=pathlib.Path, default=pathlib.Path("zoo_state")
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
