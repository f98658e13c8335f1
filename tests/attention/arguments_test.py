"""Tests of the arguments of maps and masks, and of their errors."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.attention import LIME
from keras_attn_defense.attention import AttentionMask
from keras_attn_defense.attention import GradCAM
from keras_attn_defense.attention import InputGradients
from keras_attn_defense.attention import Occlusion
from keras_attn_defense.attention import ScoreCAM
from keras_attn_defense.attention import SmoothGrad
from tests import networks
from tests.testing import BACKEND
from tests.testing import gradient
from tests.testing import to_numpy

X, Y = networks.images_and_labels()
MAPS = np.random.default_rng(0).uniform(size=(4, 8, 8)).astype("float32")
F, N = np.float32, np.int64


@pytest.fixture(scope="module")
def model():
    return networks.functional()


@pytest.mark.parametrize(
    ("with_numpy", "plain"),
    [
        (Occlusion(N(4), N(2)), Occlusion(4, 2)),
        (Occlusion(fill=F(0.5)), Occlusion(fill=0.5)),
        (Occlusion(fill=np.ones(3)), Occlusion(fill=(1.0, 1.0, 1.0))),
        (
            ScoreCAM(channels=N(2), batch_size=N(8)),
            ScoreCAM(channels=2, batch_size=8),
        ),
        (SmoothGrad(F(0.25), N(3)), SmoothGrad(0.25, 3)),
        (LIME(N(5), N(10), seed=N(2)), LIME(5, 10, seed=2)),
        (GradCAM(grid=(N(2), N(3))), GradCAM(grid=(2, 3))),
        (AttentionMask("area", F(0.25)), AttentionMask("area", 0.25)),
        (AttentionMask(fill=F(0.5)), AttentionMask(fill=0.5)),
        (
            AttentionMask(mode="soft", sharpness=N(3)),
            AttentionMask(mode="soft", sharpness=3.0),
        ),
    ],
)
def test_numbers_of_numpy_are_numbers(with_numpy, plain):
    actual, expected = with_numpy.get_config(), plain.get_config()
    for key in actual.keys() - {"name"}:
        assert actual[key] == expected[key]
        assert type(actual[key]) is type(expected[key]), key


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 0.5}, r"a number belongs to `level`, as in Attent"),
        ({"threshold": "mean", "level": 0.3}, "has no level"),
        ({"fill": "blur"}, "`fill` should be a number, one number for each"),
        ({"sharpness": -1.0}, "`sharpness` should be a number of at least"),
    ],
)
def test_what_a_mask_cannot_do_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AttentionMask(**arguments)


@pytest.mark.parametrize("fill", ["blur", "mean", [[1.0]], True])
def test_what_a_map_cannot_fill_with_is_refused(fill):
    with pytest.raises(ValueError, match="`fill` should be a number, one num"):
        Occlusion(fill=fill)


@pytest.mark.parametrize("first", [False, True])
def test_a_mask_fills_each_channel(first):
    images = X.transpose(0, 3, 1, 2) if first else X
    if first:
        keras.config.set_image_data_format("channels_first")

    actual = to_numpy(AttentionMask(fill=(0.1, 0.2, 0.3))(images, MAPS))

    actual = actual.transpose(0, 2, 3, 1) if first else actual
    hidden = MAPS > MAPS.mean((1, 2), keepdims=True)
    expected = np.where(hidden[..., None], np.float32([0.1, 0.2, 0.3]), X)
    np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize(
    "dtype",
    [
        # JAX has no float64, unless it is told.
        pytest.param(
            "float64", marks=pytest.mark.backend("tensorflow", "torch")
        ),
        "float16",
        "uint8",
    ],
)
def test_a_mask_takes_images_of_every_type(dtype):
    if dtype == "float64":
        keras.config.set_dtype_policy(dtype)
    images = keras.ops.convert_to_tensor((100 * X).astype(dtype), dtype)
    mask = AttentionMask(fill=0.0, value_range=(0, 255))

    actual = to_numpy(mask(images, MAPS))

    hidden = MAPS > MAPS.mean((1, 2), keepdims=True)
    expected = np.where(hidden[..., None], 0.0, (100 * X).astype(dtype))
    np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.backend("torch")
@pytest.mark.parametrize(
    "labels",
    [
        None,
        "predicted",
        "runner_up",
        "least_likely",
        Y,
        Y.tolist(),
        np.eye(4)[Y],
    ],
    ids=["none", "predicted", "second", "least", "indices", "list", "one_hot"],
)
def test_every_way_to_name_a_class(model, labels):
    logits = to_numpy(model(X))
    order = np.argsort(logits, -1)
    classes = {
        None: order[:, -1],
        "predicted": order[:, -1],
        "runner_up": order[:, -2],
        "least_likely": order[:, 0],
    }
    is_name = labels is None or isinstance(labels, str)
    indices = classes[labels] if is_name else Y

    actual = to_numpy(GradCAM(model=model)(X, labels))

    expected = to_numpy(GradCAM(model=model)(X, indices))
    np.testing.assert_array_equal(actual, expected)
    actual = kad.attention.deletion_curve(model, X, MAPS, labels, steps=2)
    expected = kad.attention.deletion_curve(model, X, MAPS, indices, steps=2)
    np.testing.assert_array_equal(actual.areas, expected.areas)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("layer", [None, "last", ["last", "features"]])
def test_every_way_to_name_a_layer(model, layer):
    by_name = to_numpy(GradCAM(layer, model=model)(X, Y))
    if isinstance(layer, list):
        layers = [model.get_layer(name) for name in layer]
    else:
        layers = layer and model.get_layer(layer)
    by_layer = to_numpy(GradCAM(layers, model=model)(X, Y))
    np.testing.assert_array_equal(by_name, by_layer)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("fill", [None, 0.5, "blur", np.zeros_like(X)])
def test_every_way_to_fill(model, fill):
    for score in (
        kad.attention.deletion_curve,
        kad.attention.insertion_curve,
        kad.attention.average_drop,
    ):
        score(model, X, MAPS, Y, fill=fill)
    for fill in (None, 0.5, (0.1, 0.2, 0.3)):
        assert to_numpy(Occlusion(4, fill=fill, model=model)(X, Y)).any()


@pytest.mark.parametrize("name", ["nolayer", "functionally"])
def test_an_unknown_layer_of_a_nested_model(name):
    model = networks.nested()
    defended = kad.AttentionDefendedModel(model)
    for each in (model, defended):
        message = r"^The model has no layer named .* last first: \[.*'inner'\]"
        with pytest.raises(ValueError, match=message) as raised:
            GradCAM(name, model=each)(X, Y)
        assert "Arguments received" not in str(raised.value)
        nearest = str(raised.value).partition(";")[0]
        nearest = nearest.partition("nearest names are")[2]
        assert "functional" not in nearest and "backbone" not in nearest


def test_errors_of_masks_are_one_sentence():
    for maps in (MAPS[0], MAPS[..., None]):
        with pytest.raises(ValueError, match=r"^Maps should have .*\)\.$"):
            AttentionMask()(X, maps)


def test_gradients_flow_through_maps_that_numpy_can_read(model):
    method = InputGradients(model=model, normalization=None)

    def total(images):
        maps = method(images, Y)
        np.shape(maps)
        return keras.ops.sum(maps)

    (slope,) = gradient(total, X)
    assert slope.shape == X.shape and abs(slope).max() > 0


@pytest.mark.backend("torch")
def test_maps_have_a_gradient_of_weights_too(model):
    maps = GradCAM(model=model)(X, Y)
    assert maps.requires_grad and type(maps + 1) is not type(maps)
    maps.sum().backward()
    kernel = model.layers[1].kernel.value
    assert kernel.grad is not None
    kernel.grad = None
    assert BACKEND == "torch" and maps.numpy().shape == (4, 4, 4)


@pytest.mark.parametrize("name", ["layer-cam", "LayerCAM", "layer_cam"])
def test_hyphens_and_capitals_of_names_do_not_count(name):
    assert type(kad.attention.get(name)) is kad.attention.LayerCAM
