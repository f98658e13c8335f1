"""A page for each notebook of `guides/notebooks`, with its outputs."""

from pathlib import Path

from nbconvert import MarkdownExporter

NOTEBOOKS = Path(__file__).parents[2] / "guides" / "notebooks"


def pages():
    """Returns `{path: content}` of pages and their pictures."""
    written = {}
    for notebook in sorted(NOTEBOOKS.glob("*.ipynb")):
        name = notebook.stem
        folder = {"unique_key": name, "output_files_dir": f"{name}_files"}
        page, resources = MarkdownExporter().from_filename(
            str(notebook), resources=folder
        )
        for path, content in {
            f"{name}.md": page,
            **resources["outputs"],
        }.items():
            written[f"guides/{path}"] = content
    return written
