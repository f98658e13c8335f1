"""Evaluates with a state file and kills itself at a given moment.

Run as a program: state file, moment, number of saves before it.
"""

import os
import signal
import sys

import numpy as np

import keras_attn_defense as kad
from tests.evaluation import helpers

# Breaks no image before the last step, so that all attacks have work.
ARGUMENTS = {
    "epsilons": [0.03, 0.1],
    "batch_size": 2,
    "keep_images": True,
    "checks": False,
    "verbose": 0,
}


def evaluate(path, **arguments):
    arguments = {
        "attacks": helpers.gradient_attacks(),
        **ARGUMENTS,
        **arguments,
    }
    x = arguments.pop("x", helpers.IMAGES)
    y = arguments.pop("y", helpers.LABELS)
    model = arguments.pop("model", None) or helpers.brightness()
    return kad.evaluate_robustness(model, x, y, state=path, **arguments)


def numbers(report):
    """Everything in a report but the seconds."""
    lines = [line._replace(seconds=0.0) for line in report.rows]
    images = {k: v.tolist() for k, v in report.images.items()}
    samples = {
        k: np.nan_to_num(v, nan=-1) for k, v in report.per_sample.items()
    }
    return lines, images, {k: v.tolist() for k, v in samples.items()}


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(moment, saves):
    """Kills the process at the `saves`-th save: before, in, or after it."""
    replace, count = os.replace, [0]

    def counted(source, target):
        count[0] += 1
        if count[0] == saves and moment == "writing":
            with open(source, "r+b") as file:
                file.truncate(100)
            die()
        replace(source, target)
        if count[0] == saves and moment == "written":
            die()

    os.replace = counted
    if moment == "attacking":
        run = kad.attacks.PGD.run

        def killed(self, *args, **kwargs):
            result = run(self, *args, **kwargs)
            if count[0] >= saves:
                die()
            return result

        kad.attacks.PGD.run = killed


if __name__ == "__main__":
    path, moment, saves = sys.argv[1:]
    die_at(moment, int(saves))
    evaluate(path)
    print("not killed")
