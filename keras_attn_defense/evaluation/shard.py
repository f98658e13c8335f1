"""One of several parts of an evaluation, for several processes or machines."""

from .._arguments import check_count


def check_shard(shard, state):
    """Returns a shard `(index, count)` after a check.

    Args:
        shard: What the user gave.
        state: The state file that the user gave, or None.

    Raises:
        ValueError: If it is no such pair, or has no file to be merged from.
    """
    try:
        index, count = shard
        count = check_count("the number of shards", count)
        index = check_count("the index of a shard", index, lowest=0)
    except (TypeError, ValueError):
        raise ValueError(
            "`shard` should be two whole numbers (index, count), such as "
            f"(0, 8) for the first of 8. Received: shard={shard!r}"
        ) from None
    if index >= count:
        raise ValueError(
            f"Shards are counted from 0: of {count} the last one is "
            f"({count - 1}, {count}). Received: shard={shard!r}"
        )
    if state is None:
        raise ValueError(
            "A shard is merged from its state file. Name one, such as "
            f"state='shard-{index}.npz'."
        )
    return index, count


def shard_name(shard):
    """What a shard is called in sentences."""
    return "all images" if shard is None else "shard {} of {}".format(*shard)


def images_of_shard(total, size, shard):
    """Returns the number of images of a shard, or None if not known.

    Args:
        total: The number of images in the data, or None.
        size: Images of a block.
        shard: `(index, count)`, or None for all images.
    """
    if total is None or shard is None:
        return total
    index, count = shard
    return sum(
        min(size, total - first)
        for first in range(index * size, total, count * size)
    )
