"""Trains the two networks that attacks are compared on.

    python benchmarks/train_networks.py --data cifar10.npz --out networks/

Writes `plain.keras` and `adversarial.keras`, two ResNet-8 with logits, the
second trained on PGD-7 images (8/255, linf) alone.
"""

import argparse
import os
import pathlib
import sys

_FOLDER = pathlib.Path(__file__).parent


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend
    sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]
    # Imported here: Keras reads its backend when it is imported.
    import keras
    import networks

    from keras_attn_defense.datasets import load_npz

    train, test = load_npz(options.data)
    x, y = train.images[: options.images], train.labels[: options.images]
    options.out.mkdir(parents=True, exist_ok=True)
    for name in ("plain", "adversarial"):
        keras.utils.set_random_seed(options.seed)
        base = networks.resnet(8, seed=options.seed)
        model = _trained(base, x, y, name == "adversarial", options)
        score = model.evaluate(
            test.images[:1000], test.labels[:1000], 100, return_dict=True
        )
        print(name, score, flush=True)
        base.save(options.out / f"{name}.keras")


def _trained(base, x, y, adversarial, options):
    import keras

    import keras_attn_defense as kad

    model = base
    if adversarial:
        model = kad.AttentionDefendedModel(
            base, rectification_weight=0.0, preservation_weight=0.0
        )
    steps = options.epochs * (len(x) // 128)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    flip = keras.layers.RandomFlip("horizontal", seed=options.seed)
    augmented = keras.ops.convert_to_numpy(flip(x, training=True))
    for epoch in range(options.epochs):
        # Every other epoch sees mirrored images.
        images = augmented if epoch % 2 else x
        model.fit(images, y, 128, verbose=2)
    return model


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="a .npz file")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--backend", default="tensorflow")
    parser.add_argument("--images", type=int, default=20000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
