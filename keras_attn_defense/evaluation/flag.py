"""What a check against self-deception found."""

from typing import NamedTuple


class Flag(NamedTuple):
    """One check's finding.

    Args:
        name: The check.
        raised: True if the numbers are not to be trusted, False if the check
            found nothing, None if it was not made.
        sentence: What was found, or why the check was not made.
    """

    name: str
    raised: bool | None
    sentence: str
