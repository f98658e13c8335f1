"""The package's parts import each other in one direction only.

The files are parsed, not imported, so that imports inside functions and under
`TYPE_CHECKING` count too.
"""

import ast
import graphlib
import pathlib

import pytest

pytestmark = pytest.mark.once

PACKAGE = "keras_attn_defense"
ROOT = pathlib.Path(__file__).parent.parent / PACKAGE

# Each level may import the levels before it. The parts ("rooms") of one level
# do not know each other.
LEVELS = (
    (
        "_archives",
        "_arguments",
        "_backend",
        "_files",
        "_public",
        "_registration",
        "_text",
        "_typing",
        "version",
    ),
    ("_epoch_logs", "_processes", "data"),
    ("classifier",),
    ("attention", "losses", "preprocessing", "datasets"),
    ("attacks", "visualization"),
    ("adapters", "defenses", "models", "pages"),
    ("evaluation", "analysis"),
    ("callbacks", "distributed", "export", "zoo"),
    ("cli",),
    ("__init__", "__main__"),
)
LEVEL_OF_ROOM = {
    room: level for level, rooms in enumerate(LEVELS) for room in rooms
}
# The same inside `attacks/`; all else there is an attack, above these.
ATTACK_LEVELS = (
    ("arguments", "engine", "perturbation_sets"),
    ("objectives",),
    ("attack",),
    ("gradient_attack", "search_attack"),
    ("hyperplanes", "schedules"),
)
FRAMEWORKS = ("tensorflow", "jax", "torch")
FRAMEWORK_ROOM = "_backend"


def is_module_or_submodule(name, module):
    return name == module or name.startswith(module + ".")


def room_of_file(path, root):
    return path.relative_to(root).with_suffix("").parts[0]


