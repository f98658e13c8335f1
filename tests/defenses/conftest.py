"""A trained network, and images that fool it."""

import pytest

import keras_attn_defense as kad
from tests.evaluation import fake_defenses
from tests.evaluation.fake_defenses import EPSILON


@pytest.fixture(scope="package")
def network():
    return fake_defenses.plain()


@pytest.fixture(scope="package")
def known(network):
    """Scenes that the network has right, and what fools it."""
    images, labels = fake_defenses.images_and_labels(48)
    right = fake_defenses.right(network, images, labels, draws=1) > 0
    images, labels = images[right][:32], labels[right][:32]
    attack = kad.attacks.PGD(EPSILON, steps=10, seed=0)
    return images, labels, attack.run(network, images, labels).images
