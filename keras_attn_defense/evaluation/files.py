"""Files that are never seen half written."""

import os
import pathlib


def write_atomically(path, content):
    """Writes bytes to a file that is either the old or the new one.

    Args:
        path: The file.
        content: Its new content.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