def imported_modules(path, root):
    """Yields `(line, module)` for each import, with absolute module names.

    `from a import b` yields `a.b`: `b` may be a module. `keras.src` used as an
    attribute, and `import_module("a")`, count as imports.
    """
    package = (root.name, *path.relative_to(root).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                for name in names:
                    yield node.lineno, name.name
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else ()
                prefix = ".".join((*base, *([module] if module else [])))
                for name in names:
                    yield node.lineno, f"{prefix}.{name.name}"
            case ast.Attribute(value=ast.Name(id="keras"), attr="src"):
                yield node.lineno, "keras.src"
            case ast.Call(
                func=(
                    ast.Name(id="import_module" | "__import__")
                    | ast.Attribute(attr="import_module")
                ),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield node.lineno, module


def room_of_module(module, root):
    """Returns the room of one of the package's modules, else `None`."""
    package, _, rest = module.partition(".")
    if package != root.name:
        return None
    room = rest.partition(".")[0]
    is_room = (root / room).is_dir() or (root / f"{room}.py").is_file()
    # A name that is no module comes out of the package's own `__init__`.
    return room if room and is_room else "__init__"


def forbidden_imports(path, root):
    """Returns one message for each import in the file that is not allowed."""
    room = room_of_file(path, root)
    if room not in LEVEL_OF_ROOM:
        return [f"{path}: give {room!r} a place in LEVELS of {__file__}"]
    messages = []
    for line, module in imported_modules(path, root):
        where = f"{path}:{line}: {room!r} imports {module!r}"
        if is_module_or_submodule(module, "keras.src"):
            messages.append(f"{where}, which is private to Keras")
        if room != FRAMEWORK_ROOM and any(
            is_module_or_submodule(module, name) for name in FRAMEWORKS
        ):
            messages.append(f"{where}; only {FRAMEWORK_ROOM!r} may")
        other = room_of_module(module, root)
        if other is None or other == room:
            continue
        if LEVEL_OF_ROOM.get(other, len(LEVELS)) >= LEVEL_OF_ROOM[room]:
            messages.append(f"{where}; allowed are only levels below it")
    return messages


@pytest.mark.parametrize(
    "path",
    sorted(ROOT.rglob("*.py")),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_imports_only_lower_levels(path):
    messages = forbidden_imports(path, ROOT)

    assert not messages, "\n".join(messages)


@pytest.mark.parametrize(
    "file, statement",
    [
        ("attacks/pgd.py", "from ..models import model"),
        ("attention/map.py", "from keras_attn_defense.attacks import pgd"),
        ("attention/map.py", "from .. import losses"),
        ("attacks/pgd.py", "import keras_attn_defense"),
        ("attacks/pgd.py", "def f():\n    import torch.nn"),
        ("attacks/pgd.py", "importlib.import_module('jax.numpy')"),
        ("_backend/torch.py", "from keras.src import backend"),
        ("_backend/torch.py", "keras.src.backend.core"),
        ("_backend/torch.py", "from .._registration import register"),
        ("newroom.py", ""),
    ],
)
def test_reports_forbidden_import(tmp_path, file, statement):
    root, path = make_package(tmp_path, file, statement)

    assert len(forbidden_imports(path, root)) == 1


@pytest.mark.parametrize(
    "file, statement",
    [
        ("attacks/pgd.py", "from .attack import Attack"),
        ("attacks/pgd.py", "from keras_attn_defense.attacks import attack"),
        ("attacks/pgd.py", "from .._backend import vjp"),
        ("attacks/pgd.py", "from keras_attn_defense import classifier"),
        ("attacks/pgd.py", "import keras\nfrom keras import ops"),
        ("_backend/torch.py", "import torch"),
        ("models/model.py", "from ..attention.grad_cam import GradCAM"),
        ("export.py", "from .models.model import Model"),
        ("__init__.py", "from .export import export as export"),
    ],
)
def test_accepts_allowed_import(tmp_path, file, statement):
    root, path = make_package(tmp_path, file, statement)

    assert forbidden_imports(path, root) == []


def module_of(path, root):
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_between_files(root):
    """Returns the set of modules that each module imports, as names."""
    files = {module_of(path, root): path for path in root.rglob("*.py")}
    graph = {name: set() for name in files}
    for name, path in files.items():
        for _, imported in imported_modules(path, root):
            if imported not in files:  # A name inside a module.
                imported = imported.rpartition(".")[0]
            if imported in files and imported != name:
                graph[name].add(imported)
    return graph


def test_no_circles_between_files():
    graph = imports_between_files(ROOT)
    assert len(graph) > 200 and sum(map(len, graph.values())) > 500
    graphlib.TopologicalSorter(graph).prepare()  # Raises if there is one.


def test_reports_a_circle(tmp_path):
    root, path = make_package(tmp_path, "attacks/a.py", "from .b import B")
    (path.parent / "b.py").write_text("from . import a", encoding="utf-8")
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(imports_between_files(root)).prepare()


def test_attacks_import_downwards_inside_their_folder():
    prefix = f"{PACKAGE}.attacks."
    level_of = {
        part: level
        for level, parts in enumerate(ATTACK_LEVELS)
        for part in parts
    }
    assert all(
        (ROOT / "attacks" / part).is_dir()
        or (ROOT / "attacks" / f"{part}.py").is_file()
        for part in level_of
    )
    for importer, modules in imports_between_files(ROOT).items():
        part = importer.removeprefix(prefix).partition(".")[0]
        if not importer.startswith(prefix) or part not in level_of:
            continue
        for module in modules:
            other = module.removeprefix(prefix).partition(".")[0]
            if module.startswith(prefix) and other != part:
                above = level_of.get(other, len(ATTACK_LEVELS))
                assert above < level_of[part], f"{importer} imports {module}"


def make_package(folder, file, text):
    root = folder / PACKAGE
    for room in LEVEL_OF_ROOM:
        (root / room).mkdir(parents=True)
    path = root / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return root, path
