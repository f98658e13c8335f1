"""Attributes of callbacks as JSON with arrays beside it, and back."""

import hashlib
import json
import os

import numpy as np
from keras import ops


def changed_attributes(callback, unchanged):
    """Finds the attributes of a callback that training has changed.

    Args:
        callback: The callback. Attributes that are no plain data are ignored.
        unchanged: What `fingerprints` returned before training.

    Returns:
        A dict of their values.
    """
    return {
        name: vars(callback)[name]
        for name, fingerprint in fingerprints(callback).items()
        if unchanged.get(name) != fingerprint
    }


def fingerprints(callback):
    """Identifies the present values of a callback's attributes.

    Args:
        callback: The callback.

    Returns:
        A dict of text by attribute.
    """
    found = {}
    for name, value in vars(callback).items():
        arrays = []
        try:
            tree = encode(value, arrays)
        except TypeError:  # A model, a function, an open file.
            continue
        found[name] = _fingerprint(tree, arrays)
    return found


def restore(callback, attributes):
    """Gives a callback attributes, but for those that are paths and names.

    Args:
        callback: The callback.
        attributes: A dict of values.
    """
    own = vars(callback)
    for name, value in attributes.items():
        # They are settings: a file must not say where another is written.
        if not isinstance(own.get(name), (str, os.PathLike)):
            own[name] = value


def encode(value, arrays):
    """Turns plain data into JSON.

    Args:
        value: Numbers, text, None, arrays, tensors, functions of `keras.ops`,
            and lists, tuples and dicts of these.
        arrays: A list that arrays are appended to.

    Returns:
        What `json` takes and `decode` understands.

    Raises:
        TypeError: If the value holds anything else.
    """
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    if type(value) in (list, tuple):
        kind = type(value).__name__
        return [kind, [encode(each, arrays) for each in value]]
    if type(value) is dict:
        items = [
            [encode(each, arrays) for each in item] for item in value.items()
        ]
        return ["dict", items]
    if isinstance(value, (np.ndarray, np.generic)):
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return _append(kind, np.asarray(value), arrays)
    if ops.is_tensor(value):
        return _append("tensor", ops.convert_to_numpy(value), arrays)
    # How `EarlyStopping` compares, for example.
    name = getattr(value, "__name__", "")
    if value is getattr(ops, name, ops):
        return ["ops", name]
    raise TypeError(f"{type(value).__name__} is no plain data")


def decode(tree, arrays):
    """Turns back what `encode` returned.

    Args:
        tree: What `encode` returned.
        arrays: The arrays, by their position.
    """
    if not isinstance(tree, list):
        return tree
    # Everything but a plain value is a list that begins with its kind, lists
    # themselves too: so none can be taken for another.
    kind, content, *rest = tree
    if kind == "dict":
        return {
            decode(name, arrays): decode(value, arrays)
            for name, value in content
        }
    if kind in ("list", "tuple"):
        values = [decode(each, arrays) for each in content]
        return values if kind == "list" else tuple(values)
    if kind == "ops":
        # The name comes from a file: it may name a public function, and nothing
        # else.
        if content.startswith("_") or not callable(vars(ops)[content]):
            raise ValueError(f"{content} is no function of `keras.ops`")
        return vars(ops)[content]
    array = arrays[content]
    if kind == "tensor":
        return ops.convert_to_tensor(array, dtype=rest[0])
    return array if kind == "array" else array[()]


def storable(array):
    """Returns an array in a type that `.npz` files know, of the same values."""
    # Those of `ml_dtypes`, such as bfloat16, are unknown to NumPy.
    return array.astype("float32") if array.dtype.kind == "V" else array


def _append(kind, array, arrays):
    if array.dtype.kind not in "biufUSV" or array.dtype.names:
        raise TypeError(f"An array of {array.dtype} is no plain data")
    arrays.append(storable(array))
    tag = [kind, len(arrays) - 1]
    return [*tag, str(array.dtype)] if kind == "tensor" else tag


def _fingerprint(tree, arrays):
    digest = hashlib.sha256(json.dumps(tree).encode())
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
