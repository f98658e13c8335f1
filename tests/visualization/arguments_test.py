"""Tests of arguments of figures: lists, tensors, names, numbers of NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense import attacks
from keras_attn_defense import visualization as viz
from tests import networks
from tests.visualization.helpers import captions
from tests.visualization.helpers import pictures

pytestmark = pytest.mark.once

IMAGES, LABELS = networks.images_and_labels(3)
MAPS = np.random.default_rng(1).uniform(0, 1, (3, 8, 8)).astype("float32")
FORMS = {"lists": np.ndarray.tolist, "tensors": ops.convert_to_tensor}


@pytest.mark.parametrize("form", FORMS)
def test_lists_and_tensors_are_drawn_like_arrays(form):
    def figure(make, number):
        return viz.attention_figure(
            make(IMAGES),
            make(MAPS),
            make(LABELS),
            make(LABELS),
            make(np.float32([0.5, 0.6, 0.7])),
            explained=make(np.eye(4, dtype="float32")[LABELS]),
            max_images=number,
        )

    plain = figure(np.asarray, 2)
    other = figure(FORMS[form], np.int64(2))

    assert captions(other) == captions(plain)
    for one, another in zip(pictures(other), pictures(plain), strict=True):
        np.testing.assert_allclose(one, another, atol=1e-6)
    overlaid = viz.overlay(FORMS[form](IMAGES), FORMS[form](MAPS))
    np.testing.assert_allclose(overlaid, viz.overlay(IMAGES, MAPS), atol=1e-6)


def test_attention_by_name():
    model = networks.sequential()
    figures = [
        viz.attack_figure(model, IMAGES, LABELS, attacks.FGSM(0.03), attention)
        for attention in ("layer-cam", None)
    ]
    by_name, usual = (pictures(figure)[3] for figure in figures)
    assert abs(by_name - usual).max() > 0.01


@pytest.mark.parametrize("number", [0, -1, 2.5, "all"])
def test_how_many_images_is_a_number(number):
    model = networks.sequential()
    for draw in (
        lambda: viz.attention_figure(IMAGES, MAPS, max_images=number),
        lambda: viz.perturbation_figure(IMAGES, IMAGES, max_images=number),
        lambda: viz.attack_figure(
            model, IMAGES, LABELS, attacks.FGSM(), max_images=number
        ),
        lambda: viz.attack_steps_figure(
            model, IMAGES, LABELS, attacks.FGSM(), max_images=number
        ),
    ):
        with pytest.raises(ValueError, match="`max_images` should be a whole"):
            draw()


def test_wrong_attacks_methods_and_reports():
    model = networks.sequential()
    for draw, message in (
        (viz.attack_figure, "or a function. Received: 'fgsm'"),
        (viz.attack_steps_figure, "not a function. Received: 'fgsm'"),
    ):
        with pytest.raises(ValueError, match=message):
            draw(model, IMAGES, LABELS, "fgsm")
    with pytest.raises(ValueError, match="not a function. Received"):
        viz.attack_steps_figure(model, IMAGES, LABELS, lambda m, x, y: x)
    with pytest.raises(ValueError, match="`attention` should be.*Received: 3"):
        viz.attack_figure(model, IMAGES, LABELS, attacks.FGSM(), 3)
    with pytest.raises(ValueError, match="that `kad.evaluate_robustness` ret"):
        viz.robustness_figure({"results": []})
    with pytest.raises(ValueError, match="that `AttentionStudy.run`"):
        viz.study_figure({"columns": []})
    with pytest.raises(ValueError, match="The log 'loss' should have a value"):
        viz.training_figure({"loss": 1.0})
    with pytest.raises(ValueError, match="model takes images in value_range"):
        wide = keras.models.clone_model(model)
        wide.value_range = (0.0, 1.0)
        viz.attack_figure(
            wide, IMAGES, LABELS, attacks.FGSM(), value_range=(-1.0, 1.0)
        )
