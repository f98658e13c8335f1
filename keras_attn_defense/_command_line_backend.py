"""`--backend` of the command line, read before Keras is imported.

`python -m keras_attn_defense` imports the package, and Keras with it, before
the command line can run, and Keras keeps the backend that it started with.
"""

import argparse
import importlib.util
import os
import sys

BACKENDS = ("tensorflow", "jax", "torch")


def choose_backend():
    """Sets `KERAS_BACKEND` if the package is run with `--backend`."""
    if not _is_run_as_program():
        return
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--backend", nargs="?")
    backend = parser.parse_known_args(sys.argv[1:])[0].backend
    if backend not in BACKENDS:  # The command line says so, with its help.
        return
    if importlib.util.find_spec(backend) is None:
        print(
            f"error: --backend {backend} is not installed. Install it with "
            f"`pip install keras-attn-defense[{backend}]`.",
            file=sys.stderr,
        )
        sys.exit(2)
    os.environ["KERAS_BACKEND"] = backend


def _is_run_as_program():
    # Python replaces this "-m" by a path once the package is imported.
    if sys.argv[:1] != ["-m"]:
        return False
    return sys.orig_argv[-len(sys.argv)] == __package__


choose_backend()
