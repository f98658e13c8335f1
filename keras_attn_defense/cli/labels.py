"""Labels of a data set as indices of a model's outputs."""

import os
import sys

import numpy as np

_LISTED = 20
_HINT = (
    "Name the classes in the order of the model's outputs: --class-names a b "
    "c ..., or --class-names names.txt, a file with one a line."
)


def read_class_names(given):
    """The names of a model's outputs, of arguments or of a file of names.

    Args:
        given: A list of names, of one `.txt` file, or None.
    """
    if given is None:
        return None
    names = list(given)
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
    """Labels as indices of the model's outputs.

    Args:
        source: What the data is called.
        labels: Strings, or integers, or one-hot rows.
        names: What integers stand for, where it is known, or None.
        num_classes: The number of the model's outputs.
        class_names: The names of the model's outputs, or None.

    Raises:
        ValueError: If the classes of the data are not those of the model.
    """
    if class_names is not None and len(class_names) != num_classes:
        raise ValueError(
            f"--class-names holds {len(class_names)} names, and the model has "
            f"{num_classes} outputs. {_HINT}"
        )
    labels = np.asarray(labels)
    if labels.dtype.kind in "US":
        labels = labels.astype(str).reshape(len(labels))
        names, labels = np.unique(labels, return_inverse=True)
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
            f"The labels of '{source}' go from {labels.min()} to "
            f"{labels.max()}, and it names {len(names)} classes."
        )
    if class_names is None:
        indices = _by_number(source, names, num_classes)
    else:
        indices = _by_name(source, names, class_names)
    return indices[labels]


def _by_number(source, names, num_classes):
    if len(names) != num_classes:
        raise ValueError(
            f"The number of classes of '{source}' is {len(names)} "
            f"({_listed(names)}), and the model has {num_classes} outputs, so "
            f"it is not known which is which. {_HINT}"
        )
    _tell(source, "classes, in their own order", enumerate(names))
    return np.arange(len(names))


def _by_name(source, names, class_names):
    places = {name: index for index, name in enumerate(class_names)}
    unknown = [name for name in names if name not in places]
    if unknown:
        raise ValueError(
            f"The classes {_listed(unknown)} of '{source}' are not among "
            f"--class-names {_listed(class_names)}. {_HINT}"
        )
    indices = np.array([places[name] for name in names], int)
    pairs = zip(indices.tolist(), names, strict=True)
    _tell(source, "classes, by name", sorted(pairs))
    return indices


def _tell(source, what, pairs):
    listed = _listed([f"{index} {name}" for index, name in pairs])
    print(f"{source}: {what}: {listed}.", file=sys.stderr)


def _listed(names):
    if len(names) <= _LISTED:
        return ", ".join(names)
    return f"{', '.join(names[:_LISTED])}, ... {names[-1]}"
