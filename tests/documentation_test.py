"""Public names are documented, and what Keras saves can be loaded again."""

import ast
import importlib
import inspect
import pkgutil
import runpy
import sys
from pathlib import Path

import keras
import pytest

import keras_attn_defense as kad

pytestmark = pytest.mark.once

PACKAGE = "keras_attn_defense"
SITE = Path(__file__).parents[1] / "docs" / "site"


def public_modules(package_name):
    """Returns the package and its modules whose path has no `_name`."""
    package = importlib.import_module(package_name)
    modules = [package]
    for info in pkgutil.iter_modules(package.__path__, package_name + "."):
        if info.name.rpartition(".")[2].startswith("_"):
            continue
        if info.ispkg:
            modules.extend(public_modules(info.name))
        else:
            modules.append(importlib.import_module(info.name))
    return modules


def exported_objects(package_name):
    """Returns `{qualified name: object}` of public classes and functions.

    A folder's `__init__` exports all of its public names, any other module
    those that it defines. An object counts once, under the place that defines
    it. Objects of other libraries do not count.
    """
    objects = {}
    for module in public_modules(package_name):
        for name, value in vars(module).items():
            if name.startswith("_"):
                continue
            if not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            is_folder = hasattr(module, "__path__")
            if value.__module__ == module.__name__ or (
                is_folder and is_of_package(value, package_name)
            ):
                key = f"{value.__module__}.{value.__qualname__}"
                objects[key] = value
    return dict(sorted(objects.items()))


def public_names(room, path="kad"):
    """Returns `{name: object}` of what a user reaches from `kad`.

    Public is what an `__init__` imports `as` itself.
    """
    found = {}
    for node in ast.parse(inspect.getsource(room)).body:
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if alias.asname is None or alias.asname.startswith("_"):
                continue
            value = getattr(room, alias.name)
            name = f"{path}.{alias.asname}"
            if inspect.ismodule(value):
                found |= public_names(value, name)
            elif callable(value):
                found[name] = value
    return found


def is_of_package(value, package_name):
    return value.__module__.partition(".")[0] == package_name


def init_arguments(cls):
    """Returns the names that `__init__` takes, without `*args, **kwargs`.

    An `__init__` that another library defines counts as taking none.
    """
    owner = next(c for c in cls.__mro__ if "__init__" in vars(c))
    if not is_of_package(owner, cls.__module__.partition(".")[0]):
        return []
    _, *parameters = inspect.signature(cls.__init__).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.kind not in variadic]


def documentation_faults(value):
    """Returns what is missing of the documentation of a class or function."""
    documentation = value.__doc__ or ""
    if not documentation.strip():
        return ["has no docstring"]
    if inspect.isclass(value) and "Args:" not in documentation:
        arguments = init_arguments(value)
        if arguments:
            return [f"has no 'Args:' section, but takes {arguments}"]
    return []


def is_registered(cls, package_name):
    registered_name = keras.saving.get_registered_name(cls)
    return registered_name == f"{package_name}>{cls.__name__}"


OBJECTS = exported_objects(PACKAGE)
PUBLIC = public_names(kad)


def test_completion_shows_public_names_only():
    shown, waiting = set(), {"kad": kad}
    while waiting:
        path, package = waiting.popitem()
        for name in dir(package):
            value = getattr(package, name)
            if inspect.ismodule(value):
                waiting[f"{path}.{name}"] = value
            else:
                shown.add(f"{path}.{name}")
    assert shown == set(PUBLIC)


def test_all_but_the_main_names_belongs_to_packages():
    top = {name for name in PUBLIC if name.count(".") == 1}
    main = {"AttentionDefendedModel", "evaluate_robustness", "export"}

    assert top == {f"kad.{name}" for name in main}
    assert isinstance(kad.__version__, str)


SERIALIZABLE_CLASSES = {
    name: value
    for name, value in OBJECTS.items()
    if inspect.isclass(value)
    and hasattr(value, "get_config")
    and not inspect.isabstract(value)
}


@pytest.mark.parametrize("name", OBJECTS)
def test_public_name_is_documented(name):
    faults = documentation_faults(OBJECTS[name])

    assert not faults, f"`{name}` {' and '.join(faults)}"


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_has_an_example(name):
    documentation = inspect.getdoc(PUBLIC[name])

    # `examples_test.py` runs it.
    assert "\n```python\n" in documentation, (
        f"`{name}` has no example. Add one to its docstring: a line "
        "'Example:', an empty line, and a fence ```python."
    )


def test_reference_has_every_public_name(monkeypatch):
    pytest.importorskip("griffe", reason="needs the extra 'docs'")
    monkeypatch.setattr(sys, "path", [str(SITE), *sys.path])
    pages = runpy.run_path(str(SITE / "reference.py"))["pages"]()

    text = "\n".join(pages.values())
    missing = [
        name
        for name, value in PUBLIC.items()
        if f"::: {value.__module__}.{value.__qualname__}\n" not in text
    ]
    assert not missing


def test_every_page_is_in_the_navigation(monkeypatch):
    pytest.importorskip("zensical", reason="needs the extra 'docs'")
    monkeypatch.setattr(sys, "path", [str(SITE), *sys.path])
    pages = [path.name for path in SITE.parent.glob("*.md")]
    for source in ("guides", "project_pages", "reference"):
        pages += runpy.run_path(str(SITE / f"{source}.py"))["pages"]()
    navigation = (SITE.parents[1] / "mkdocs.yml").read_text(encoding="utf-8")

    missing = [path for path in pages if path.endswith(".md")]
    missing = [path for path in missing if f" {path}\n" not in navigation]
    assert not missing, f"Add {missing} to `nav` in mkdocs.yml."


@pytest.mark.parametrize("name", SERIALIZABLE_CLASSES)
def test_class_with_config_is_registered(name):
    cls = SERIALIZABLE_CLASSES[name]

    assert is_registered(cls, PACKAGE), (
        f"`{name}` has `get_config`, so Keras must find it when it loads a "
        f"model: register it under {PACKAGE!r}. Its registered name is "
        f"{keras.saving.get_registered_name(cls)!r}"
    )
