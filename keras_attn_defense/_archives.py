"""Arrays and models in zip files that somebody else may have written.

No code of a file is run, and reading it takes no more memory than
`most_bytes` says, whatever the file claims to hold.
"""

import contextlib
import math
import os
import zipfile
import zlib

import numpy as np

# What a broken or forged zip file raises; `RuntimeError` if it is encrypted.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
)
_SUFFIX = ".npy"
_GIBIBYTE = 2**30
# Arrays of photographs are compressed a few times, of zeros a thousand times.
_LARGEST_RATIO = 200


def most_bytes(path):
    """What a zip file may become in memory: 1 GiB, or 200 times its size."""
    return max(_GIBIBYTE, _LARGEST_RATIO * os.path.getsize(path))


def check_size(path, archive):
    """Raises a `ValueError` if a zip file claims to hold absurdly much.

    Args:
        path: The file.
        archive: The same, as an open `zipfile.ZipFile`.
    """
    size = sum(member.file_size for member in archive.infolist())
    if size > most_bytes(path):
        raise ValueError(
            f"The file '{path}' has {os.path.getsize(path)} bytes and claims "
            f"to hold {size}. More than {_LARGEST_RATIO} times its size is not "
            "read, as it would fill the memory. Save it without compression "
            "if that is what it holds."
        )


class Arrays:
    """The arrays of an open `.npz` file.

    Args:
        path: The file.
        archive: The same, as an open `zipfile.ZipFile`.

    Attributes:
        files: The names of the arrays.
    """

    def __init__(self, path, archive):
        self._path = path
        self._archive = archive
        self.files = [
            name.removesuffix(_SUFFIX)
            for name in archive.namelist()
            if name.endswith(_SUFFIX)
        ]

    def __getitem__(self, name):
        """An array of numbers or strings.

        Raises:
            ValueError: If it is another kind of array, or damaged.
        """
        try:
            with self._archive.open(name + _SUFFIX) as stream:
                self._check_header(name, stream)
            with self._archive.open(name + _SUFFIX) as stream:
                return np.lib.format.read_array(stream, allow_pickle=False)
        except _BROKEN as error:
            raise ValueError(
                f"`{name}` in '{self._path}' cannot be read: {error}. The file "
                "is damaged: save or copy it again."
            ) from None

    def _check_header(self, name, stream):
        """Checks what an array claims to be before memory is taken for it."""
        try:
            version = np.lib.format.read_magic(stream)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = read(stream)
        except Exception as error:  # It may be broken in any way.
            raise ValueError(
                f"`{name}` in '{self._path}' has no header of an array: "
                f"{error}. Write the file with `np.savez`."
            ) from None
        if dtype.hasobject:
            raise ValueError(
                f"`{name}` must be an array of numbers. Received: an array of "
                "Python objects, which is not loaded, as it could run code. "
                "Stack images of one size with `np.stack` before saving."
            )
        if dtype.kind not in "biufUS":
            raise ValueError(
                f"`{name}` must be an array of numbers or strings. Received: "
                f"dtype={dtype} in '{self._path}'."
            )
        claimed = math.prod(shape) * dtype.itemsize
        member = self._archive.getinfo(name + _SUFFIX)
        held = member.file_size - stream.tell()
        if claimed != held or min(shape, default=0) < 0:
            raise ValueError(
                f"`{name}` in '{self._path}' claims the shape {shape} of "
                f"{dtype}, {claimed} bytes, and holds {held}. The file is "
                "damaged: save it again with `np.savez`."
            )


@contextlib.contextmanager
def open_arrays(path):
    """A scope in which the `Arrays` of a `.npz` file can be read.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another kind of file, or claims to hold more than
            `most_bytes`.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(_no_archive(path, "which is no file"))
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        found = "which is no such file, or is truncated"
        raise ValueError(_no_archive(path, found)) from None
    with archive:
        check_size(path, archive)
        yield Arrays(path, archive)


def _no_archive(path, found):
    return (
        f"`path` must name a `.npz` archive. Received: path={str(path)!r}, "
        f"{found}. Write the file with `np.savez`."
    )
