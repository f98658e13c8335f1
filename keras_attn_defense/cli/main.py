"""Parses a command, runs it, and turns errors into exit codes."""

import argparse
import sys
from collections.abc import Sequence

from . import attack
from . import evaluate
from . import explain

_DESCRIPTION = """\
How robust is my image classifier, and where does it look?

  evaluate  measures accuracy under attack
  attack    writes adversarial images
  explain   writes attention maps

`python -m keras_attn_defense COMMAND --help` explains a command."""
_EPILOG = """\
KERAS_BACKEND=jax in front of the command runs it on JAX, KERAS_BACKEND=torch on
PyTorch, KERAS_BACKEND=tensorflow on TensorFlow.

exit codes: 0 fine, 1 robust accuracy below --fail-under, 2 bad input, 130
interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: Its words. None takes those of the program.

    Returns:
        The exit code: 0 if all is well, 1 if the robust accuracy is lower
        than asked for, 2 for bad input, 130 after Ctrl-C.
    """
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print(f"\nInterrupted.{_hint(args)}", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, like every other error."""

    def error(self, message):
        self.exit(2, f"error: {message}. See `{self.prog} --help`.\n")


def _parser():
    parser = _Parser(
        prog="python -m keras_attn_defense",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(
        required=True, metavar="COMMAND", title="commands"
    )
    for command in (evaluate, attack, explain):
        command.add_to(commands)
    return parser


def _hint(args):
    if "state" not in args:
        return ""
    if args.state is None:
        return (
            " With --state FILE an evaluation can be interrupted at any moment "
            "and goes on when it is started again."
        )
    return (
        f" What was finished is kept in '{args.state}': the same command goes "
        "on from there."
    )
