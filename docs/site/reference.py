"""The API reference: one page a room, made from the package's `__init__`s.

A name that an `__init__` imports is public, and appears by itself.
"""

from pathlib import Path

import griffe

PACKAGE = "keras_attn_defense"
ROOT = Path(__file__).parents[2]
SETUP = ROOT / "docs" / "site" / "example_setup.py"
INDEX = "reference/index.md"
INTRODUCTION = """
`kad` is short for `keras_attn_defense`.

## What examples start from

```python
{setup}```

## Names
"""
HINT = """
Examples start from [these lines](index.md#what-examples-start-from).
"""
OBJECT = """
::: {path}
    options:
      heading: {room}.{name}
      toc_label: {name}
"""


class Package:
    """Finds where public names are defined, without importing anything."""

    def __init__(self):
        self.modules = {}
        self._collect(griffe.load(PACKAGE, search_paths=[ROOT]))

    def _collect(self, module):
        self.modules[module.path] = module
        for member in module.modules.values():
            if not member.is_alias:
                self._collect(member)

    def find(self, path):
        """Follows imports, which hide submodules of the same name."""
        parent, _, name = path.rpartition(".")
        module = self.modules[parent]
        target = module.imports.get(name, path)
        return module[name] if target == path else self.find(target)

    def rooms(self, name="kad", path=PACKAGE):
        """Yields `(name, module, {name: object})`, inner rooms first."""
        module = self.modules[path]
        names = sorted(
            (n for n in module.imports if n[0] != "_"), key=str.lower
        )
        objects = {each: self.find(f"{path}.{each}") for each in names}
        for each in names:
            if objects[each].is_module:
                inner = objects.pop(each)
                yield from self.rooms(f"{name}.{each}", inner.path)
        yield name, module, objects


def pages():
    """Returns `{path: Markdown}`; an object has its place in one page only."""
    written, places = {}, set()
    for room, module, objects in Package().rooms():
        new = {n: o for n, o in objects.items() if o.path not in places}
        places |= {each.path for each in new.values()}
        path = INDEX if room == "kad" else f"reference/{room[4:]}.md"
        written[path] = page(room, module, objects, new)
    return written


def page(room, module, objects, new):
    text = f"# {room}\n\n{module.docstring.value}\n"
    if room == "kad":
        setup = SETUP.read_text(encoding="utf-8")
        text += INTRODUCTION.format(setup=setup)
    else:
        text += HINT
    text += "\n| Name | What it is |\n| --- | --- |\n"
    for name, each in objects.items():
        summary = each.docstring.value.partition("\n")[0]
        text += f"| [`{name}`][{each.path}] | {summary} |\n"
    for name, each in new.items():
        text += OBJECT.format(path=each.path, room=room, name=name)
    return text
