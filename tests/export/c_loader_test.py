"""Tests of SavedModels in TensorFlow's C++ loader, which servers link."""

import importlib.util
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from .conftest import CLASSES
from .conftest import IMAGES

pytest.importorskip("tensorflow")
LIBRARIES = pathlib.Path(importlib.util.find_spec("tensorflow").origin).parent


@pytest.mark.skipif(
    not (LIBRARIES / "libtensorflow_cc.so.2").exists(),
    reason="this build of TensorFlow has no libtensorflow_cc.so.2",
)
def test_without_keras_or_tensorflow_in_python(served, expected, tmp_path):
    source, target = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(source, images=IMAGES, classes=CLASSES)
    program = pathlib.Path(__file__).with_name("c_loader.py")

    subprocess.run(
        [sys.executable, program, LIBRARIES, served / "1", source, target],
        check=True,
    )

    answers = dict(np.load(target))
    for signature, values in expected.items():
        for key, value in values.items():
            for rows in (1, 5):
                np.testing.assert_allclose(
                    answers.pop(f"{signature}-{rows}-{key}"),
                    value[:rows],
                    atol=1e-5,
                )
    assert not answers
