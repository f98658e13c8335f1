"""The command `attack`, which writes adversarial images."""

import numpy as np

from .. import attacks
from ..evaluation.threat_model import ThreatModel
from ..evaluation.threat_model import check_epsilons
from ..visualization import perturbation_figure
from ..visualization.style import check_matplotlib
from .arguments import add_batch_size
from .arguments import add_command
from .arguments import add_files
from .arguments import add_threat
from .arguments import check_files
from .arguments import written
from .checked import load_inputs

_SUMMARY = "Crafts adversarial images and writes them to a file."
_EPILOG = """\
The file contains the arrays x and x_adv, the images before and after; y, their
labels; predictions and predictions_adv, their classes according to the model.

examples:
  python -m keras_attn_defense attack model.keras --data test.npz \\
    --attack pgd --epsilon 8/255 --out adversarial.npz
  with a picture of the first images:
  python -m keras_attn_defense attack model.keras --data digit_scenes \\
    --limit 64 --attack apgd-ce --epsilon 8/255 --out adversarial.npz \\
    --png sheet.png"""


def add_to(commands):
    """Adds the command.

    Args:
        commands: The object that `add_subparsers` returned.
    """
    parser = add_command(commands, "attack", run, _SUMMARY, _EPILOG)
    add_batch_size(parser)
    parser.add_argument(
        "--attack",
        default="pgd",
        metavar="NAME",
        help="fgsm, pgd, apgd-ce, square, autoattack, ... (default: "
        "%(default)s)",
    )
    add_threat(parser, several=False)
    add_files(parser, "draw the first images before and after")


def run(args):
    """Runs the command.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code.
    """
    check_files(args)
    if args.png is not None:
        check_matplotlib("--png")
    inputs = load_inputs(args, labels_needed=True)
    if args.epsilon is not None:
        check_epsilons(args.epsilon, args.norm, inputs.value_range)
    attack = attacks.get(
        args.attack, args.epsilon, norm=args.norm, seed=args.seed
    )
    attack.value_range = inputs.value_range
    x_adv = attack.run(
        inputs.model, inputs.images, inputs.labels, args.batch_size
    ).images
    predictions = inputs.predictor.classes(x_adv)
    if args.out is not None:
        np.savez_compressed(
            args.out,
            x=inputs.images,
            x_adv=x_adv,
            y=inputs.labels,
            predictions=inputs.predictions,
            predictions_adv=predictions,
        )
    _print_summary(args, inputs, x_adv, predictions)
    if args.png is not None:
        perturbation_figure(
            inputs.images,
            x_adv,
            inputs.labels,
            inputs.predictions,
            predictions,
            class_names=inputs.class_names,
            value_range=inputs.value_range,
        ).savefig(args.png)
    return 0


def _print_summary(args, inputs, x_adv, predictions):
    """Prints accuracies and the mean distance."""
    threat = ThreatModel(args.norm, (), inputs.value_range)
    distances = threat.distances(x_adv, inputs.images)
    clean = (inputs.predictions == inputs.labels).mean()
    attacked = (predictions == inputs.labels).mean()
    print(
        f"{args.attack} on {len(x_adv)} images: accuracy {100 * clean:.1f} % "
        f"before, {100 * attacked:.1f} % after; mean {args.norm} distance "
        f"{distances.mean():.4g}. Written to {written(args)}."
    )
