"""Check that devices and processes can share the batches of `fit` equally.

A batch that they cannot share fails in the middle of a training on JAX, and a
process with a batch more than the others waits for them for ever. So what is
known of the data is looked at before any weight moves.
"""

import zlib

import keras
import numpy as np

from .._backend import check_together
from .._backend import devices
from .._backend import process
from .._processes import from_all

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
_CURE = (
    "Leave out what does not fill a batch: `drop_remainder=True` in `tf.data`, "
    "`drop_last=True` in a `DataLoader`, or fewer images."
)


class Division:
    """How a model's batches are divided among devices and processes.

    Args:
        model: The model.
    """

    def __init__(self, model):
        self.devices = devices(model)
        self.processes = process(model)[1]
        distribution = keras.distribution.distribution()
        #: Whether each process passes the data of all, and gets its share.
        self.is_automatic = _ON_TENSORFLOW or (
            distribution is not None and distribution.auto_shard_dataset
        )

    def sizes(self, x, batch_size, *, training=True):
        """Checks the data that this process passes.

        Args:
            x: As in `fit`.
            batch_size: As in `fit`.
            training: Whether it is trained on.

        Returns:
            What the processes should have in common, a dict, and a checksum
            of the first images, which they should not.

        Raises:
            ValueError: If the devices cannot share the batches.
        """
        # TensorFlow evaluates parts of any size.
        if self.devices == 1 or (_ON_TENSORFLOW and not training):
            return {}
        size, count, last = _batches(x, batch_size)
        if size is None:
            # It cannot be known. On TensorFlow, it is no error in most cases.
            if hasattr(x, "element_spec") and not _ON_TENSORFLOW:
                raise ValueError(
                    "The data set does not say how many images its batches "
                    f"have, and all have to be shared by {self.devices} "
                    "devices. Pass `drop_remainder=True` to "
                    "`batch` of `tf.data`, or use `ensure_shape`."
                )
            return {}
        # Arrays are dealt out batch by batch, in Keras from 3.16 on.
        dealt = self.is_automatic and not (
            _ON_TENSORFLOW or hasattr(x, "element_spec")
        )
        whole = self.is_automatic and not dealt
        parts = self.devices if whole else self.devices // self.processes
        for images, which in ((size, "Batches"), (last, "The last batch")):
            if images % parts:
                raise ValueError(
                    f"{which} of {images} images cannot be shared equally by "
                    f"{parts} devices. {_CURE}"
                )
        if dealt and (count % self.processes or last != size):
            raise ValueError(
                f"{count} batches, the last of {last} of {size} images, "
                f"cannot be dealt out to {self.processes} processes. {_CURE}"
            )
        found = {"batch size": size, "batches": count, "last batch": last}
        if self.is_automatic or not hasattr(x, "shape"):
            return found
        return {**found, "checksum": _checksum(x)}


def sizes_in_fit(division, arguments):
    """Checks the data of `fit`.

    Args:
        division: A `Division`.
        arguments: Those of `fit`, a dict.

    Returns:
        What `check_division` compares.
    """
    x, validation = arguments.get("x"), arguments.get("validation_data")
    batch_size = arguments.get("batch_size")
    if isinstance(validation, (tuple, list)):
        validation = validation[0]
    share = arguments.get("validation_split")
    if share and validation is None and hasattr(x, "shape"):
        first = int(len(x) * (1.0 - share))
        x, validation = x[:first], x[first:]
    found = {"fit": division.sizes(x, batch_size)}
    if validation is not None:
        found["validation_data"] = division.sizes(
            validation,
            arguments.get("validation_batch_size") or batch_size,
            training=False,
        )
    return found


def check_division(model, look_at_data):
    """Looks at the data in all processes, and compares what they found.

    Args:
        model: The model.
        look_at_data: Function of a `Division`; returns what its `sizes` found
            in data, a dict of these.

    Raises:
        ValueError: In all processes, if one of them raised it, or if they
            cannot go in step.
    """
    check_together(model)
    division = Division(model)
    found = from_all(model, lambda: look_at_data(division))
    if len(found) == 1:
        return
    for name in found[0]:
        _compare(name, [each[name] for each in found])


def _compare(name, found):
    checksums = {each.pop("checksum", None) for each in found}
    if any(each != found[0] for each in found):
        each = "; ".join(
            f"process {number} has {_described(sizes)}"
            for number, sizes in enumerate(found)
        )
        raise ValueError(
            f"{name}: the processes would not go in step: {each}. Give all of "
            "them equally many batches of one size."
        )
    if None not in checksums and len(checksums) == 1:
        raise ValueError(
            f"{name}: each of {len(found)} processes has the same images, so "
            "each would be trained on several times. Pass a part of the "
            "images: in process i of n, `x[i::n], y[i::n]`."
        )


def _described(sizes):
    if not sizes:
        return "data of unknown size"
    return ", ".join(f"{name} {value}" for name, value in sizes.items())


def _batches(x, batch_size):
    """Returns the size of batches, their number, and the size of the last."""
    if isinstance(x, keras.utils.PyDataset):
        count = x.num_batches
        if not count:
            return None, None, None
        return _images(x[0]), count, _images(x[count - 1])
    if hasattr(x, "element_spec"):
        leaf = keras.tree.flatten(x.element_spec)[0]
        size = leaf.shape[0] if len(leaf.shape) else None
        if size is None:
            return None, None, None
        return size, int(x.cardinality()), size
    if hasattr(x, "drop_last") and hasattr(x, "dataset"):
        size, dataset = x.batch_size, x.dataset
        if size is None or not hasattr(dataset, "__len__"):
            return None, None, None
        return _counted(len(dataset), size, x.drop_last)
    if hasattr(x, "shape"):
        return _counted(len(x), batch_size or 32)
    return None, None, None


def _counted(images, size, drop_last=False):
    rest = images % size
    if drop_last or not rest:
        return size, images // size, size
    if images < size:
        return rest, 1, rest
    return size, images // size + 1, rest


def _images(batch):
    return len(keras.tree.flatten(batch)[0])


def _checksum(x):
    first = np.ascontiguousarray(keras.ops.convert_to_numpy(x[:8]))
    return zlib.crc32(first.tobytes())
