"""Trains PreActResNet-18 on CIFAR-10 as published, and measures it.

    KERAS_BACKEND=torch python benchmarks/full_size.py --data cifar10.npz

Two recipes, one after the other, in mixed precision: N-FGSM for 30 epochs, then
TRADES with weight perturbation and averaged weights for 200. Each runs the
commands of the library, `train` and `evaluate`, which go on where a kill left
them: call this again. The card, with AutoAttack on 1,000 test images, goes to
benchmarks/results/. It needs a GPU.
"""

import argparse
import pathlib
import sys

import keras

_FOLDER = pathlib.Path(__file__).parent
sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]

import networks  # noqa: E402

from keras_attn_defense.cli.main import main as command  # noqa: E402
from keras_attn_defense.datasets import load_npz  # noqa: E402

# Optimizers as published; the learning rate falls as a cosine in both.
RECIPES = {
    "n-fgsm": "--epochs 30 --learning-rate 0.2 --weight-decay 5e-4",
    "trades-awp": "--epochs 200 --learning-rate 0.1 --weight-decay 5e-4 "
    "--averaging 0.995",
}


def main(arguments=None):
    """Trains and measures each recipe.

    Args:
        arguments: The arguments of the command line, None for its own.
    """
    options = _options(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    network = options.folder / f"network_{options.seed}.keras"
    if not network.exists():
        usual = keras.config.dtype_policy()
        keras.config.set_dtype_policy(options.policy)
        model = networks.preact_resnet18(
            size=load_npz(options.data)[0].images.shape[1],
            width=options.width,
            seed=options.seed,
        )
        keras.config.set_dtype_policy(usual)
        model.save(network)
    common = ["--data", options.data, "--seed", options.seed]
    for recipe in options.recipes:
        folder = options.folder / f"{recipe}_{options.seed}"
        settings = RECIPES[recipe].split()
        if options.epochs is not None:  # The last one given counts.
            settings += ["--epochs", options.epochs]
        settings += ["--batch-size", options.batch, "--augment"]
        training = ["train", network, "--recipe", recipe, "--out", folder]
        run([*training, *common, "--optimizer", "sgd", *settings])
        card = options.results / f"full_size_{recipe}_{options.seed}.json"
        threat = ["--attacks", options.attacks, "--epsilon", "8/255"]
        files = ["--state", folder / "evaluation.npz", "--out", card]
        evaluation = ["evaluate", folder / "best.keras", *common, *threat]
        checks = ["--no-checks"] if options.no_checks else []
        run([*evaluation, "--limit", options.test_images, *files, *checks])


def run(arguments):
    """Runs a command of the library, and stops where it fails."""
    code = command(list(map(str, arguments)))
    if code:
        raise SystemExit(code)


def _options(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True, help="CIFAR-10 as .npz")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--folder", type=pathlib.Path, default="full_size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--policy", default="mixed_bfloat16")
    parser.add_argument("--test-images", type=int, default=1000)
    # Other numbers than the published ones, to try it out.
    parser.add_argument("--attacks", default="autoattack")
    parser.add_argument("--no-checks", action="store_true")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=64, help="of the network")
    parser.add_argument(
        "--results", type=pathlib.Path, default=_FOLDER / "results"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
