"""Files with a row for each epoch: CSV as of Keras, and JSON Lines."""

import csv
import io
import json
import math
import pathlib

from ._files import write_atomically

_MISSING = "NA"  # As `keras.callbacks.CSVLogger` writes it.


def check_format(path):
    """Raises a `ValueError` unless the file's name ends as it should."""
    if pathlib.Path(path).suffix not in _FORMATS:
        raise ValueError(
            "`path` should end in .csv or .jsonl (one JSON object a line). "
            f"Received: path='{path}'"
        )


def write_epochs(path, rows):
    """Writes dicts of numbers, each with its `epoch`, from 0.

    Args:
        path: The file, `.csv` or `.jsonl`.
        rows: A dict for each epoch; they may differ in what they hold.
    """
    _, text = _FORMATS[pathlib.Path(path).suffix]
    write_atomically(path, text(rows).encode())


def read_epochs(path):
    """Reads what `write_epochs` or `keras.callbacks.CSVLogger` wrote.

    Args:
        path: The file, `.csv` or `.jsonl`.

    Returns:
        A list of dicts, without what was not measured.

    Raises:
        ValueError: If the file is not of this kind, or holds no epoch.
    """
    check_format(path)
    read, _ = _FORMATS[pathlib.Path(path).suffix]
    text = pathlib.Path(path).read_text(encoding="utf-8")
    try:
        rows = [{**row, "epoch": int(row["epoch"])} for row in read(text)]
        if not rows:
            raise ValueError("no epochs")
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ValueError(
            f"The file '{path}' should be written by `TrainingLog`, or by "
            "`keras.callbacks.CSVLogger` with separator ',': numbers by name, "
            f"'epoch' one of them, for each epoch. Reading it gave: {error!r}"
        ) from None
    return rows


def _as_csv(rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    table = csv.DictWriter(text, names, _MISSING, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _from_csv(text):
    return [
        {name: float(cell) for name, cell in row.items() if cell != _MISSING}
        for row in csv.DictReader(io.StringIO(text))
    ]


def _as_json_lines(rows):
    # JSON knows no NaN: null stands for what is not finite.
    return "".join(
        json.dumps(
            {name: v if math.isfinite(v) else None for name, v in row.items()}
        )
        + "\n"
        for row in rows
    )


def _from_json_lines(text):
    return [
        {
            name: math.nan if value is None else float(value)
            for name, value in json.loads(line).items()
        }
        for line in text.splitlines()
    ]


_FORMATS = {
    ".csv": (_from_csv, _as_csv),
    ".jsonl": (_from_json_lines, _as_json_lines),
}
