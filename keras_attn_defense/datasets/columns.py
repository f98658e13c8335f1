"""The choice of the columns of images and labels in a data set."""


def chosen_column(kind, requested, columns, candidates):
    """Returns the name of a column: the requested one, or the only candidate.

    Args:
        kind: `"image"` or `"label"`.
        requested: The name that the caller asked for, or None.
        columns: The names of all columns.
        candidates: The names of the columns of this kind.

    Raises:
        ValueError: If there is no such column, or more than one.
    """
    if requested is not None:
        if requested not in columns:
            raise ValueError(
                f"There is no column {requested!r}. Received: "
                f"{kind}_column={requested!r}; the set has {sorted(columns)}."
            )
        return requested
    if len(candidates) != 1:
        number = "several columns" if candidates else "no column"
        raise ValueError(
            f"The set has {number} of {kind}s"
            + (f", {sorted(candidates)}" if candidates else "")
            + f". Choose one of {sorted(columns)} and pass it as "
            f"`{kind}_column`."
        )
    return candidates[0]
