"""Setup of the tests in this folder: exported models, and one server."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from keras_attn_defense import AttentionDefendedModel
from keras_attn_defense.attention import GradCAM
from keras_attn_defense.attention import LayerCAM
from keras_attn_defense.export import export
from tests import networks
from tests.testing import to_numpy

IMAGES = networks.images_and_labels(5)[0]
CLASSES = np.array([3, 2, 1, 0, 3], "int32")


@pytest.fixture(scope="session")
def model():
    base = networks.residual("softmax")
    return AttentionDefendedModel(
        base, attention=GradCAM("sum"), value_range=(-1.0, 1.0)
    )


@pytest.fixture(scope="session")
def served(model, tmp_path_factory):
    """Exports two versions of a model, and returns their folder.

    Version 1 takes the model's images, version 2 bytes of any size.
    """
    folder = tmp_path_factory.mktemp("served")
    export(model, folder / "1", explain=True)
    export(
        model,
        folder / "2",
        explain=True,
        attention=LayerCAM("sum"),
        preprocess=True,
    )
    assert sorted(os.listdir(folder)) == ["1", "2"]
    return folder


@pytest.fixture(scope="session")
def expected(model):
    """Returns the expected outputs of version 1, by signature."""
    predictions = to_numpy(model.base(IMAGES, training=False))
    explained = GradCAM("sum", normalization="max", model=model.base)
    return {
        "serving_default": {"predictions": predictions},
        "explain": {
            "predictions": predictions,
            "attention_map": to_numpy(explained(IMAGES)),
            "explained_class": predictions.argmax(-1),
        },
        "explain_class": {
            "predictions": predictions,
            "attention_map": to_numpy(explained(IMAGES, CLASSES)),
        },
    }


@pytest.fixture(scope="module")
def start():
    """Starts a server that prints its addresses as JSON, and ends it."""
    servers = []

    def begin(*command):
        server = subprocess.Popen(
            [sys.executable, *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        servers.append(server)
        return json.loads(server.stdout.readline())

    yield begin
    for server in servers:
        server.kill()
        server.communicate()
