"""Checks of arguments that every part of the library takes."""

import contextlib
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np


def check_number(
    name: str,
    value: Any,
    lowest: float = 0.0,
    highest: float = float("inf"),
    *,
    above: bool = False,
    unit: str = "",
) -> float:
    """Returns a number as a float; NumPy's scalars count too.

    Args:
        name: Name of the argument.
        value: Its value.
        lowest: The least that it may be.
        highest: The most that it may be; infinity is never a number.
        above: Whether it has to be more than `lowest`.
        unit: What it counts, for the error.

    Raises:
        ValueError: If it is not a number, or is out of bounds.
    """
    real = isinstance(value, (int, float, np.number, np.ndarray))
    if real and not isinstance(value, bool) and np.ndim(value) == 0:
        kind = np.asarray(value).dtype.kind
        number = float(value) if kind in "iuf" else float("nan")
        enough = number > lowest if above else number >= lowest
        if enough and number <= highest and np.isfinite(number):
            return number
    bound = f"above {lowest:g}" if above else f"of at least {lowest:g}"
    if np.isfinite(highest):
        bound = f"from {lowest:g} to {highest:g}"
        if above:
            bound = f"above {lowest:g} and at most {highest:g}"
    raise ValueError(
        f"`{name}` should be a number {bound}{unit and f', {unit}'}. "
        f"Received: {name}={value!r}"
    )


def check_count(name: str, value: Any, lowest: int | None = 1) -> int:
    """Returns a whole number as an `int`; NumPy's scalars count too.

    Args:
        name: Name of the argument.
        value: Its value.
        lowest: The least that it may be, or None.

    Raises:
        ValueError: If it is not a whole number, or is too small.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    truth = isinstance(value, (bool, np.bool_))
    if number is None or truth or (lowest is not None and number < lowest):
        least = "" if lowest is None else f" of at least {lowest}"
        raise ValueError(
            f"`{name}` should be a whole number{least}. Received: "
            f"{name}={value!r}"
        )
    return number


def check_counts(
    name: str, values: Any, meaning: tuple[str, ...], lowest: int = 1
) -> tuple[Any, ...]:
    """Returns whole numbers that belong together, such as a size.

    Args:
        name: Name of the argument.
        values: Its values.
        meaning: What each of them is, such as `("height", "width")`.
        lowest: The least that each may be.

    Raises:
        ValueError: If there are fewer or more, or one is not a whole
            number or is too small.
    """
    try:
        counts = tuple(check_count(name, each, lowest) for each in values)
    except (TypeError, ValueError):
        counts = ()
    if len(counts) != len(meaning):
        raise ValueError(
            f"`{name}` should be ({', '.join(meaning)}), whole numbers of at "
            f"least {lowest}. Received: {name}={values!r}"
        )
    return counts


def check_named(given: Any, known: Any, base: type, what: str) -> Any:
    """Returns the name of something that is known by a name.

    Capitals and hyphens do not count: `"LayerCAM"` is `"layer-cam"`.

    Args:
        given: What was given in place of a name.
        known: The names.
        base: The class of what may be given as it is.
        what: Such as `"An attack"`.

    Raises:
        ValueError: If it is no name, or an unknown one.
    """
    if isinstance(given, str):
        for name in known:
            if _letters(name) == _letters(given):
                return name
    article = "An" if base.__name__[0] in "AEIOU" else "A"
    if isinstance(given, type):
        advice = f" Pass an object, not its class: `{given.__name__}(...)`."
    else:
        advice = ""
    raise ValueError(
        f"{what} should be one of {sorted(known)}, or {article.lower()} "
        f"`{base.__name__}`.{advice} Received: {given!r} (of type "
        f"{type(given).__name__})."
    )


def _letters(name):
    return name.lower().replace("-", "").replace("_", "")


def refuse_arguments(given: Any, arguments: dict[str, Any]) -> None:
    """Raises a `ValueError` for arguments beside an object that has its own.

    Args:
        given: The object.
        arguments: The arguments, by name.
    """
    if arguments:
        raise ValueError(
            f"A {type(given).__name__} is returned as it is, with the settings "
            f"that it has. Pass its name, or leave out: {sorted(arguments)}."
        )


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """A scope in which a Keras layer is called; its own errors stay short.

    Keras puts the values of all arguments around the message of an error.
    """
    try:
        yield
    except ValueError as error:
        inner = error.__context__
        if isinstance(inner, ValueError) and str(inner) in str(error):
            raise inner from None
        raise


def not_defined(owner: Any, method: str, purpose: str) -> NotImplementedError:
    """The error of a class that lacks what it has to define.

    Args:
        owner: An object of the class.
        method: Name of the method.
        purpose: What the method is for.
    """
    return NotImplementedError(
        f"{type(owner).__name__} does not define `{method}`: {purpose}. Define "
        "it in your class, with the arguments that the base class documents."
    )
