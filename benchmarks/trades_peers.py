"""TRADES beside other libraries: time of a step, and accuracy (PyTorch).

    python benchmarks/trades_peers.py

Each trains the same network from the same weights on scikit-learn's handwritten
digits, enlarged to 32 x 32 pixels, with momentum and ten steps of PGD (not with
Adam: Keras and PyTorch place its epsilon differently):

- `AttentionDefendedModel.from_preset("trades")`;
- the published step in plain PyTorch, which MAIR repeats;
- ART's `AdversarialTrainerTRADESPyTorch`, whose attack climbs the
  cross-entropy, and which shuffles by itself.
"""

import argparse
import os
import pathlib
import statistics
import sys
import time

_FOLDER = pathlib.Path(__file__).parent
# The published step has the same share of the radius.
EPSILON, STEP_SIZE, STEPS, BETA = 0.1, 0.022, 10, 6.0


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend = "torch"
    sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]
    # Imported here: Keras reads its backend when it is imported.
    import keras
    import networks
    import report

    train, test = data()
    trainers = {"ours": ours, "plain PyTorch": plain, "ART": art}
    rows = []
    for seed in options.seeds:
        for name, trainer in trainers.items():
            keras.utils.set_random_seed(seed)
            model = networks.digits(seed=seed, size=32)
            fit = trainer(model, train, options)
            fit(1)  # What is built in the first step is not counted.
            start = time.process_time()
            fit(options.epochs)
            seconds = time.process_time() - start
            row = {"name": name, "seed": seed, **accuracies(model, test)}
            steps = options.epochs * -(-len(train[0]) // options.batch)
            row["step_ms"] = 1000 * seconds / steps
            rows.append(row)
            print(row, flush=True)
    settings = {
        "epsilon": EPSILON,
        "epochs": options.epochs + 1,
        "batch": options.batch,
        "rate": options.rate,
    }
    path = _FOLDER / "results" / "trades_peers.json"
    options.seed = options.seeds[0]
    report.write(path, options, settings=settings, results=rows)
    print("| | ms a step | times ours | clean | PGD-20 |")
    print("| --- | --- | --- | --- | --- |")
    for name in trainers:
        print("|", " | ".join([name, *summary(rows, name)]), "|")


def data():
    """Returns `(train, test)`, pairs of images and labels."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8, 1).repeat(4, axis=1).repeat(4, axis=2)
    x = x.astype("float32") / 16
    return (x[:1400], y[:1400]), (x[1400:], y[1400:])


def summary(rows, name):
    def of(key, name):
        return [row[key] for row in rows if row["name"] == name]

    times = of("step_ms", name)
    ratios = [a / b for a, b in zip(times, of("step_ms", "ours"), strict=True)]
    yield f"{statistics.median(times):.0f}"
    yield f"{statistics.median(ratios):.2f}"
    for key in ("clean", "pgd_20"):
        yield " / ".join(f"{100 * value:.1f}" for value in of(key, name))


def accuracies(model, test):
    import keras_attn_defense as kad

    x, y = test
    attack = kad.attacks.PGD(EPSILON, EPSILON / 4, steps=20, seed=0)
    x_adv = attack.run(model, x, y, batch_size=200).images
    found = {"clean": x, "pgd_20": x_adv}
    return {
        name: float((model.predict(x, verbose=0).argmax(-1) == y).mean())
        for name, x in found.items()
    }


def ours(model, train, options):
    import keras

    import keras_attn_defense as kad

    defended = kad.AttentionDefendedModel.from_preset(
        "trades", model, validation_attack=None
    )
    defended.attack = kad.attacks.PGD(
        EPSILON,
        STEP_SIZE,
        steps=STEPS,
        random_start=0.001,
        objective=kad.models.RobustObjective(defended.robust_loss),
    )
    defended.compile(
        keras.optimizers.SGD(options.rate, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return lambda epochs: defended.fit(
        *train, options.batch, epochs=epochs, verbose=0
    )


def plain(model, train, options):
    import peers
    import torch
    from torch.nn import functional

    module = peers.module(model)
    optimizer = _optimizer(model, options)
    images, labels = _tensors(train)

    def divergence(x, x_adv):
        return functional.kl_div(
            functional.log_softmax(module(x_adv), 1),
            functional.softmax(module(x), 1),
            reduction="sum",
        )

    def step(x, y):
        module.eval()
        x_adv = x + 0.001 * torch.randn_like(x)
        for _ in range(STEPS):
            x_adv.requires_grad_(True)
            (gradient,) = torch.autograd.grad(divergence(x, x_adv), x_adv)
            x_adv = x_adv.detach() + STEP_SIZE * gradient.sign()
            x_adv = torch.clamp(x_adv, x - EPSILON, x + EPSILON).clamp(0, 1)
        module.train()
        optimizer.zero_grad()
        loss = functional.cross_entropy(module(x), y)
        loss = loss + BETA / len(x) * divergence(x, x_adv.detach())
        loss.backward()
        optimizer.step()

    def fit(epochs):
        for _ in range(epochs):
            order = torch.randperm(len(images))
            for part in order.split(options.batch):
                step(images[part], labels[part])

    return fit


def art(model, train, options):
    import peers
    import torch
    from art.attacks.evasion import ProjectedGradientDescent
    from art.defences.trainer import AdversarialTrainerTRADESPyTorch
    from art.estimators.classification import PyTorchClassifier

    module = peers.module(model)
    classifier = PyTorchClassifier(
        module,
        torch.nn.CrossEntropyLoss(),
        input_shape=(1, 32, 32),
        nb_classes=10,
        optimizer=_optimizer(model, options),
        clip_values=(0, 1),
        device_type="cpu",
    )
    attack = ProjectedGradientDescent(
        classifier,
        eps=EPSILON,
        eps_step=STEP_SIZE,
        max_iter=STEPS,
        num_random_init=1,
        batch_size=options.batch,
        verbose=False,
    )
    trainer = AdversarialTrainerTRADESPyTorch(classifier, attack, beta=BETA)
    images, labels = (tensor.numpy() for tensor in _tensors(train))
    return lambda epochs: trainer.fit(
        images, labels, batch_size=options.batch, nb_epochs=epochs
    )


def _optimizer(model, options):
    import torch

    weights = [weight.value for weight in model.trainable_variables]
    return torch.optim.SGD(weights, options.rate, momentum=0.9)


def _tensors(train):
    import numpy as np
    import torch

    images = np.ascontiguousarray(train[0].transpose(0, 3, 1, 2))
    return torch.tensor(images), torch.tensor(train[1]).long()


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rate", type=float, default=0.01)
    return parser.parse_args()


if __name__ == "__main__":
    main()
