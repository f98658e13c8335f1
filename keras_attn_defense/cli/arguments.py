"""Arguments that the commands share."""

import argparse
import pathlib
from fractions import Fraction

DATA_HELP = """\
data: a .npz file with the arrays x and y, x_{split} and y_{split}, or images
and labels, the images as (number, height, width, channels) or without channels;
a folder with one folder of images for each class, or with these folders in its
folder {split}; or tfds:name, digit_scenes, cifar10 or mnist, for the {split}
images of that set. Images of type uint8 are scaled to the value range. Labels
are indices of the model's outputs, or names (folders; strings; integers and the
array class_names), which --class-names puts in order. Without it there must be
as many classes as outputs, in alphabetical order or in that of class_names."""


def add_command(commands, name, run, summary, epilog, split="test"):
    """Adds a command with the arguments that all commands share.

    Args:
        commands: The object that `add_subparsers` returned.
        name: The command.
        run: Function of the parsed arguments that returns an exit code.
        summary: One sentence about the command.
        epilog: The end of its help: examples.
        split: The part of a data set that it takes, `"test"` or `"train"`.

    Returns:
        The parser of the command.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"{DATA_HELP.format(split=split)}\n\n{epilog}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("model", help="a model that Keras saved: model.keras")
    parser.add_argument(
        "--data",
        required=True,
        help="images and labels: a .npz file, a folder of images or the name "
        "of a set, see below",
    )
    parser.add_argument(
        "--limit",
        type=positive,
        metavar="N",
        help="draw N images, from each class in proportion (default: all)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="seed of all random numbers, and of the choice of images "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--class-names",
        nargs="+",
        metavar="NAME",
        help="the names of the classes in the order of the model's outputs, "
        "or a .txt file with one name on each line",
    )
    parser.add_argument(
        "--image-size",
        type=positive,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="resize image files to this size",
    )
    parser.add_argument(
        "--color-mode",
        choices=("grayscale", "rgb", "rgba"),
        help="the mode that image files are converted to (default: the one "
        "with the model's number of channels)",
    )
    parser.add_argument(
        "--value-range",
        type=number,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="bounds of the pixel values that the model was trained on "
        "(default: the model's value_range, or else 0 1)",
    )
    parser.add_argument(
        "--backend", action=_NoBackend, nargs="?", help=argparse.SUPPRESS
    )
    return parser


class _NoBackend(argparse.Action):
    """Says how to choose the backend, which an option comes too late for."""

    def __call__(self, parser, namespace, values, option_string=None):
        parser.error(
            "Keras reads its backend from the environment: type "
            f"`KERAS_BACKEND={values or 'jax'} {parser.prog} ...`, without "
            "--backend"
        )


def add_batch_size(parser):
    """Adds the argument of the batch size.

    Args:
        parser: The parser of the command.
    """
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=128,
        metavar="N",
        help="images in one call of the model (default: %(default)s)",
    )


def add_threat(parser, several):
    """Adds the arguments of the threat model.

    Args:
        parser: The parser of the command.
        several: Whether there may be several radii.
    """
    parser.add_argument(
        "--epsilon",
        type=number,
        nargs="+" if several else None,
        help="how far a pixel (or, in l2 and l1, the image) may change, in "
        "the units of the images: 8/255 or 0.03"
        + ("; several are allowed" if several else "")
        + " (default: the usual radius of the norm)",
    )
    parser.add_argument(
        "--norm",
        choices=("linf", "l2", "l1"),
        default="linf",
        help="the norm of the distance (default: %(default)s)",
    )


def add_files(parser, png_help):
    """Adds the files that a command writes.

    Args:
        parser: The parser of the command.
        png_help: Description of the command's picture.
    """
    parser.add_argument(
        "--out",
        type=output(".npz"),
        metavar="FILE.NPZ",
        help="the file to write; this or --png is needed",
    )
    parser.add_argument(
        "--png",
        type=output(".png"),
        metavar="SHEET.PNG",
        help=png_help,
    )


def check_files(args):
    """Checks that there is a file to write.

    Raises:
        ValueError: If there is none.
    """
    if args.out is None and args.png is None:
        raise ValueError(
            "There is nothing to write. Pass --out FILE.NPZ, --png SHEET.PNG, "
            "or both."
        )


def written(args):
    """Lists the files that a command writes, in words."""
    files = (args.out, args.png)
    return " and ".join(str(file) for file in files if file is not None)


def number(text):
    """Parses a number such as `0.03` or `8/255`."""
    try:
        return float(Fraction(text.replace(" ", "")))
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number; write it as 0.03 or 8/255"
        ) from None


def positive(text):
    """Parses a whole number above zero."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number above zero"
        )
    return int(text)


def share(text):
    """Parses a number between 0 and 1."""
    value = number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not between 0 and 1; 40 % is 0.4"
        )
    return value


def shard(text):
    """Parses a shard such as `2/8`, counted from 0."""
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and int(count)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a shard; write the third of eight as 2/8"
        )
    if int(index) >= int(count):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not there: shards are counted from 0, so the last "
            f"one is {int(count) - 1}/{count}"
        )
    return int(index), int(count)


def output(*suffixes):
    """Returns an argument type for a file that can be written.

    Arguments are parsed before the work starts, so that no work is lost.

    Args:
        *suffixes: The allowed endings of the name.
    """

    def parse(text):
        path = pathlib.Path(text)
        if path.suffix.lower() not in suffixes:
            raise argparse.ArgumentTypeError(
                f"{text!r} should end in {' or '.join(suffixes)}"
            )
        if not path.parent.is_dir():
            raise argparse.ArgumentTypeError(
                f"the folder of {text!r} does not exist"
            )
        return path

    return parse
