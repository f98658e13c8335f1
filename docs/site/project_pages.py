"""Pages that are files of the repository: the README and its like.

They are shown as they are. A link in them that leads to another file of the
repository leads to the page that shows it or, where none does, to a copy.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)[^)#\s]+")


def site_path(path):
    """Where the site has a file of the repository."""
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.startswith("guides/"):
        return str(Path(path).with_suffix(".md"))
    return f"repository/{path}.txt"


def pages():
    """Returns `{path: content}`."""
    written = {}
    for source, target in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        written[target] = LINK.sub(lambda link: site_path(link[0]), text)
        for path in LINK.findall(text):
            if site_path(path).startswith("repository/"):
                written[site_path(path)] = (ROOT / path).read_bytes()
    return written
