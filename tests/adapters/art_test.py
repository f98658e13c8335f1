"""Tests of ART on our models, against its own classes for them."""

import keras
import numpy as np
import pytest
from scipy import special

import keras_attn_defense as kad
from keras_attn_defense.attacks import PGD
from tests import networks
from tests.testing import BACKEND
from tests.testing import to_numpy
from tests.torch_oracles import channels_first_module

pytestmark = pytest.mark.once

evasion = pytest.importorskip("art.attacks.evasion")

X, Y = networks.images_and_labels(6)
SETTINGS = {"eps": 0.06, "eps_step": 0.02, "max_iter": 4, "verbose": False}


def native_images(model):
    """Runs ART's attack on ART's own classifier, where there is one."""
    from art.estimators import classification

    arguments = {"nb_classes": 4, "clip_values": (0.0, 1.0)}
    if BACKEND == "torch":
        import torch

        classifier = classification.PyTorchClassifier(
            channels_first_module(model),
            torch.nn.CrossEntropyLoss(),
            input_shape=(3, 8, 8),
            device_type="cpu",
            **arguments,
        )
        attack = evasion.ProjectedGradientDescent(classifier, **SETTINGS)
        crafted = attack.generate(X.transpose(0, 3, 1, 2).copy(), Y)
        return crafted.transpose(0, 2, 3, 1)
    if BACKEND == "tensorflow":
        classifier = classification.TensorFlowV2Classifier(
            model,
            input_shape=networks.IMAGE_SHAPE,
            loss_object=keras.losses.SparseCategoricalCrossentropy(
                from_logits=True
            ),
            **arguments,
        )
        return evasion.ProjectedGradientDescent(
            classifier, **SETTINGS
        ).generate(X, Y)
    attack = PGD(0.06, step_size=0.02, steps=4, random_start=False)
    return to_numpy(attack(model, X, Y))


@pytest.mark.everywhere
def test_same_images_as_on_its_own_classifier():
    expected = native_images(networks.functional())

    classifier = kad.adapters.to_art(networks.functional("softmax"))
    attack = evasion.ProjectedGradientDescent(classifier, **SETTINGS)
    actual = attack.generate(X, Y)

    assert abs(actual - X).max() > 0.05
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


def test_gradients_in_closed_form():
    model = networks.linear()
    kernel, bias = (to_numpy(w) for w in model.weights)
    logits = X.reshape(6, -1) @ kernel + bias
    slopes = kernel.T.reshape(4, *networks.IMAGE_SHAPE)
    one_hot = np.eye(4)[Y]

    classifier = kad.adapters.to_art(model)

    np.testing.assert_allclose(classifier.predict(X), logits, rtol=1e-5)
    expected = np.tensordot(special.softmax(logits, -1) - one_hot, slopes, 1)
    for labels in (Y, one_hot):
        loss_gradient = classifier.loss_gradient(X, labels)
        np.testing.assert_allclose(loss_gradient, expected, atol=1e-6)
    each = classifier.class_gradient(X)
    np.testing.assert_allclose(each, np.stack([slopes] * 6), atol=1e-6)
    own = classifier.class_gradient(X, Y)
    np.testing.assert_allclose(own, slopes[Y][:, None], atol=1e-6)
    first = classifier.class_gradient(X, 0)
    np.testing.assert_allclose(first, slopes[[0] * 6][:, None], atol=1e-6)
    losses = -special.log_softmax(logits, -1)[np.arange(6), Y]
    np.testing.assert_allclose(classifier.compute_loss(X, Y), losses, rtol=1e-4)
    mean = classifier.compute_loss(X, Y, reduction="mean")
    np.testing.assert_allclose(mean, losses.mean(), rtol=1e-4)


def test_describes_the_images():
    classifier = kad.adapters.to_art(networks.linear(), value_range=(0, 255))

    assert classifier.input_shape == networks.IMAGE_SHAPE
    assert classifier.nb_classes == 4
    assert not classifier.channels_first
    np.testing.assert_array_equal(classifier.clip_values, (0.0, 255.0))
    base = networks.functional()
    defended = kad.AttentionDefendedModel(base, value_range=(-1, 1))
    classifier = kad.adapters.to_art(defended)
    np.testing.assert_array_equal(classifier.clip_values, (-1.0, 1.0))


@pytest.mark.backend("tensorflow", "torch")
def test_deepfool_finds_the_nearest_boundary():
    model = networks.linear()
    y = to_numpy(model(X)).argmax(-1)
    nearest = networks.boundary_distances(model, X, y, 2).min(-1)
    attack = kad.adapters.from_art(
        lambda classifier, epsilon: evasion.DeepFool(
            classifier, nb_grads=4, epsilon=0.02, verbose=False
        ),
        norm="l2",
        minimal=True,
    )

    changes = attack.run(model, X, y).images - X

    sizes = np.linalg.norm(changes.reshape(6, -1), axis=-1)
    np.testing.assert_allclose(sizes, 1.02 * nearest, rtol=1e-2)
    assert (to_numpy(model(changes + X)).argmax(-1) != y).all()


@pytest.mark.backend("tensorflow", "torch")
def test_two_classes():
    model = networks.sequential("sigmoid")
    y = to_numpy(model(X) > 0.5).astype(int).reshape(-1)
    attack = kad.adapters.from_art(
        lambda classifier, epsilon: evasion.FastGradientMethod(
            classifier, eps=epsilon
        ),
        0.1,
    )

    actual = to_numpy(attack(model, X, y))
    expected = to_numpy(kad.attacks.FGSM(0.1)(model, X, y))
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_plain_function_is_refused():
    with pytest.raises(ValueError, match="number of classes"):
        kad.adapters.to_art(lambda x: x[:, 0, 0])


def test_does_not_train():
    classifier = kad.adapters.to_art(networks.linear())

    with pytest.raises(NotImplementedError, match="Train the Keras model"):
        classifier.fit(X, Y)
    with pytest.raises(NotImplementedError, match="keras.Model"):
        classifier.get_activations(X, 0, 4)
