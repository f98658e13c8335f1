"""Pages that are files of the repository: the README, and those in docs/.

They are shown as they are. A link in them to another file of the repository
leads to the page that shows it or, where there is none, to a copy.
"""

import posixpath
import re
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    **{f"docs/{path.name}": path.name for path in ROOT.glob("docs/*.md")},
}
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)[^)#\s]+")


def site_path(path):
    """Returns where the site has a file of the repository."""
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
        written[target] = LINK.sub(partial(site_link, source), text)
        for link in LINK.findall(text):
            path = repository_path(source, link)
            if site_path(path).startswith("repository/"):
                written[site_path(path)] = (ROOT / path).read_bytes()
    return written


def site_link(source, link):
    """Returns what a link of a file becomes on the site."""
    return site_path(repository_path(source, link[0]))


def repository_path(source, link):
    """Returns the path of what a file links to, from the root."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
