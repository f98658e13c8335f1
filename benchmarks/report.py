"""How results of the benchmarks are written."""

import datetime
import json
import os
import pathlib
import platform
import sys

import keras
import numpy


def write(path, options, **content):
    """Writes results as JSON, with what is needed to repeat them.

    Args:
        path: The file.
        options: The parsed command line, with `backend` and `seed`.
        **content: The results.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    backend = options.backend
    report = {
        "command": " ".join(["python", *sys.argv]),
        "date": datetime.date.today().isoformat(),
        "seed": options.seed,
        "cpu": f"{_cpu_model()}, {os.cpu_count()} cores",
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "numpy": numpy.__version__,
            backend: __import__(backend).__version__,
        },
        **content,
    }
    path.write_text(json.dumps(report, indent=1) + "\n")


def read(path, settings, unsaid):
    """Returns what a file has so far, which has to be of the same settings.

    Args:
        path: The file.
        settings: What all of it has in common, under `"settings"`.
        unsaid: Settings that earlier files have no word of.
    """
    if not path.exists():
        return {}
    report = json.loads(path.read_text())
    found = {**unsaid, **report["settings"]}
    if found != settings:
        raise ValueError(
            f"{path} has results of other settings, {found}. These are "
            f"{settings}. Give those, or move the file away."
        )
    return report


def _cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()
