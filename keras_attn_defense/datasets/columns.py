"""Which column of a set holds what."""


def chosen_column(what, given, columns, candidates):
    """The name of a column: the given one, or the only candidate.

    Args:
        what: `"image"` or `"label"`.
        given: The name that the caller asked for, or None.
        columns: The names of all columns.
        candidates: The names of those that may be meant.

    Raises:
        ValueError: If there is no such column, or more than one.
    """
    if given is not None:
        if given not in columns:
            raise ValueError(
                f"There is no column {given!r}. Received: "
                f"{what}_column={given!r}; the set has {sorted(columns)}."
            )
        return given
    if len(candidates) != 1:
        number = "several columns" if candidates else "no column"
        raise ValueError(
            f"The set has {number} of {what}s"
            + (f", {sorted(candidates)}" if candidates else "")
            + f". Choose one of {sorted(columns)} and pass it as "
            f"`{what}_column`."
        )
    return candidates[0]
