"""What the processes that train one model together tell each other.

`from_all` and `from_first` are called by all of them, in the same order: one
that is missing would be waited for.
"""

import json

import keras

from ._backend import gathered
from ._backend import process


def is_first(model):
    """Tells whether this is the process that writes files."""
    return process(model)[0] == 0


def by_first(model, function):
    """Runs a function in the first process only, which waits for no other.

    Args:
        model: The model that they train.
        function: Takes nothing.
    """
    if not is_first(model):
        return
    distribution = keras.distribution.distribution()
    # Saving creates variables, and Keras would share them with the others.
    keras.distribution.set_distribution(None)
    try:
        function()
    finally:
        keras.distribution.set_distribution(distribution)


def from_all(model, function):
    """Runs a function in each process.

    Args:
        model: The model that they train.
        function: Takes nothing and returns what JSON can hold.

    Returns:
        What it returned in each of them, a list.

    Raises:
        ValueError: In all processes, if the function raised one in any.
    """
    index, count = process(model)
    if count == 1:
        return [function()]
    value = failure = None
    try:
        value = function()
    except ValueError as error:
        failure = error
    own = [value, None if failure is None else str(failure)]
    found = [json.loads(each) for each in gathered(model, json.dumps(own))]
    if failure is not None:
        raise failure
    for number, (_, message) in enumerate(found):
        if message is not None:
            raise ValueError(f"In process {number} of {count}: {message}")
    return [each for each, _ in found]


def from_first(model, function):
    """Runs a function in the first process only.

    Args:
        model: The model that they train.
        function: As in `from_all`.

    Returns:
        What it returned, in all processes.

    Raises:
        ValueError: In all processes, if the function raised one.
    """
    first = is_first(model)
    return from_all(model, lambda: function() if first else None)[0]
