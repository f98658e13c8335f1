"""What users pass, drawn by Hypothesis; networks that all examples share."""

import functools
import os

import keras
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import layers

from tests import networks
from tests.testing import BACKEND

SHAPE = (4, 4, 3)
CLASSES = networks.NUM_CLASSES
RANGES = [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)]
_IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"

seeds = st.integers(0, 2**31 - 1)


def examples(number):
    """The number of examples of a test in CI; a long run takes more."""
    return settings(max_examples=number * (20 if _IS_LONG else 1))


def chosen(everything, few):
    """All cases, or a few in CI on backends that compile each for seconds."""
    return list(everything) if BACKEND == "torch" or _IS_LONG else few


def network(value_range=RANGES[0], shape=SHAPE):
    """A smooth network with a hidden layer, for images of a range."""
    return _network(value_range, shape)


@functools.cache  # For which `f()` and `f(default)` are two calls.
def _network(value_range, shape):
    lower, upper = value_range
    scale = 1 / (upper - lower)
    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.Rescaling(scale, -lower * scale),
            layers.Flatten(),
            layers.Dense(6, "tanh"),
            layers.Dense(CLASSES, name="head"),
        ]
    )
    return networks.set_weights(model, seed=5, scale=2.0)


@functools.cache
def convolutional():
    """A network with feature maps of 4x4, for images of 8x8."""
    return networks.functional()


@st.composite
def images(draw, batch, value_range=(0.0, 1.0), shape=SHAPE):
    """Images of a range, its bounds and the 8-bit grid among the values."""
    lower, upper = (np.float32(bound) for bound in value_range)
    kind = draw(st.sampled_from(["noise", "edges", "grid", "constant"]))
    size = (batch, *shape)
    generator = np.random.default_rng(draw(seeds))
    if kind == "noise":
        unit = generator.uniform(0, 1, size)
    elif kind == "grid":
        unit = generator.integers(0, 256, size) / 255
    elif kind == "constant":
        unit = np.full(size, draw(st.floats(0, 1, width=32)))
    else:
        values = st.floats(0, 1, width=32, allow_subnormal=False)
        unit = draw(hnp.arrays("float32", size, elements=values))
    x = (lower + unit * (upper - lower)).astype("float32")
    return np.clip(x, lower, upper)


@st.composite
def labels(draw, batch, classes=CLASSES):
    """Class indices, int32."""
    values = st.integers(0, classes - 1)
    return draw(hnp.arrays("int32", batch, elements=values))


# What else users write for the same classes.
LABEL_FORMS = {
    "int64": lambda y: y.astype("int64"),
    "uint8": lambda y: y.astype("uint8"),
    "float32": lambda y: y.astype("float32"),
    "column": lambda y: y[:, None],
    "float column": lambda y: y[:, None].astype("float64"),
    "one-hot": lambda y: np.eye(CLASSES, dtype="float32")[y],
    "whole one-hot": lambda y: np.eye(CLASSES, dtype="int64")[y],
    "list": lambda y: y.tolist(),
    "tensor": keras.ops.convert_to_tensor,
}
label_forms = st.sampled_from(sorted(LABEL_FORMS))


def frozen(*arrays):
    """Arrays that nobody can write to."""
    for array in arrays:
        array.setflags(write=False)
    return arrays if len(arrays) > 1 else arrays[0]


def logits(batch, classes=CLASSES, largest=50.0):
    """Logits, float32; equal ones among them."""
    values = st.floats(-largest, largest, width=32, allow_subnormal=False)
    return hnp.arrays("float32", (batch, classes), elements=values)


def maps(batch, side=5, lowest=0.0, highest=1.0):
    """Attention maps, float32, constant ones among them."""
    values = st.floats(lowest, highest, width=32, allow_subnormal=False)
    return hnp.arrays("float32", (batch, side, side), elements=values)
