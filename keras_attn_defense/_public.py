"""Names that a package shows in `dir` and in completions."""

import types


def public_names(namespace, packages=()):
    """Lists what a package exports, without its files.

    Args:
        namespace: The package's `globals()`.
        packages: Names of the packages inside it that users are to see.

    Returns:
        A sorted list of names.
    """
    exported = [
        name
        for name, value in namespace.items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    ]
    return sorted([*exported, *packages])
