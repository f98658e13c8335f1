"""A page for each guide: its notebook, with outputs where there are any."""

import runpy
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

FOLDER = Path(__file__).parents[2] / "guides"


def pages():
    """Returns `{path: content}` of pages and their pictures."""
    make = runpy.run_path(str(FOLDER / "make_notebooks.py"))
    written = {}
    for guide in make["guides"]():
        name = guide.stem
        executed = FOLDER / "notebooks" / f"{name}.ipynb"
        if executed.exists():
            notebook = nbformat.read(executed, as_version=4)
        else:
            notebook = make["notebook"](guide.read_text(encoding="utf-8"))
        folder = {"unique_key": name, "output_files_dir": f"{name}_files"}
        page, resources = MarkdownExporter().from_notebook_node(
            notebook, resources=folder
        )
        found = {f"{name}.md": page, **resources["outputs"]}
        written |= {f"guides/{path}": each for path, each in found.items()}
    return written
