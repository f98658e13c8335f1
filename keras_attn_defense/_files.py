"""Files that are never seen half written, and JSON that is checked."""

import contextlib
import json
import os
import pathlib


@contextlib.contextmanager
def replacing(path):
    """A scope in which a file is written that replaces another at its end.

    Whatever happens in the scope, `path` is either the old file or the new one.

    Args:
        path: The file.

    Yields:
        A binary file to write to.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path, content):
    """Writes bytes to a file that is either the old or the new one.

    Args:
        path: The file.
        content: Its new content.
    """
    with replacing(path) as file:
        file.write(content)


def check_suffix(path, suffix, reason):
    """Raises a `ValueError` unless the file's name ends as it should."""
    if pathlib.Path(path).suffix.lower() != suffix:
        raise ValueError(
            f"`path` should end in {suffix}, {reason}. Received: path='{path}'"
        )


def write_json(path, content):
    """Writes a dict of plain values.

    Args:
        path: The file.
        content: The dict; NaN is not allowed, as JSON does not know it.
    """
    text = json.dumps(content, indent=2, allow_nan=False)
    write_atomically(path, (text + "\n").encode())


def read_json(path, what):
    """Reads what `write_json` wrote.

    Args:
        path: The file.
        what: What it is called in an error.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
        return json.loads(text, parse_constant=_refuse)
    # Of text that nests too deeply, and of integers of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"The {what} '{path}' is truncated or no JSON: {error}. Save it "
            "again."
        ) from None


def _refuse(constant):
    raise ValueError(f"{constant} is no number of JSON")
