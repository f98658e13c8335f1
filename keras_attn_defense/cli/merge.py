"""The command `merge`, which makes one report of all shards."""

from ..classifier import as_classifier
from ..evaluation import merge
from .arguments import add_command
from .checked import data_options
from .checked import load_model
from .data import data_name
from .data import load_data
from .report import add_report
from .report import check_report
from .report import chosen_checks
from .report import hand_over
from .report import verbose

_SUMMARY = "Makes one report of the shards of an evaluation."
_EPILOG = """\
Attacks, radii and all other settings are read from the shards. Model and data,
with --limit and --seed, have to be those of the shards.

example, of shards that run one after the other, or on eight machines:
  for i in 0 1 2 3 4 5 6 7; do
    python -m keras_attn_defense evaluate model.keras --data test.npz \\
      --attacks autoattack --shard $i/8 --state shard-$i.npz
  done
  python -m keras_attn_defense merge model.keras shard-*.npz \\
    --data test.npz --out card.json"""


def add_to(commands):
    """Adds the command.

    Args:
        commands: The object that `add_subparsers` returned.
    """
    parser = add_command(commands, "merge", run, _SUMMARY, _EPILOG)
    parser.add_argument(
        "shards",
        nargs="+",
        metavar="SHARD.NPZ",
        help="the --state files of all shards, in any order",
    )
    add_report(parser)


def run(args):
    """Runs the command.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code.
    """
    check_report(args)
    model = load_model(args.model)
    options = data_options(args, as_classifier(model))
    images, labels = load_data(args.data, options)
    report = merge(
        args.shards,
        model,
        images,
        labels,
        checks=chosen_checks(args),
        name=args.name,
        dataset=data_name(args.data),
        verbose=verbose(),
    )
    return hand_over(report, args, model, (images, labels), options)
