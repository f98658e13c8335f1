"""Draws the attention of a network of `quickstart.py`, and attacks on it.

python examples/quickstart.py
python examples/figures.py --networks out --out docs
"""

import argparse
import pathlib

import keras

import keras_attn_defense as kad

METHODS = {
    "Grad-CAM": kad.attention.GradCAM,
    "Layer-CAM": kad.attention.LayerCAM,
    "Score-CAM": kad.attention.ScoreCAM,
    "SmoothGrad": kad.attention.SmoothGrad,
    "occlusion": kad.attention.Occlusion,
}


def parse_options():
    """Reads the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    option = parser.add_argument
    for name, use in (("networks", "of the networks"), ("out", "to draw to")):
        option(
            f"--{name}",
            type=pathlib.Path,
            default="out",
            help=f"folder {use} (default: %(default)s)",
        )
    return parser.parse_args()


def pgd():
    """The same random numbers for each figure."""
    return kad.attacks.PGD(steps=20, seed=0)


def main(options):
    """Draws three figures."""
    network = keras.saving.load_model(options.networks / "plain.keras")
    _, test = kad.datasets.load_digit_scenes(num_train=1)
    images, labels, boxes = (part[:3] for part in test)
    names = [f"digit {digit}" for digit in range(10)]
    maps = {
        name: method(normalization="max", model=network)(images, labels)
        for name, method in METHODS.items()
    }
    figures = {
        "attention_methods": kad.visualization.attention_figure(
            images, maps, labels, class_names=names, boxes=boxes
        ),
        "attack": kad.visualization.attack_figure(
            network, images, labels, pgd(), class_names=names, boxes=boxes
        ),
        "attack_steps": kad.visualization.attack_steps_figure(
            network, images, labels, pgd(), class_names=names
        ),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        path = options.out / f"{name}.png"
        figure.savefig(path, dpi=100)
        print(path)


if __name__ == "__main__":
    main(parse_options())
