"""Builds the documentation: python docs/site/build.py

Gathers all pages below build/docs, and has Zensical make the web site
build/site of them. Exits with 1 if a link or a name is not found.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import project_pages
import reference

import guides

ROOT = Path(__file__).parents[2]
STAGE = ROOT / "build" / "docs"


def gather():
    """Writes the pages, those of the repository and those made from it."""
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", STAGE, ignore=shutil.ignore_patterns("site"))
    shutil.copy(ROOT / "docs" / "site" / "site.css", STAGE)
    for pages in (project_pages, guides, reference):
        for path, content in pages.pages().items():
            target = STAGE / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                content = content.encode()
            target.write_bytes(content)


if __name__ == "__main__":
    gather()
    command = ["zensical", "build", "--strict", "--clean"]
    sys.exit(subprocess.run(command, cwd=ROOT).returncode)
