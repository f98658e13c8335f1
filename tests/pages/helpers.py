"""Pages made from real evaluations, and a browser to open them."""

import os
import shutil

import numpy as np
import pytest

import keras_attn_defense as kad
from tests.networks import NUM_CLASSES
from tests.networks import functional
from tests.networks import images_and_labels

#: A class that would be trouble if a page did not escape its name.
NAMES = ["<script>alert(1)</script>", 'two & a "half"', "it's", "four"]
RADII = [0.01, 8 / 255]
IMAGES, _ = images_and_labels(24)


def network(seed=2):
    """A small network with feature maps, and labels that are mostly right."""
    model = functional(seed=seed, scale=4.0)
    labels = model.predict(IMAGES, verbose=0).argmax(-1)
    labels[::6] = (labels[::6] + 1) % NUM_CLASSES
    return model, labels


def evaluated(model, labels, **arguments):
    """A report with pictures of eight images."""
    arguments = {
        "attacks": {
            "fgsm": kad.attacks.FGSM(),
            "pgd": kad.attacks.PGD(steps=3, seed=0),
        },
        "epsilons": RADII,
        "gallery": 8,
        "checks": False,
        "dataset": "</title><img src=x onerror=alert(2)>",
        "verbose": 0,
        **arguments,
    }
    return kad.evaluate_robustness(model, IMAGES, labels, **arguments)


def chromium():
    """The program of the browser; skips the test where there is none."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium: `apt-get install chromium`, or set CHROMIUM")
    return program


def numbers(values):
    """What a page writes for shares."""
    return [f"{100 * value:.1f}\xa0%" for value in np.ravel(values)]
