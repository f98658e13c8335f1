"""Filling of templates, and writing of pages.

Jinja2 escapes every text: a class that is named `<script>` is shown as such.
In addition the page forbids its browser all scripts but its own, which it
names by their digest, and all requests.
"""

import base64
import functools
import hashlib
import pathlib
from collections.abc import Callable
from typing import Any

from .._files import write_atomically
from .._typing import Path

_FOLDER = pathlib.Path(__file__).parent / "templates"


def is_page(path: Path) -> bool:
    """Tells whether the name of a file asks for a page."""
    return pathlib.Path(path).suffix.lower() in (".html", ".htm")


def write_page(path: Path, make: Callable[..., str], *content: Any) -> None:
    """Writes a page to a file.

    Args:
        path: The file.
        make: A function that returns the page, a text.
        *content: What it is called with.
    """
    check_page()
    write_atomically(path, make(*content).encode())


def check_page(purpose: str = "A page") -> None:
    """Checks that all that pages need is installed.

    Args:
        purpose: What needs it, the first words of the error message.

    Raises:
        ImportError: If something is missing.
    """
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
        import PIL  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs {error.name}, which is not installed. Install "
            "it with `pip install keras-attn-defense[page]`."
        ) from None


def render(template, **content):
    """Fills a template.

    Args:
        template: The name of a file in `templates/`.
        **content: What it shows.

    Returns:
        The page, a text.
    """
    script = _read("page.js")
    return (
        _environment()
        .get_template(template)
        .render(
            style=_read("page.css"),
            script=script,
            script_digest=_digest(script),
            **content,
        )
    )


def percent(share):
    """Writes a share between 0 and 1 as `43.2 %`, with a space that holds."""
    return f"{100 * share:.1f}\xa0%"


def interval(bounds):
    """Writes an interval of shares as `40.1 to 46.3 %`."""
    low, high = bounds
    return f"{100 * low:.1f} to {100 * high:.1f}\xa0%"


@functools.cache
def _environment():
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, interval=interval)
    environment.globals.update(numbered=_numbered)
    return environment


def _numbered(prefix, names):
    """The options of a choice: `a0` for the first name, and so on."""
    return [(f"{prefix}{number}", name) for number, name in enumerate(names)]


def _read(name):
    """Returns one of our own files, which needs no escaping."""
    from markupsafe import Markup

    return Markup((_FOLDER / name).read_text(encoding="utf-8"))


def _digest(script):
    """Names a script as a Content-Security-Policy does."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
