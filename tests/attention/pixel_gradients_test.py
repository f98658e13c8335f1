"""Tests of input gradients and SmoothGrad: closed forms."""

import numpy as np
import pytest

from keras_attn_defense.attention import InputGradients
from keras_attn_defense.attention import SmoothGrad
from tests import networks
from tests.attention.helpers import normalized
from tests.testing import tensor
from tests.testing import to_numpy

X, Y = networks.images_and_labels()


def slopes_of(model):
    """Returns the gradients of a linear classifier, which are its weights."""
    kernel = to_numpy(model.get_layer("head").kernel.value)
    return kernel[:, Y].T.reshape(X.shape)


@pytest.mark.parametrize("times_input", [False, True])
@pytest.mark.parametrize(
    "reduction, reduced",
    [
        ("max", lambda slopes: abs(slopes).max(-1)),
        ("mean", lambda slopes: abs(slopes).mean(-1)),
        ("sum", lambda slopes: np.maximum(slopes.sum(-1), 0)),
    ],
)
def test_closed_form(reduction, reduced, times_input):
    model = networks.linear()
    slopes = slopes_of(model) * (X if times_input else 1.0)

    method = InputGradients(
        reduction, times_input=times_input, normalization=None, model=model
    )

    np.testing.assert_allclose(
        to_numpy(method(X, Y)), reduced(slopes), rtol=1e-4, atol=1e-6
    )


def test_smooth_grad_of_a_linear_classifier_is_its_gradient():
    model = networks.linear()
    expected = abs(slopes_of(model)).max(-1)

    maps = to_numpy(SmoothGrad(0.3, 4, model=model)(X, Y))

    np.testing.assert_allclose(maps, normalized(expected, "l2"), rtol=1e-4)


def test_smooth_grad_is_the_mean_over_noisy_copies():
    model = networks.functional()
    method = SmoothGrad(0.2, 2)
    images = tensor(X)
    copies = to_numpy(method.noisy(images)).reshape(2, *X.shape)
    noise = (copies - X) / np.ptp(X, axis=(1, 2, 3), keepdims=True)
    # The same for every image, and of the size that was asked for.
    np.testing.assert_allclose(noise, noise[:, :1] + 0 * noise, atol=1e-5)
    assert 0.17 < noise[:, 0].std() < 0.23
    assert abs(noise.mean()) < 0.03 and np.ptp(noise[:, 0], axis=0).min() > 0
    other = to_numpy(SmoothGrad(0.2, 1, seed=1).noisy(images))
    assert abs(other - copies[0]).max() > 0.1

    signed = InputGradients("sum", normalization="softmax", model=model)
    smooth = SmoothGrad(
        0.2, 2, reduction="sum", normalization="softmax", model=model
    )
    # The logarithm of a softmax is the map, up to a constant.
    each = np.stack([np.log(to_numpy(signed(copy, Y))) for copy in copies])
    difference = each.mean(0) - np.log(to_numpy(smooth(X, Y)))
    np.testing.assert_allclose(
        difference - difference.mean((1, 2), keepdims=True), 0.0, atol=1e-4
    )


@pytest.mark.parametrize(
    "method, arguments, message",
    [
        (InputGradients, {"reduction": "median"}, "`reduction` should be"),
        (
            SmoothGrad,
            {"noise": -0.1},
            "`noise` should be a number of at least 0, a share",
        ),
        (SmoothGrad, {"samples": 0}, "`samples` should be a whole number"),
    ],
)
def test_bad_arguments(method, arguments, message):
    with pytest.raises(ValueError, match=message):
        method(**arguments)
