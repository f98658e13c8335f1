"""The command `evaluate`, which measures accuracy under attack."""

from ..classifier import as_classifier
from ..evaluation import evaluate_robustness
from .arguments import add_batch_size
from .arguments import add_command
from .arguments import add_threat
from .arguments import positive
from .arguments import shard
from .checked import data_options
from .checked import load_model
from .data import data_name
from .data import load_data
from .report import add_report
from .report import check_report
from .report import chosen_checks
from .report import hand_over
from .report import verbose

_SUMMARY = "Measures how many images a model classifies correctly under attack."
_EPILOG = """\
attacks: quick (three attacks, minutes), autoattack (the standard of papers), or
the names of attacks: fgsm, pgd, apgd-ce, apgd-t, fab-t, square, ...

examples:
  a first look:
    python -m keras_attn_defense evaluate model.keras --data test.npz \\
      --limit 200
  the number to report, with a card for others to read:
    python -m keras_attn_defense evaluate model.keras --data test.npz \\
      --attacks autoattack --epsilon 8/255 --norm linf --out card.json \\
      --state evaluation.npz
  a curve over several radii:
    python -m keras_attn_defense evaluate model.keras --data cifar10 \\
      --epsilon 2/255 4/255 8/255 --plot curve.png
  a page for a browser, with images before and after the attacks:
    python -m keras_attn_defense evaluate model.keras --data test.npz \\
      --html report.html
  the first of four parts, for the command merge:
    python -m keras_attn_defense evaluate model.keras --data test.npz \\
      --shard 0/4 --state shard-0.npz
  with noise, blur, weather and compression:
    python -m keras_attn_defense evaluate model.keras --data test.npz \\
      --corruptions --out card.json
  in continuous integration, to fail if robustness is lost:
    python -m keras_attn_defense evaluate model.keras --data test.npz \\
      --attacks pgd --limit 500 --fail-under 0.4"""


def add_to(commands):
    """Adds the command.

    Args:
        commands: The object that `add_subparsers` returned.
    """
    parser = add_command(commands, "evaluate", run, _SUMMARY, _EPILOG)
    add_batch_size(parser)
    parser.set_defaults(hint=_hint)
    parser.add_argument(
        "--attacks",
        nargs="+",
        default=["quick"],
        metavar="NAME",
        help="quick, autoattack, or one or more names (default: quick)",
    )
    add_threat(parser, several=True)
    add_report(parser)
    parser.add_argument(
        "--gallery",
        type=positive,
        default=24,
        metavar="N",
        help="images on the page of --html (default: %(default)s)",
    )
    parser.add_argument(
        "--state",
        metavar="FILE",
        help="save to this file after each attack; if the command is run "
        "again, it continues from there",
    )
    parser.add_argument(
        "--shard",
        type=shard,
        metavar="I/N",
        help="evaluate one of N parts of the data, 0/N to (N-1)/N, and save it "
        "to --state; the command merge makes one report of all",
    )


def run(args):
    """Runs the command.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code.
    """
    check_report(args)
    if args.shard is not None:
        _check_shard(args)
    model = load_model(args.model)
    options = data_options(args, as_classifier(model))
    images, labels = load_data(args.data, options)
    report = evaluate_robustness(
        model,
        images,
        labels,
        # A single name is passed as it is: a card shows "autoattack" as such.
        attacks=args.attacks if len(args.attacks) > 1 else args.attacks[0],
        epsilons=args.epsilon,
        norm=args.norm,
        value_range=options.value_range,
        batch_size=args.batch_size,
        seed=args.seed,
        state=args.state,
        shard=args.shard,
        # Whoever merges shards may want a page.
        gallery=args.gallery if args.html or args.shard else 0,
        checks=chosen_checks(args),
        name=args.name,
        dataset=data_name(args.data),
        verbose=verbose(),
    )
    data = (images, labels)
    return hand_over(report, args, model, data, options, args.batch_size)


def _check_shard(args):
    """Raises a `ValueError` if a shard is asked for what is of the whole."""
    if args.state is None:
        raise ValueError(
            "A shard is merged from its state file. Name one, such as --state "
            f"shard-{args.shard[0]}.npz."
        )
    given = (args.fail_under, args.corruptions)
    if any((args.out, args.plot, args.html, *(g is not None for g in given))):
        raise ValueError(
            "--out, --plot, --html, --corruptions and --fail-under are about "
            "all images, and --shard evaluates a part of them. Leave them to "
            "the command merge."
        )


def _hint(args):
    """Returns a sentence about continuing an interrupted evaluation."""
    if args.state is None:
        return (
            " With --state FILE an evaluation can be interrupted at any time "
            "and continues when it is started again."
        )
    return (
        f" Finished attacks are kept in '{args.state}': the same command "
        "continues from there."
    )
