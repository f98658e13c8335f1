"""Setup of the tests in this folder: a saved model and its images."""

import numpy as np
import pytest

from tests.cli.helpers import IMAGES
from tests.cli.helpers import LABELS
from tests.evaluation.helpers import brightness


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Makes a current folder with `model.keras` and `test.npz`.

    The robustness of the model is known in closed form.
    """
    monkeypatch.chdir(tmp_path)
    brightness().save("model.keras")
    np.savez("test.npz", x=IMAGES, y=LABELS)
    return tmp_path
