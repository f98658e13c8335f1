"""The one place the version number is written (`pyproject.toml` reads it)."""

__version__ = "0.1.0"
