"""`explain`: writes attention maps."""

import numpy as np
from keras import ops

from ..attention import GradCAM
from .arguments import add_command
from .arguments import add_files
from .checked import load_inputs
from .pictures import check_matplotlib
from .pictures import draw_maps

_SUMMARY = "Computes attention maps (Grad-CAM): where the model looks."
_EPILOG = """\
The file holds the array maps, (number, height, width) between 0 and 1, 1 where
most attention lies; classes, those that the maps explain; and predictions.

examples:
  python -m keras_attn_defense explain model.keras --data test.npz \\
    --out maps.npz --png maps.png
  for the true class, at a layer of your choice:
  python -m keras_attn_defense explain model.keras --data test.npz \\
    --limit 64 --labels true --layer conv_3 --out maps.npz"""


def add_to(commands):
    """Adds the command.

    Args:
        commands: What `add_subparsers` returned.
    """
    parser = add_command(commands, "explain", run, _SUMMARY, _EPILOG)
    parser.add_argument(
        "--layer",
        metavar="NAME",
        help="the layer whose output is looked at (default: the last feature "
        "map)",
    )
    parser.add_argument(
        "--labels",
        choices=("predicted", "true"),
        default="predicted",
        help="which class to explain (default: %(default)s)",
    )
    add_files(parser, "draw the first images and their maps")


def run(args):
    """Runs the command.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code.
    """
    if args.png is not None:
        check_matplotlib("--png")
    true = args.labels == "true"
    inputs = load_inputs(args, labels_needed=true)
    classes = inputs.labels if true else inputs.predictions
    grad_cam = GradCAM(args.layer, normalization="max", model=inputs.model)
    maps = []
    for first in range(0, len(classes), args.batch_size):
        rows = slice(first, first + args.batch_size)
        found = grad_cam(inputs.images[rows], classes[rows])
        maps.append(ops.convert_to_numpy(found))
    maps = np.concatenate(maps)
    np.savez_compressed(
        args.out, maps=maps, classes=classes, predictions=inputs.predictions
    )
    print(f"{len(maps)} attention maps. Written to {args.out}.")
    if args.png is not None:
        draw_maps(args.png, inputs, maps, classes)
    return 0
