"""What the commands `evaluate` and `merge` make of a report."""

import sys

from ..evaluation import evaluate_corruptions
from ..evaluation.corruptions import CORRUPTIONS
from ..pages import check_page
from ..visualization.style import check_matplotlib
from .arguments import output
from .arguments import share
from .data import data_name


def add_report(parser):
    """Adds the arguments about a report.

    Args:
        parser: The parser of the command.
    """
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
        "--name",
        help="the name of the model in the card (default: its own name)",
    )
    parser.add_argument(
        "--corruptions",
        nargs="*",
        choices=CORRUPTIONS,
        metavar="NAME",
        help="also measure accuracy under these corruptions, such as fog "
        "(without names: under all fifteen)",
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


def check_report(args):
    """Checks that all files can be written, before the work starts.

    Raises:
        ImportError: If a package for them is missing.
    """
    if args.plot is not None:
        check_matplotlib("--plot")
    if args.html is not None:
        check_page("--html")


def chosen_checks(args):
    """Returns the argument `checks` of an evaluation."""
    return "thorough" if args.thorough else not args.no_checks


def verbose():
    """Returns the argument `verbose`: a bar where somebody looks."""
    return 1 if sys.stdout.isatty() else 0


def hand_over(report, args, model, data, options, batch_size=128):
    """Adds corruptions to a report, prints it and writes its files.

    Args:
        report: The `RobustnessReport`.
        args: The parsed arguments.
        model: The model.
        data: `(images, labels)`, as they were evaluated.
        options: The options of the data.
        batch_size: Images in one call of the model.

    Returns:
        The exit code.
    """
    if args.corruptions is not None:
        report.corruptions = evaluate_corruptions(
            model,
            *data,
            corruptions=args.corruptions or None,
            value_range=options.value_range,
            batch_size=batch_size,
            seed=args.seed,
            name=report.about["name"],
            dataset=data_name(args.data),
            verbose=verbose(),
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
