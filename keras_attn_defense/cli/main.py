"""The program: parses a command, runs it, and returns its exit code."""

import argparse
import shlex
import sys
from collections.abc import Sequence

from . import attack
from . import evaluate
from . import explain
from . import merge
from . import train

_DESCRIPTION = """\
How robust is my image classifier, where does it look, and how do I harden it?

  train     trains a model to withstand attacks
  evaluate  measures accuracy under attack
  merge     makes one report of the shards of an evaluation
  attack    writes adversarial images
  explain   writes attention maps

`python -m keras_attn_defense COMMAND --help` explains a command."""
_EPILOG = """\
KERAS_BACKEND=jax in front of the command runs it on JAX, KERAS_BACKEND=torch on
PyTorch, KERAS_BACKEND=tensorflow on TensorFlow.

exit codes: 0 success, 1 robust accuracy below --fail-under, 2 bad input, 130
interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: The words of the command. None takes those of the program.

    Returns:
        The exit code: 0 after success, 1 if the robust accuracy is below
        `--fail-under`, 2 for bad input, 130 after Ctrl-C.
    """
    args = _parser().parse_args(argv)
    words = sys.argv[1:] if argv is None else argv
    args.command_line = f"python -m keras_attn_defense {shlex.join(words)}"
    try:
        return args.run(args)
    except KeyboardInterrupt:
        hint = args.hint(args) if "hint" in args else ""
        print(f"\nInterrupted.{hint}", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    """A parser that prints its errors in one line, like all other errors."""

    def error(self, message):
        self.exit(2, f"error: {message}. See `{self.prog} --help`.\n")


def _parser():
    """Returns the parser of all commands."""
    parser = _Parser(
        prog="python -m keras_attn_defense",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(
        required=True, metavar="COMMAND", title="commands"
    )
    for command in (train, evaluate, merge, attack, explain):
        command.add_to(commands)
    return parser
