"""Records as a flat dict of arrays, for files and for other processes."""

import numpy as np

from .kept_images import KeptImages
from .kept_images import drawn
from .records import Records

# One entry an image, and one a block.
_OF_IMAGES = ("rows", "labels", "predictions")
_OF_BLOCKS = ("blocks", "sizes", "jobs", "checksums")


def packed(parts):
    """Returns arrays that hold the results of some blocks.

    Args:
        parts: A dict of `Records` by the number of their block, not empty.
    """
    numbers = sorted(parts)
    parts = [parts[number] for number in numbers]
    whole = Records.joined(parts)
    return {
        "blocks": np.array(numbers),
        "sizes": np.array([len(part) for part in parts]),
        "jobs": np.array([part.jobs_done for part in parts]),
        "checksums": whole.checksums,
        "work": np.stack([part.work for part in parts]),
        "skipped": np.array(list(whole.skipped.items()), str).reshape(-1, 2),
        **{name: getattr(whole, name) for name in _OF_IMAGES},
        **{f"distance {k}": v for k, v in whole.distances.items()},
        **{f"class {k}": v for k, v in whole.taken_for.items()},
        **{f"{k} rows": kept.rows for k, kept in whole.kept.items()},
        **{
            f"{name} {column}": images
            for name, kept in whole.kept.items()
            for column, images in kept.images.items()
        },
    }


def unpacked(arrays, book):
    """Returns a dict of `Records` by the number of their block.

    Args:
        arrays: What `packed` returned, or what somebody made up.
        book: The `RecordBook` of the evaluation that they belong to.

    Raises:
        ValueError, KeyError, TypeError: If they are not of such a book.
    """
    _check(arrays, book)
    kept = {
        name: KeptImages(
            columns,
            arrays[f"{name} rows"],
            {column: arrays[f"{name} {column}"] for column in columns},
            _draws(most, book.seed, arrays[f"{name} rows"]),
        )
        for name, (columns, most) in book.kept.items()
    }
    skipped = dict(arrays["skipped"].tolist())
    ends = np.cumsum(arrays["sizes"])
    parts = {}
    for place, end in enumerate(ends):
        rows = slice(end - arrays["sizes"][place], end)
        part = Records(
            book.entries,
            book.threat,
            *(arrays[name][rows] for name in _OF_IMAGES),
            arrays["checksums"][place : place + 1],
            {k: each.among(arrays["rows"][rows]) for k, each in kept.items()},
        )
        for name in part.distances:
            part.distances[name] = arrays[f"distance {name}"][rows]
            part.taken_for[name] = arrays[f"class {name}"][rows]
        part.work = arrays["work"][place]
        part.jobs_done = int(arrays["jobs"][place])
        part.skipped = dict(skipped)
        parts[int(arrays["blocks"][place])] = part
    return parts


def _draws(most, seed, rows):
    """The random numbers of the rows of a sample."""
    if most is None:
        return ()
    return [float(drawn(seed, row, 1)[0]) for row in rows.tolist()]


def _check(arrays, book):
    """Raises an error unless arrays have the types and shapes of a book."""
    number, blocks = len(arrays["rows"]), len(arrays["blocks"])
    work = (blocks, len(book.entries), len(book.threat.epsilons), 4)
    expected = {
        **dict.fromkeys(_OF_IMAGES, ("i", (number,))),
        **dict.fromkeys(_OF_BLOCKS, ("i", (blocks,))),
        "work": ("f", work),
        "skipped": ("U", (len(arrays["skipped"]), 2)),
        **{f"distance {e.name}": ("f", (number,)) for e in book.entries},
        **{f"class {e.name}": ("i", (number,)) for e in book.entries},
    }
    for name, (columns, _) in book.kept.items():
        count = len(arrays[f"{name} rows"])
        expected[f"{name} rows"] = ("i", (count,))
        for column in columns:
            of_one = arrays[f"{name} {column}"].shape[1:]
            expected[f"{name} {column}"] = ("f", (count, *of_one))
    for name, (kind, shape) in expected.items():
        if arrays[name].shape != shape or arrays[name].dtype.kind != kind:
            raise ValueError(f"'{name}' has another shape or type.")
    sizes, jobs, rows = (arrays[name] for name in ("sizes", "jobs", "rows"))
    if (
        blocks == 0
        or not 1 <= sizes.min() <= sizes.max() <= number
        or sizes.sum() != number
        or jobs.min() < 0
        or jobs.max() > book.jobs
        or (np.diff(arrays["blocks"]) < 1).any()
        or (np.diff(rows) < 1).any()
    ):
        raise ValueError("Its blocks contradict each other.")
    for name, (columns, most) in book.kept.items():
        kept = arrays[f"{name} rows"]
        # Of a sample, one block may have few rows, or none.
        enough = len(kept) <= most if most else np.array_equal(kept, rows)
        ascending = (np.diff(kept) > 0).all() and np.isin(kept, rows).all()
        if not (enough and ascending if columns else len(kept) == 0):
            raise ValueError(f"'{name} rows' are not those that it keeps.")
