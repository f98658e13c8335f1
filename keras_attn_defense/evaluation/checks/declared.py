"""What the layers of a model say about how they have to be attacked."""

import contextlib

import numpy as np
from keras import ops

from ...classifier import Classifier
from ...classifier import is_seed
from ...classifier import substituted


def declared_by(view):
    """Lists the layers that say how they have to be attacked, and what."""
    return getattr(view, "declared", [])


def names_of(declared):
    """Returns the names of layers, for a sentence."""
    return ", ".join(f"'{layer.name}'" for layer, _ in declared)


class SmoothView(Classifier):
    """A model whose layers are replaced by the substitutes they declare.

    Args:
        model: A built Keras classifier.
    """

    def __call__(self, images, training=False, layers=(), tap=None):
        with substituted(self.declared, replaces=True):
            return super().__call__(images, training, layers, tap)


def smooth_view(view):
    """Returns the model as its substitutes have it, and words for a sentence.

    Args:
        view: A classifier view; one without substitutes is returned as it is.
    """
    declared = [
        (layer, how)
        for layer, how in declared_by(view)
        if how.substitute is not None
    ]
    if not declared:
        return view, ""
    words = f"With substitutes for {names_of(declared)}, as attacks have them: "
    return SmoothView(view.model), words


@contextlib.contextmanager
def same_draws(view):
    """A scope in which layers that declare to be random can be held still.

    Yields:
        A function; predictions right after it have the same random numbers
        in these layers.
    """
    seeds = [
        variable
        for layer, how in declared_by(view)
        if how.draws > 1
        for variable in layer.variables
        if is_seed(variable)
    ]
    values = [np.array(ops.convert_to_numpy(seed)) for seed in seeds]

    def restore():
        for seed, value in zip(seeds, values, strict=True):
            seed.assign(value)

    yield restore
    restore()
