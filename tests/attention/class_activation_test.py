"""Tests of the variants of Grad-CAM: closed forms, layers, second order."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense._backend import compiled
from keras_attn_defense.attention import EigenCAM
from keras_attn_defense.attention import GradCAM
from keras_attn_defense.attention import GradCAMPlusPlus
from keras_attn_defense.attention import HiResCAM
from keras_attn_defense.attention import LayerCAM
from keras_attn_defense.attention import SmoothGrad
from keras_attn_defense.attention import XGradCAM
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.attention.helpers import bilinear
from tests.attention.helpers import features_and_gradients
from tests.attention.helpers import normalized
from tests.attention.helpers import positive_network
from tests.testing import BACKEND
from tests.testing import float64_enabled
from tests.testing import tensor
from tests.testing import to_numpy
from tests.testing import variable_differences
from tests.testing import variable_gradient

X, Y = networks.images_and_labels()
AXES = (1, 2)


@pytest.fixture(scope="module")
def model():
    return positive_network()


def grad_cam_plus_plus(features, gradients):
    """Computes Grad-CAM++ as published, with squares and cubes."""
    total = features.sum(AXES, keepdims=True)
    squares = gradients**2
    shares = squares / (2 * squares + total * gradients**3)
    weights = (shares * np.maximum(gradients, 0)).sum(AXES, keepdims=True)
    return (weights * features).sum(-1)


def x_grad_cam(features, gradients):
    weights = features / features.sum(AXES, keepdims=True)
    weights = (weights * gradients).sum(AXES, keepdims=True)
    return (weights * features).sum(-1)


def hi_res_cam(features, gradients):
    return (features * gradients).sum(-1)


def layer_cam(features, gradients):
    return (features * np.maximum(gradients, 0)).sum(-1)


@pytest.mark.parametrize(
    "method, closed_form",
    [
        (GradCAMPlusPlus, grad_cam_plus_plus),
        (XGradCAM, x_grad_cam),
        (HiResCAM, hi_res_cam),
        (LayerCAM, layer_cam),
    ],
)
def test_closed_form(model, method, closed_form):
    expected = closed_form(*features_and_gradients(model, X, Y))
    expected = expected - expected.mean(AXES, keepdims=True)
    assert (np.ptp(expected, axis=AXES) > 0.01).all()

    cam = method("late", "softmax", upsample=False, model=model)

    # The logarithm of a softmax is the map, up to a constant.
    actual = np.log(to_numpy(cam(X, Y)))
    actual = actual - actual.mean(AXES, keepdims=True)
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-5)


def test_grad_cam_plus_plus_of_features_that_add_up_to_less_than_zero():
    # The published denominator, 2 + g S, vanishes there.
    method = GradCAMPlusPlus()
    features = -np.ones((1, 2, 2, 1), "float32")
    gradients = np.full((1, 2, 2, 1), 0.5, "float32")

    weights = method.channel_weights(
        ops.convert_to_tensor(features), ops.convert_to_tensor(gradients)
    )

    np.testing.assert_allclose(to_numpy(weights), 4 * 0.5 / 2)


def test_eigen_cam_is_the_first_principal_component(model):
    features, _ = features_and_gradients(model, X, Y)
    rows = features.reshape(len(X), 16, -1)
    rows = rows - rows.mean(1, keepdims=True)
    # Positive where features are furthest from their mean.
    _, _, directions = np.linalg.svd(rows)
    along = np.einsum("bik,bk->bi", rows, directions[:, 0])
    furthest = (rows**2).sum(-1).argmax(1)
    along *= np.sign(along[np.arange(len(X)), furthest])[:, None]

    cam = EigenCAM("late", None, upsample=False, model=model)

    expected = np.maximum(along, 0).reshape(-1, 4, 4)
    np.testing.assert_allclose(to_numpy(cam(X)), expected, atol=2e-3)
    assert expected.max() > 0.1


def test_layers_are_merged_at_the_size_of_the_first(model):
    early, late = (
        to_numpy(GradCAM(name, "max", upsample=False, model=model)(X, Y))
        for name in ("early", "late")
    )
    expected = (early + bilinear(late, 8, 8)) / 2

    for names in (["late", "early"], ("early", "late")):
        merged = GradCAM(names, "l2", upsample=False, model=model)(X, Y)
        np.testing.assert_allclose(
            to_numpy(merged), normalized(expected, "l2"), rtol=1e-4, atol=1e-6
        )


METHODS = {
    "merged": GradCAMPlusPlus(["early", "late"], "l2", upsample=False),
    "eigen_cam": EigenCAM("late", "l2", upsample=False),
    "smooth_grad": SmoothGrad(0.2, 2, times_input=True, normalization="l2"),
}


@pytest.mark.parametrize("name", METHODS)
def test_second_order(name):
    method = METHODS[name]
    # TensorFlow resizes in float32.
    coarse = BACKEND == "tensorflow" and name == "merged"
    step, tolerance = (1e-3, 1e-2) if coarse else (1e-5, 1e-4)
    with float64_enabled():
        model = positive_network("float64")
        images = tensor(X[:2].astype("float64"))

        def loss():
            maps = method.explain(Classifier(model), images, Y[:2])[1]
            ramp = np.linspace(0.0, 1.0, maps.shape[2])
            return ops.sum(maps * tensor(ramp))

        quick = compiled(lambda _: loss(), model.variables)
        variables = [
            model.get_layer(layer).kernel for layer in ("late", "head")
        ]
        slopes = variable_gradient(loss, variables)
        for variable, slope in zip(variables, slopes, strict=True):
            indices = np.argsort(-abs(slope).ravel())[:3]
            differences = variable_differences(
                lambda: quick(images), variable, indices, step
            )
            np.testing.assert_allclose(
                slope.ravel()[indices], differences, rtol=tolerance
            )
    assert abs(slopes[0]).max() > 1e-4
    # The head is reached through gradients alone.
    assert (abs(slopes[1]).max() > 1e-4) == (name != "eigen_cam")


def test_constant_features_have_maps_and_gradients_without_nan():
    model = positive_network()
    kernel = model.get_layer("late").kernel
    kernel.assign(0.0 * kernel.value)
    methods = [
        method("late", "l2", upsample=False)
        for method in (EigenCAM, XGradCAM, GradCAMPlusPlus)
    ]

    def loss():
        maps = [
            method.explain(Classifier(model), tensor(X), Y)[1]
            for method in methods
        ]
        return ops.sum(ops.square(ops.stack(maps)) * ops.arange(4.0))

    assert np.isfinite(to_numpy(loss()))
    slopes = variable_gradient(loss, model.trainable_variables)
    assert all(np.isfinite(slope).all() for slope in slopes)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"layer": ["late", 3]}, "`layer` should be a layer, its name"),
        ({"layer": []}, "`layer` should be a layer, its name"),
        ({"layer": ["late", "lat"]}, "no layer named 'lat'"),
        ({"grid": 4}, r"`grid` should be \(height, width\)"),
        ({"grid": (1, 16)}, r"`grid` should be \(height, width\)"),
        ({"grid": (4, 4), "layer": "late"}, "`grid` is for layers of tokens"),
        ({"grid": (4, 4)}, r"no attention map to take.*grid=\(4, 4\)"),
    ],
)
def test_bad_arguments(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        LayerCAM(**arguments, model=model)(X, Y)
