"""The command `explain`, which writes attention maps."""

import numpy as np
from keras import ops

from ..attention import FeatureMethod
from ..attention import get
from ..attention.class_choice import CHOICES
from ..attention.class_choice import chosen_classes
from ..attention.compiled_method import CompiledMethod
from ..attention.named import METHODS
from ..classifier import Classifier
from ..data import padded_batches
from ..models import AttentionDefendedModel
from ..visualization import attention_figure
from ..visualization.style import check_matplotlib
from .arguments import add_batch_size
from .arguments import add_command
from .arguments import add_files
from .arguments import check_files
from .arguments import written
from .checked import load_inputs

_SUMMARY = "Computes attention maps: where the model looks."
_EPILOG = """\
The file contains the arrays maps, (number, height, width) from 0 to 1, with 1
at the highest attention; classes, which the maps explain; and predictions.

examples:
  python -m keras_attn_defense explain model.keras --data test.npz \\
    --out maps.npz --png maps.png
  for the true class, at a layer of your choice:
  python -m keras_attn_defense explain model.keras --data test.npz \\
    --limit 64 --labels true --layer conv_3 --out maps.npz
  layers merged, by another method:
  python -m keras_attn_defense explain model.keras --data test.npz \\
    --method layer-cam --layer conv_2 conv_3 --out maps.npz"""


def add_to(commands):
    """Adds the command.

    Args:
        commands: The object that `add_subparsers` returned.
    """
    parser = add_command(commands, "explain", run, _SUMMARY, _EPILOG)
    add_batch_size(parser)
    parser.add_argument(
        "--method",
        choices=sorted(METHODS),
        default="grad-cam",
        metavar="NAME",
        help=f"the attention method: {', '.join(sorted(METHODS))} (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--layer",
        nargs="+",
        metavar="NAME",
        help="the layer whose features are used, or several, whose maps are "
        "merged (default: the last feature map)",
    )
    parser.add_argument(
        "--labels",
        choices=("true", *CHOICES),
        default="predicted",
        metavar="CLASS",
        help=f"the class to explain: true, {', '.join(CHOICES)} (default: "
        "%(default)s)",
    )
    add_files(parser, "draw the first images and their maps")


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
    explain_true = args.labels == "true"
    inputs = load_inputs(args, labels_needed=explain_true)
    method = CompiledMethod(_method(args), _view(inputs))
    # The explained classes are chosen here, as the file contains them too.
    logits = ops.convert_to_tensor(inputs.predictor.logits(inputs.images))
    labels = inputs.labels if explain_true else args.labels
    classes = ops.convert_to_numpy(chosen_classes(labels, logits))
    maps = []
    batches = padded_batches(inputs.images, classes, size=args.batch_size)
    for rows, batch in batches:
        batch_maps = ops.convert_to_numpy(method(*batch)[1])
        maps.append(batch_maps[: rows.stop - rows.start])
    maps = np.concatenate(maps)
    if args.out is not None:
        np.savez_compressed(
            args.out, maps=maps, classes=classes, predictions=inputs.predictions
        )
    print(f"{len(maps)} attention maps. Written to {written(args)}.")
    if args.png is not None:
        attention_figure(
            inputs.images,
            maps,
            inputs.labels,
            inputs.predictions,
            explained=classes,
            class_names=inputs.class_names,
            value_range=inputs.value_range,
        ).savefig(args.png)
    return 0


def _view(inputs):
    """Returns the view of the model whose layers the user knows by name.

    For a defended model, this is its base.
    """
    if isinstance(inputs.model, AttentionDefendedModel):
        return Classifier(inputs.model.base)
    return inputs.predictor.victim


def _method(args):
    """Returns the attention method of the arguments."""
    arguments = {"normalization": "max"}
    if args.layer is not None:
        if not issubclass(METHODS[args.method], FeatureMethod):
            raise ValueError(
                f"The method '{args.method}' does not use layers. Leave "
                "--layer out, or choose another --method."
            )
        arguments["layer"] = args.layer
    return get(args.method, **arguments)
