"""Conversion of the labels of a data set to indices of a model's outputs."""

import os
import sys

import numpy as np

_LISTED = 20
_HINT = (
    "Name the classes in the order of the model's outputs: --class-names a b "
    "c ..., or --class-names names.txt, a file with one name on each line."
)


def read_class_names(values):
    """Returns the names of a model's outputs, or None.

    Args:
        values: A list of names, or of one `.txt` file with names, or None.
    """
    if values is None:
        return None
    names = list(values)
    if len(names) == 1 and names[0].endswith(".txt"):
        if not os.path.isfile(names[0]):
            raise ValueError(f"There is no file --class-names {names[0]}.")
        with open(names[0], encoding="utf-8") as file:
            names = [line.strip() for line in file if line.strip()]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"--class-names should differ. Received {repeated[:5]} more than "
            "once."
        )
    return names


def model_labels(source, labels, names, num_classes, class_names):
    """Converts labels to indices of the model's outputs.

    Args:
        source: Name of the data in errors.
        labels: Strings, or integers, or one-hot rows.
        names: The classes that integers stand for, or None if not known.
        num_classes: The number of the model's outputs.
        class_names: The names of the model's outputs, or None.

    Raises:
        ValueError: If the classes of the data are not those of the model.
    """
    if class_names is not None and len(class_names) != num_classes:
        raise ValueError(
            f"--class-names contains {len(class_names)} names, and the model "
            f"has {num_classes} outputs. {_HINT}"
        )
    labels = np.asarray(labels)
    # Strings become indices of their sorted names.
    if labels.dtype.kind in "US":
        labels = labels.astype(str).reshape(len(labels))
        names, labels = np.unique(labels, return_inverse=True)
    # Indices without names are taken as those of the outputs.
    if names is None:
        return labels
    names = [str(name) for name in names]
    if labels.ndim == 2:
        labels = labels.argmax(1) if labels.shape[1] > 1 else labels[:, 0]
    if (labels % 1).any():
        raise ValueError(
            f"The labels of '{source}' should be whole numbers, as it names "
            f"its classes. Received: {labels[:3].tolist()}."
        )
    labels = labels.astype("int64")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(names):
        raise ValueError(
            f"The labels of '{source}' range from {labels.min()} to "
            f"{labels.max()}, and it names {len(names)} classes."
        )
    if class_names is None:
        indices = _by_number(source, names, num_classes)
    else:
        indices = _by_name(source, names, class_names)
    return indices[labels]


def _by_number(source, names, num_classes):
    """Assigns classes to outputs in their own order."""
    if len(names) != num_classes:
        raise ValueError(
            f"The number of classes of '{source}' is {len(names)} "
            f"({_listed(names)}), and the model has {num_classes} outputs, so "
            f"their order is not known. {_HINT}"
        )
    _print_classes(source, "classes, in their own order", enumerate(names))
    return np.arange(len(names))


def _by_name(source, names, class_names):
    """Assigns classes to outputs by their names."""
    places = {name: index for index, name in enumerate(class_names)}
    unknown = [name for name in names if name not in places]
    if unknown:
        raise ValueError(
            f"The classes {_listed(unknown)} of '{source}' are not among "
            f"--class-names {_listed(class_names)}. {_HINT}"
        )
    indices = np.array([places[name] for name in names], int)
    pairs = zip(indices.tolist(), names, strict=True)
    _print_classes(source, "classes, by name", sorted(pairs))
    return indices


def _print_classes(source, how, pairs):
    """Prints the assignment of classes to outputs."""
    listed = _listed([f"{index} {name}" for index, name in pairs])
    print(f"{source}: {how}: {listed}.", file=sys.stderr)


def _listed(names):
    """Lists names in one line, but not too many."""
    if len(names) <= _LISTED:
        return ", ".join(names)
    return f"{', '.join(names[:_LISTED])}, ... {names[-1]}"
