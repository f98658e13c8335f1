"""Images with known distances, and a way to run a command."""

import numpy as np

from keras_attn_defense.cli import main
from tests.evaluation.helpers import images_of

MEANS = np.linspace(0.2, 0.8, 24)
LABELS = (MEANS > 0.5).astype("int64")
IMAGES = images_of(MEANS)


def robust_share(epsilon):
    """Returns the robust accuracy of `brightness` on `IMAGES`."""
    return float((abs(MEANS - 0.5) > epsilon).mean())


def run(command):
    """Runs a command line, and returns its exit code."""
    return main(command.split())


def fails(command, capsys):
    """Runs a command that must fail, and returns its error message."""
    capsys.readouterr()
    assert run(command) == 2
    output = capsys.readouterr()
    assert output.out == ""
    (message,) = output.err.splitlines()[-1:]
    assert message.startswith("error: ")
    return message
