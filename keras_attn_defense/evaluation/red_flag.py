"""The finding of a check against self-deception."""

from typing import NamedTuple


class RedFlag(NamedTuple):
    """One check's finding.

    Args:
        name: The check.
        raised: True if the numbers are not to be trusted, False if the check
            found nothing, None if it was not made.
        sentence: What was found, or why the check was not made.

    Example:

    ```python
    report = kad.evaluate_robustness(model, x, y, attacks="fgsm", verbose=0)
    for flag in report.flags:
        if flag.raised:
            print(flag.name, flag.sentence)
    ```
    """

    name: str
    raised: bool | None
    sentence: str
