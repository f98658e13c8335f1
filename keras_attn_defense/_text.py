"""Tables on the screen, in files, and as plain text."""

import io
import os

from rich.console import Console

_WIDTH = 100
# A name such as "resnet[v2]" or ":fire:" is shown as it is.
_PLAIN = {"markup": False, "emoji": False}


def show(write):
    """Prints what `write(console)` prints to a `rich` console."""
    console = Console(**_PLAIN)
    shown = console.is_terminal or console.is_jupyter
    if not shown and "COLUMNS" not in os.environ:
        # A file is wide enough for all of it.
        console = Console(width=_WIDTH, **_PLAIN)
    write(console)


def as_text(write, width=_WIDTH):
    """The same as plain text."""
    text = io.StringIO()
    write(Console(file=text, width=width, color_system=None, **_PLAIN))
    return text.getvalue()
