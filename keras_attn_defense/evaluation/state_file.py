"""The files that an evaluation goes on from, and that shards are merged from.

Nothing in such a file is executed, whoever wrote it.
"""

import json
import os
import pathlib
from typing import Any
from typing import NamedTuple

import numpy as np

from .._archives import open_arrays
from .._files import replacing
from .packing import packed
from .packing import unpacked
from .shard import shard_name

_FORMAT = "keras_attn_defense evaluation state 4"
_UNREADABLE = (ValueError, KeyError, TypeError, OSError, RecursionError)


class StateFile(NamedTuple):
    """What a state file holds.

    Args:
        path: The file.
        fingerprint: A dict of what has to be equal for equal numbers.
        attacks: The attacks as they were named, a text or a list of texts;
            None if they were objects.
        shard: `(index, count)`, or None for all images.
        complete: Whether it holds all images of its data.
        arrays: The results, as `packed` returned them.
    """

    path: pathlib.Path
    fingerprint: dict[str, Any]
    attacks: str | list[str] | None
    shard: tuple[int, int] | None
    complete: bool
    arrays: dict[str, np.ndarray]

    @property
    def title(self):
        """The file, and what it claims to be."""
        return f"'{self.path}' ({shard_name(self.shard)})"

    def records(self, book):
        """Returns its `Records` by the number of their block.

        Args:
            book: The `RecordBook` of the evaluation.

        Raises:
            ValueError: If they are damaged.
        """
        try:
            return unpacked(self.arrays, book)
        except _UNREADABLE as error:
            raise damaged(self.path, error) from None


def read_state(path):
    """Reads a `StateFile`.

    Args:
        path: The file.

    Raises:
        ValueError: If it is not there, damaged, or of another version.
    """
    if not os.path.exists(path):
        raise ValueError(
            f"There is no state file '{path}'. Expected one that "
            "`evaluate_robustness` wrote."
        )
    try:
        with open_arrays(path) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays.pop("header")))
        if header["format"] == _FORMAT:
            return _with_header(path, header, arrays)
    except _UNREADABLE as error:
        raise damaged(path, error) from None
    raise ValueError(
        f"The state file '{path}' is of another version: {header['format']}. "
        f"Expected: {_FORMAT}. Delete it to start again, or name another file."
    )


def write_state(path, header, book):
    """Writes a state file, which is either the old or the new one.

    Args:
        path: The file.
        header: The fields of a `StateFile`, but for path and arrays.
        book: The `RecordBook`.
    """
    header = json.dumps({"format": _FORMAT, **header})
    with replacing(path) as file:
        np.savez(file, header=header, **packed(book.parts))


def damaged(path, error):
    """The error that a file is none of ours, or damaged."""
    return ValueError(
        f"The state file '{path}' is damaged or not a state file: {error} "
        "Delete it to start from the beginning, or name another file."
    )


def differences(then, now, place=""):
    """Yields a sentence for each value that two nested dicts differ in."""
    for key in {**then, **now}:
        old, new = then.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from differences(old, new, f"{place}{key}.")
        elif old != new:
            yield f"{place}{key} was {old!r} and is {new!r}"


def _with_header(path, header, arrays):
    fingerprint, attacks = header["fingerprint"], header["attacks"]
    shard = header["shard"]
    if not isinstance(fingerprint, dict):
        raise ValueError("It does not say what it belongs to.")
    if not _is_shard(shard):
        raise ValueError(f"It calls itself shard {shard!r}.")
    if not _are_names(attacks):
        raise ValueError(f"It names its attacks {attacks!r}.")
    return StateFile(
        pathlib.Path(path),
        fingerprint,
        attacks,
        None if shard is None else tuple(shard),
        bool(header["complete"]),
        arrays,
    )


def _is_shard(value):
    return value is None or (
        isinstance(value, list)
        and list(map(type, value)) == [int, int]
        and 0 <= value[0] < value[1]
    )


def _are_names(value):
    return isinstance(value, (str, type(None))) or (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    )
