"""What a training is told, as text that can be compared."""

import warnings
import zlib

import keras
import numpy as np

from ._shuffled_batches import is_arrays

# Names that Keras numbers, and seeds that it draws: another process, or
# another model of the same process, has others. Those of attacks are a user's.
_IGNORED = {
    "name",
    "seed",
    "build_config",
    "inbound_nodes",
    "input_layers",
    "output_layers",
    "shared_object_id",
}
# Arguments of `fit` that may change, or are looked at in another way.
_NOT_COMPARED = {
    "callbacks",
    "epochs",
    "initial_epoch",
    "sample_weight",
    "validation_data",
    "verbose",
    "x",
    "y",
}
_SAMPLES = 64
_SHOWN = 3


def settings(model, arguments, seed):
    """Describes a training.

    Args:
        model: The model.
        arguments: Those of `fit`, a dict.
        seed: That of `Resume`.

    Returns:
        A dict of text.
    """
    data = {
        name: arguments.get(name)
        for name in ("x", "y", "sample_weight", "validation_data")
    }
    parts = {
        "backend": keras.backend.backend(),
        "model": _config(model.get_config),
        "compile": _config(model.get_compile_config),
        "weights": [f"{v.shape} {v.dtype}" for v in model.variables],
        "fit": {
            name: value
            for name, value in arguments.items()
            if name not in _NOT_COMPARED
        },
        "data": {name: _content(value) for name, value in data.items()},
        "`seed` of `Resume`": seed,
    }
    return dict(_flat("", parts))


def check_equal(before, now, folder, *, begun):
    """Raises a `ValueError` that names what has changed.

    Args:
        before: The settings in the folder.
        now: Those of this training.
        folder: The folder.
        begun: Whether this process has trained the model before, so that its
            learning rate need not be that of the beginning.
    """
    names = sorted(
        name
        for name in {*before, *now}
        if before.get(name) != now.get(name)
        and not (begun and name.endswith("learning_rate"))
    )
    if not names:
        return
    changes = [
        f"{name} was {before.get(name, 'not there')} and is "
        f"{now.get(name, 'not there')}"
        for name in names[:_SHOWN]
    ]
    if len(names) > _SHOWN:
        changes.append(f"and {len(names) - _SHOWN} more")
    raise ValueError(
        f"The training in '{folder}' has other settings: "
        f"{'; '.join(changes)}. To go on, use the same as then; for another "
        "training name another folder, or delete this one."
    )


def _config(get):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' of lambdas: nothing is saved.
        try:
            return get()
        except Exception:  # A user's layer or loss that cannot be saved.
            return None


def _content(data):
    """Describes arrays by their shape and by samples from all over them."""
    if isinstance(data, (tuple, list, dict)):
        if isinstance(data, dict):
            return {name: _content(value) for name, value in data.items()}
        return [_content(each) for each in data]
    if data is None or not is_arrays(data):
        return type(data).__name__
    samples = data[:: max(1, len(data) // _SAMPLES)]
    samples = np.ascontiguousarray(keras.ops.convert_to_numpy(samples))
    return f"{tuple(data.shape)} {zlib.crc32(samples.tobytes()):08x}"


def _flat(path, tree):
    """Yields the leaves of nested dicts and lists with their paths."""
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, (list, tuple)):
        items = enumerate(tree)
    else:
        yield path, _text(tree)
        return
    for name, value in items:
        of_attack = name == "seed" and "attack" in path
        if name not in _IGNORED or of_attack:
            yield from _flat(f"{path}.{name}" if path else str(name), value)


def _text(leaf):
    if isinstance(leaf, (bool, int, float, str, type(None))):
        return str(leaf)
    if isinstance(leaf, (np.ndarray, np.generic)):
        return str(np.asarray(leaf).tolist())
    return type(leaf).__name__
