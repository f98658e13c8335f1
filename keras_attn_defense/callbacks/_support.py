"""What callbacks share: data, repeated values, attack state, TensorBoard."""

import contextlib
import sys

import numpy as np
from keras import ops

from .._arguments import check_count
from ..data import blocks


class Carried(float):
    """A value of an earlier epoch, for callbacks that need one in every epoch.

    Callbacks of this package recognize its type and ignore it.
    """


@contextlib.contextmanager
def at_full_strength(attack):
    """Sets an attack to full strength, and restores its state afterwards.

    The attack may be the one that the model trains with: its seeds and the
    strength that a schedule gave it do not change.

    Args:
        attack: The attack.
    """
    before = [np.array(ops.convert_to_numpy(v)) for v in attack.variables]
    try:
        attack.strength.assign(1.0)
        yield
    finally:
        for variable, value in zip(attack.variables, before, strict=True):
            variable.assign(value)


def in_memory(x, y, limit):
    """Reads images and labels as one block.

    Args:
        x: Images, or a data set of `(images, labels)` batches.
        y: Labels, if `x` are images.
        limit: The number of images to read, or None for all.
    """
    limit = None if limit is None else check_count("limit", limit)
    size = limit or sys.maxsize
    everything = next(blocks(x, y, size=size, limit=limit), None)
    if everything is None:
        raise ValueError("There are no images in `x`.")
    return everything


def summary_writer(folder):
    """Returns a writer of TensorBoard events, which needs no TensorFlow.

    Args:
        folder: The folder.

    Raises:
        ImportError: If tensorboardX is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise ImportError(
            "`tensorboard` needs tensorboardX, which is not installed. Install "
            "it with `pip install tensorboardX` or `pip install "
            "keras-attn-defense[viz]`, or leave it out: `tensorboard=None`."
        ) from None
    return SummaryWriter(str(folder))
