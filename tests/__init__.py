"""The tests; a package, as some installed ones bring a `tests` of theirs."""
