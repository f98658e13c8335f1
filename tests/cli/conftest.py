"""A saved model of known robustness and its images, in a folder of its own."""

import numpy as np
import pytest

from tests.cli.helpers import IMAGES
from tests.cli.helpers import LABELS
from tests.evaluation.helpers import brightness
from tests.testing import quick_compilation as quick_compilation


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, with `model.keras` and `test.npz`."""
    monkeypatch.chdir(tmp_path)
    brightness().save("model.keras")
    np.savez("test.npz", x=IMAGES, y=LABELS)
    return tmp_path
