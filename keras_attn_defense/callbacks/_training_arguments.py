"""Arguments of `fit` with which a training can go on."""

import keras

from ._shuffled_batches import ShuffledBatches
from ._shuffled_batches import is_arrays
from ._shuffled_batches import split_off

_REFUSED = {
    keras.callbacks.BackupAndRestore: "does the same. Leave it out",
    keras.callbacks.CSVLogger: (
        "loses the epochs before, or repeats one. Use "
        "`kad.callbacks.TrainingLog`"
    ),
}


def check_resumable(callbacks, arguments):
    """Raises a `ValueError` for what cannot be resumed.

    Args:
        callbacks: The other callbacks of `fit`.
        arguments: Those of `fit`, a dict.
    """
    for each in callbacks:
        for kind, reason in _REFUSED.items():
            if isinstance(each, kind):
                raise ValueError(f"Beside `Resume`, {kind.__name__} {reason}.")
    if arguments.get("steps_per_epoch") is not None:
        raise ValueError(
            "With `steps_per_epoch`, where an epoch begins in the data depends "
            "on those before it. Leave it out, so that an epoch is a pass over "
            "the data, to use `Resume`."
        )
    if hasattr(arguments.get("x"), "__next__"):
        raise ValueError(
            "A generator cannot go back to where an epoch began. To use "
            "`Resume`, pass arrays, a `keras.utils.PyDataset`, or another data "
            "set that can be read again."
        )


def reproducible(arguments):
    """Has arrays shuffled by the seed of the epoch.

    Args:
        arguments: Those of `fit`, a dict.

    Returns:
        The arguments to use in their place.
    """
    if not is_arrays(arguments.get("x")):
        return dict(arguments)
    found = dict(arguments)
    data = [found.pop(name, None) for name in ("x", "y", "sample_weight")]
    share = found.pop("validation_split", None)
    if share and found.get("validation_data") is None:
        data, found["validation_data"] = split_off(data, share)
    if found.pop("shuffle", True):
        batches = ShuffledBatches(data, found.get("batch_size"))
        return {**found, "x": batches, "shuffle": False}
    x, y, weights = data
    return {**found, "x": x, "y": y, "sample_weight": weights, "shuffle": False}
