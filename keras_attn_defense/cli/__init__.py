"""The command line, with one module for each command."""

from .main import main as main
