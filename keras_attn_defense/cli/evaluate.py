"""The command `evaluate`, which measures accuracy under attack."""

import sys

from ..classifier import as_classifier
from ..evaluation import evaluate_robustness
from ..pages import check_page
from ..visualization.style import check_matplotlib
from .arguments import add_command
from .arguments import add_threat
from .arguments import output
from .arguments import positive
from .arguments import share
from .checked import data_options
from .checked import load_model
from .data import data_name
from .data import load_data

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
  in continuous integration, to fail if robustness is lost:
    python -m keras_attn_defense evaluate model.keras --data test.npz \\
      --attacks pgd --limit 500 --fail-under 0.4"""


def add_to(commands):
    """Adds the command.

    Args:
        commands: The object that `add_subparsers` returned.
    """
    parser = add_command(commands, "evaluate", run, _SUMMARY, _EPILOG)
    parser.add_argument(
        "--attacks",
        nargs="+",
        default=["quick"],
        metavar="NAME",
        help="quick, autoattack, or one or more names (default: quick)",
    )
    add_threat(parser, several=True)
    parser.add_argument(
        "--out",
        type=output(".json"),
        metavar="CARD.JSON",
        help="write all numbers to this file",
    )
    parser.add_argument(
        "--plot",
        type=output(".png", ".pdf", ".svg"),
        metavar="CURVE.PNG",
        help="draw accuracy against epsilon",
    )
    parser.add_argument(
        "--html",
        type=output(".html"),
        metavar="REPORT.HTML",
        help="write a page for a browser, with all numbers and some images",
    )
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
        "--name",
        help="the name of the model in the card (default: its own name)",
    )
    checks = parser.add_mutually_exclusive_group()
    checks.add_argument(
        "--no-checks",
        action="store_true",
        help="skip the checks for signs of unreliable numbers",
    )
    checks.add_argument(
        "--thorough",
        action="store_true",
        help="check for such signs with more images and more steps",
    )
    parser.add_argument(
        "--fail-under",
        type=share,
        metavar="SHARE",
        help="exit with 1 if the robust accuracy at the largest epsilon is "
        "lower than this share, such as 0.4",
    )


def run(args):
    """Runs the command.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code.
    """
    if args.plot is not None:
        check_matplotlib("--plot")
    if args.html is not None:
        check_page("--html")
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
        gallery=0 if args.html is None else args.gallery,
        checks="thorough" if args.thorough else not args.no_checks,
        name=args.name,
        dataset=data_name(args.data),
        verbose=1 if sys.stdout.isatty() else 0,
    )
    report.summary()
    if args.out is not None:
        report.save(args.out)
    if args.plot is not None:
        report.plot(args.plot)
    if args.html is not None:
        report.about["call"] = args.command_line
        report.save(args.html, class_names=options.class_names)
    return _exit_code(report, args.fail_under)


def _exit_code(report, least):
    """Returns 1 if the robust accuracy is below `least`, and says so."""
    epsilon, accuracy = list(report.robust_accuracy.items())[-1]
    if least is not None and report.unreliable:
        print(
            "A red flag is raised: the robust accuracy that --fail-under "
            "checks may be too high.",
            file=sys.stderr,
        )
    if least is None or accuracy >= least:
        return 0
    print(
        f"The robust accuracy of {accuracy:.4f} at epsilon "
        f"{report.threat_model.label(epsilon)} is below {least:g}.",
        file=sys.stderr,
    )
    return 1
