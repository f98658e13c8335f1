"""Writes the notebooks of the guides, executed from top to bottom.

    python guides/make_notebooks.py                          all of them
    python guides/make_notebooks.py write_your_own_attack    one or more

Text in triple quotes becomes a cell of Markdown, and the code between two
texts a cell of code. Where no code has changed, the outputs are kept and
nothing is executed: delete a notebook to execute it again. Needs
`pip install "keras-attn-defense[guides]"`.
"""

import ast
import base64
import io
import os
import pathlib
import sys
import tempfile

import nbformat

FOLDER = pathlib.Path(__file__).resolve().parent


def guides():
    """The paths of all guides."""
    others = {pathlib.Path(__file__).name}
    return [p for p in sorted(FOLDER.glob("*.py")) if p.name not in others]


def cells(source):
    """The cells of a guide, pairs of `"markdown"` or `"code"` and a text."""
    lines = source.splitlines()
    header, *texts = filter(_is_text, ast.parse(source).body)
    yield "markdown", _title(header.value.value)
    end = header.end_lineno
    for text in [*texts, None]:
        start = text.lineno - 1 if text else len(lines)
        code = "\n".join(lines[end:start]).strip()
        if code:
            yield "code", code
        if text:
            yield "markdown", text.value.value.strip()
            end = text.end_lineno


def notebook(source):
    """The notebook of a guide, not executed."""
    make = {
        "markdown": nbformat.v4.new_markdown_cell,
        "code": nbformat.v4.new_code_cell,
    }
    # The same names every time: a new notebook differs where its text does.
    made = [
        make[kind](text, id=f"cell-{number}")
        for number, (kind, text) in enumerate(cells(source))
    ]
    kernel = {"name": "python3", "display_name": "Python 3"}
    return nbformat.v4.new_notebook(
        cells=made, metadata={"kernelspec": {**kernel, "language": "python"}}
    )


def execute(made):
    """Executes a notebook in an empty folder; the outputs are kept in it."""
    import nbclient

    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            made,
            timeout=None,
            record_timing=False,
            resources={"metadata": {"path": folder}},
        )
        client.execute()
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs = _tidied(cell.outputs)


def _tidied(outputs):
    """Outputs without noise: lines in one piece, small pictures."""
    kept = []
    for output in outputs:
        data = output.get("data", {})
        if output.get("name") == "stderr":
            # Logs of libraries; whoever makes the notebooks sees them.
            print(output.text)
        elif output.get("name") == "stdout":
            text = "".join(
                line
                for line in output.text.splitlines(keepends=True)
                if not line.startswith("INFO:tensorflow")
            )
            if kept and kept[-1].get("name") == "stdout":
                kept[-1]["text"] += text
            else:
                kept.append({**output, "text": text})
        elif "image/png" in data:
            data["image/png"] = _smaller(data["image/png"])
            kept.append(output)
        elif " at 0x" not in data.get("text/plain", ""):
            kept.append(output)
    return [nbformat.from_dict(each) for each in kept]


def _smaller(picture):
    """A picture in Base64 with at most 256 colors, a third of the size."""
    from PIL import Image

    written = io.BytesIO()
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    image.quantize(256).save(written, "png", optimize=True)
    return base64.b64encode(written.getvalue()).decode()


def keep_outputs(made, before):
    """Takes over the outputs of a notebook of the same code, if it is.

    Args:
        made: A notebook, not executed.
        before: The same guide's notebook, executed earlier.

    Returns:
        Whether all code is the same.
    """
    new, old = (
        [cell for cell in each.cells if cell.cell_type == "code"]
        for each in (made, before)
    )
    if [cell.source for cell in new] != [cell.source for cell in old]:
        return False
    for cell, done in zip(new, old, strict=True):
        cell.outputs = done.outputs
        cell.execution_count = done.execution_count
    made.metadata = before.metadata
    return True


def _title(header):
    title, *rest = header.strip().splitlines()
    named = [line.split(": ", 1) for line in rest]
    return "\n".join(
        [f"# {title.removeprefix('Title: ')}", ""]
        + [f"**{name}:** {value}<br>" for name, value in named]
    )


def _is_text(statement):
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def main(names):
    # Not in the notebooks: what TensorFlow's libraries say of the machine.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # The kernel starts elsewhere and finds the package of this checkout.
    os.environ["PYTHONPATH"] = str(FOLDER.parent)
    for path in guides():
        if names and path.stem not in names:
            continue
        target = FOLDER / "notebooks" / f"{path.stem}.ipynb"
        made = notebook(path.read_text())
        if not target.exists() or not keep_outputs(
            made, nbformat.read(target, as_version=4)
        ):
            print("executing", path.stem, flush=True)
            execute(made)
        nbformat.write(made, target)


if __name__ == "__main__":
    main(sys.argv[1:])
