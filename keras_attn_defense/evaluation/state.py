"""A file from which an interrupted evaluation goes on."""

import io
import json
import os
import pathlib

import numpy as np

from .._archives import open_arrays
from .._files import write_atomically

_FORMAT = "keras_attn_defense evaluation state 2"
_UNREADABLE = (ValueError, KeyError, TypeError, OSError, RecursionError)


class State:
    """Saves records after each attack, and finds them again.

    Args:
        path: The file, or None for no file at all.
        fingerprint: A dict of what has to be equal for the numbers to be.
    """

    def __init__(self, path, fingerprint):
        self.path = None if path is None else pathlib.Path(path)
        self.fingerprint = json.loads(json.dumps(fingerprint))
        #: Whether the file holds all images of its data.
        self.complete = False
        if self.path is not None and not self.path.parent.is_dir():
            raise ValueError(
                f"The folder of state='{path}' does not exist. Create it first."
            )

    def load(self, records):
        """Fills `records` from the file, if there is one."""
        if self.path is None or not os.path.exists(self.path):
            return
        try:
            with open_arrays(self.path) as file:
                arrays = {name: file[name] for name in file.files}
            header = json.loads(str(arrays.pop("header")))
            known = header["format"] == _FORMAT
            then = header["fingerprint"]
            complete = bool(header.get("complete"))
            if not isinstance(then, dict):
                raise ValueError("It does not say what it belongs to.")
        except _UNREADABLE as error:
            raise self._damaged(error) from None
        if not known:
            raise ValueError(
                f"The state file '{self.path}' is of another version: "
                f"{header['format']}. Expected: {_FORMAT}. Delete it to start "
                "again, or name another file."
            )
        self._compare(then)
        try:
            _check_arrays(arrays, records)
        except _UNREADABLE as error:
            raise self._damaged(error) from None
        records.restore(arrays)
        self.complete = complete

    def save(self, records):
        """Writes `records`, so that a killed process loses one attack only."""
        if self.path is None:
            return
        header = {
            "format": _FORMAT,
            "fingerprint": self.fingerprint,
            "complete": self.complete,
        }
        content = io.BytesIO()
        np.savez(content, header=json.dumps(header), **records.arrays())
        write_atomically(self.path, content.getvalue())

    def check_block(self, records, block, checksum):
        """Raises a `ValueError` if a block is not the one seen before."""
        if records.checksums[block] != checksum:
            raise ValueError(
                f"The state file '{self.path}' belongs to other data: block "
                f"{block} of images or labels differs. Data has to come in "
                "the same order each time, so switch off shuffling; or delete "
                "the file to start from the beginning."
            )

    def check_open(self, records):
        """Raises a `ValueError` if all images of the file were seen already.

        Args:
            records: The `Records`, before a further block.
        """
        if self.complete:
            raise ValueError(
                f"The state file '{self.path}' belongs to other data: it ended "
                f"with all of its {len(records)} images, and there are more. "
                "Delete it to start from the beginning, or name another file."
            )

    def finish(self, records, total):
        """Notes that the data has ended.

        Raises a `ValueError` if the file knows more images than there are.

        Args:
            records: The `Records`.
            total: The number of images.
        """
        if len(records) > total:
            raise ValueError(
                f"The state file '{self.path}' belongs to other data: it knows "
                f"{len(records)} images, and there are {total}. Delete it to "
                "start from the beginning, or name another file."
            )
        if not self.complete:
            self.complete = True
            self.save(records)

    def _damaged(self, error):
        return ValueError(
            f"The state file '{self.path}' is damaged or not a state file: "
            f"{error} Delete it to start from the beginning, or name another "
            "file."
        )

    def _compare(self, then):
        different = list(_differences(then, self.fingerprint))
        if different:
            raise ValueError(
                f"The state file '{self.path}' belongs to another evaluation: "
                f"{'; '.join(different)}. Repeat the call as it was to go on, "
                "delete the file to start from the beginning, or name another "
                "file."
            )


def _check_arrays(arrays, records):
    """Raises an error unless `records` can take over the arrays."""
    expected = records.arrays()
    images = set(records.kept_names())
    number = len(arrays["labels"])
    if number and not images <= set(arrays):
        raise ValueError("It lacks the images.")
    for name, empty in expected.items():
        found = arrays[name]
        shape = empty.shape
        if name in ("labels", "predictions") or name.startswith("distance "):
            shape = (number,)
        elif name == "checksums":
            shape = found.shape[:1]
        elif name == "skipped" and found.size:
            shape = (len(found), 2)
        elif name == "skipped":
            shape = found.shape
        if found.shape != shape or found.dtype.kind != empty.dtype.kind:
            raise ValueError(f"'{name}' has another shape or type.")


def _differences(then, now, place=""):
    """Yields a sentence for each value that two nested dicts differ in."""
    for key in {**then, **now}:
        old, new = then.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f"{place}{key}.")
        elif old != new:
            yield f"{place}{key} was {old!r} and is {new!r}"
