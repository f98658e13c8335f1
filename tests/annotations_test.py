"""Public signatures say what they take and return; mypy checks that it fits."""

import inspect

import pytest

import keras_attn_defense as kad

pytestmark = pytest.mark.once

UNNAMED = ("self", "cls")


def public_objects():
    """Returns `{name as users write it: class or function}`."""
    objects = {}
    rooms = {"kad": kad}
    for name, value in vars(kad).items():
        if inspect.ismodule(value) and not name.startswith("_"):
            rooms[f"kad.{name}"] = value
    for room, module in rooms.items():
        for name, value in vars(module).items():
            its_module = getattr(value, "__module__", "")
            if not name.startswith("_") and its_module.startswith(kad.__name__):
                objects[f"{room}.{name}"] = value
    return objects


def public_functions(name, value):
    """Yields `(name, function)` of a function or of a class's methods."""
    if not inspect.isclass(value):
        yield name, value
        return
    for key, attribute in vars(value).items():
        if isinstance(attribute, property):
            attribute = attribute.fget
        if isinstance(attribute, (classmethod, staticmethod)):
            attribute = attribute.__func__
        if key.startswith("_") and key not in ("__init__", "__call__"):
            continue
        if inspect.isfunction(attribute) and is_written_here(attribute):
            yield f"{name}.{key}", attribute


def is_written_here(function):
    """Not what `NamedTuple` makes, or another library defines."""
    return inspect.getmodule(function).__name__.startswith(kad.__name__)


def missing_annotations(function):
    signature = inspect.signature(function)
    missing = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.annotation is parameter.empty
        and parameter.name not in UNNAMED
    ]
    if signature.return_annotation is signature.empty:
        missing.append("return")
    return missing


OBJECTS = public_objects()


@pytest.mark.parametrize("name", OBJECTS)
def test_signatures_are_annotated(name):
    missing = {
        label: names
        for label, function in public_functions(name, OBJECTS[name])
        if (names := missing_annotations(function))
    }

    assert not missing


def test_many_names_are_looked_at():
    assert len(OBJECTS) > 80
    assert "kad.attacks.PGD" in OBJECTS
    assert "kad.evaluate_robustness" in OBJECTS
