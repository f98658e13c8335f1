"""Tests of Grad-CAM: closed forms, second order, and as a layer."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_attn_defense._backend import compiled
from keras_attn_defense.attention import GradCAM
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.attention.helpers import bilinear
from tests.attention.helpers import normalized
from tests.testing import float64_enabled
from tests.testing import run_attention_method_test
from tests.testing import to_numpy
from tests.testing import variable_differences
from tests.testing import variable_gradient

X, Y = networks.images_and_labels()
NORMALIZATIONS = ("softmax", "max", "sum", "l2", None)


def maps_of(model, labels=Y, images=X, **arguments):
    method = GradCAM(model=model, **arguments)
    return to_numpy(method(images, labels))


def features_of(model, name="last"):
    layer = model.get_layer(name)
    return to_numpy(keras.Model(model.inputs[0], layer.output)(X))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("scale", [False, True])
def test_closed_form_of_pooling_and_dense(normalization, scale):
    # dz_y / dA_ijk = W[k, y] / (h * w): the same at every position.
    model = networks.sequential()
    features = features_of(model)
    kernel = to_numpy(model.get_layer("head").kernel.value)
    weights = kernel[:, Y].T / 16
    if scale:
        size = np.sqrt((weights**2).mean(-1, keepdims=True))
        weights = weights / (size + 1e-5)
    maps = np.einsum("bijk,bk->bij", features, weights)
    assert (maps > 0).any((1, 2)).all() and (maps < 0).any()

    actual = maps_of(
        model,
        normalization=normalization,
        scale_gradients=scale,
        upsample=False,
    )
    expected = normalized(maps, normalization)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)
    actual = maps_of(
        model,
        normalization=normalization,
        scale_gradients=scale,
        upsample=True,
    )
    np.testing.assert_allclose(
        actual, bilinear(expected, 8, 8), rtol=1e-4, atol=1e-6
    )


def test_gradients_are_averaged_and_scaled_per_image():
    # A dense layer on the flat features: gradients differ by position.
    model = keras.Sequential(
        [
            keras.Input(networks.IMAGE_SHAPE),
            layers.Conv2D(3, 3, activation="tanh", name="last"),
            layers.Flatten(),
            layers.Dense(4, name="head"),
        ]
    )
    networks.set_weights(model)
    kernel = to_numpy(model.get_layer("head").kernel.value)
    gradients = kernel.reshape(6, 6, 3, 4).transpose(3, 0, 1, 2)[Y]
    size = np.sqrt((gradients**2).mean((1, 2, 3), keepdims=True))
    weights = (gradients / (size + 1e-5)).mean((1, 2))
    maps = np.einsum("bijk,bk->bij", features_of(model), weights)

    actual = maps_of(model, normalization="softmax")
    np.testing.assert_allclose(
        actual, normalized(maps, "softmax"), rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("ending", ["sigmoid", "logit"])
def test_two_classes(ending):
    model = networks.sequential(ending)
    kernel = to_numpy(model.get_layer("head").kernel.value)[:, 0]
    maps = np.einsum("bijk,k->bij", features_of(model), kernel / 16 / 2)
    labels = np.array([1, 1, 0, 0])
    maps[2:] *= -1  # The other class's logit is minus half of it.

    actual = maps_of(
        model,
        labels,
        normalization=None,
        scale_gradients=False,
        upsample=False,
    )
    np.testing.assert_allclose(
        actual, np.maximum(maps, 0), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("form", networks.FORMS)
def test_contract(form):
    layer = {"residual": "branch"}.get(form)

    run_attention_method_test(
        GradCAM(layer, "softmax", upsample=True, name="mine"),
        networks.FORMS[form]("softmax"),
        X,
        Y,
    )


@pytest.mark.parametrize("normalization", NORMALIZATIONS[1:])
def test_contract_with_batch_norm_and_dropout(normalization):
    run_attention_method_test(
        GradCAM("last", normalization, upsample=False, scale_gradients=False),
        networks.stateful(),
        X,
        Y,
    )


def test_nested_model_equals_the_same_layers_in_one_model():
    # `Model(inputs, [backbone.output, output])` has no gradient here.
    model = networks.nested()
    flat = keras.Sequential(
        [
            keras.Input(networks.IMAGE_SHAPE),
            *model.get_layer("backbone").layers[1:],
            *model.layers[2:],
        ]
    )

    expected = maps_of(flat, layer="last")
    for layer in (None, "last", "backbone"):
        np.testing.assert_allclose(
            maps_of(model, layer=layer), expected, rtol=1e-5
        )


def test_layer_inside_a_branch():
    # z_y = sum_ij tanh(x + after(A)) . W: by hand, for A inside the branch.
    model = networks.residual()
    features = features_of(model, "branch")
    total = features_of(model, "sum")
    head = to_numpy(model.get_layer("head").kernel.value)[:, Y].T
    after = to_numpy(model.get_layer("after").kernel.value)[0, 0]
    gradients = (1 - np.tanh(total) ** 2) * head[:, None, None] / 64 @ after.T
    weights = gradients.mean((1, 2))
    maps = np.einsum("bijk,bk->bij", features, weights)

    actual = maps_of(
        model, layer="branch", normalization=None, scale_gradients=False
    )
    np.testing.assert_allclose(
        actual, np.maximum(maps, 0), rtol=1e-4, atol=1e-7
    )


def test_without_labels_the_predicted_class():
    model = networks.functional("softmax")
    predicted = to_numpy(model(X)).argmax(-1)

    expected = maps_of(model, predicted)
    np.testing.assert_allclose(maps_of(model, None), expected, rtol=1e-5)
    assert abs(maps_of(model, (predicted + 1) % 4) - expected).max() > 1e-4


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_features_of_zeros(normalization):
    # As after a ReLU that lets nothing through.
    model = networks.sequential()
    last = model.get_layer("last")
    last.kernel.assign(0.0 * last.kernel.value)
    last.bias.assign(0.0 * last.bias.value)
    method = GradCAM(normalization=normalization)
    classifier = Classifier(model)

    def loss():
        maps = method.explain(classifier, X, Y)[1]
        return ops.sum(ops.square(maps) * ops.arange(4.0))

    maps = to_numpy(method.explain(classifier, X, Y)[1])
    np.testing.assert_allclose(
        maps, 1 / 16 if normalization == "softmax" else 0.0, rtol=1e-5
    )
    slopes = variable_gradient(loss, model.trainable_variables)
    assert all(np.isfinite(slope).all() for slope in slopes)


def test_head_of_zeros():
    # Its gradient is zero, as is that of a ReLU unit that never fires.
    model = networks.sequential()
    head = model.get_layer("head").kernel
    head.assign(0.0 * head.value)

    def loss():
        maps = GradCAM().explain(Classifier(model), X, Y)[1]
        return ops.sum(ops.square(maps) * ops.arange(4.0))

    np.testing.assert_array_equal(maps_of(model), 0.0)
    even = maps_of(model, normalization="softmax")
    np.testing.assert_allclose(even, 1 / 16, rtol=1e-5)
    slopes = variable_gradient(loss, model.trainable_variables)
    assert all(np.isfinite(slope).all() for slope in slopes)


class FirstOrder(GradCAM):
    """Grad-CAM of first order: weights are constants to the gradient."""

    def channel_weights(self, features, gradients):
        return ops.stop_gradient(super().channel_weights(features, gradients))


def preservation(method, model, images):
    """Returns `sum((g(x) - g(x_adv))^2)` as a function, also compiled."""

    def loss(images):
        _, maps, _ = method.explain(Classifier(model), images, np.r_[Y, Y])
        return ops.sum(ops.square(maps[:4] - maps[4:]))

    call = compiled(loss, model.variables)
    return lambda: loss(images), lambda: call(images)


@pytest.mark.parametrize(
    "normalization, scale", [("softmax", True), ("l2", False)]
)
def test_second_order(normalization, scale):
    arguments = {
        "normalization": normalization,
        "scale_gradients": scale,
        "upsample": False,
    }
    with float64_enabled():
        model = networks.functional(dtype="float64")
        pair = np.concatenate([X, X[:, ::-1]]).astype("float64")
        images = ops.convert_to_tensor(pair, "float64")
        loss, quick = preservation(GradCAM(**arguments), model, images)
        imitation, _ = preservation(FirstOrder(**arguments), model, images)
        names = ("head/kernel", "hidden/kernel", "last/kernel")
        variables = [
            next(v for v in model.weights if v.path.endswith(name))
            for name in names
        ]
        exact = variable_gradient(loss, variables)
        first_order = variable_gradient(imitation, variables)
        value = float(to_numpy(loss()))

        np.testing.assert_allclose(float(to_numpy(quick())), value, rtol=1e-9)
        for variable, slope, lazy in zip(
            variables, exact, first_order, strict=True
        ):
            assert slope.dtype == "float64"
            indices = np.argsort(-abs(slope).ravel())[:8]
            differences = variable_differences(quick, variable, indices)
            np.testing.assert_allclose(
                slope.ravel()[indices], differences, rtol=2e-5
            )
            error = np.linalg.norm(lazy - slope) / np.linalg.norm(slope)
            assert error > 0.05
        # The head is reached through the weights of the map alone.
        assert (first_order[0] == 0).all() and abs(exact[0]).max() > 1e-6


def test_half_precision():
    reference = networks.functional("softmax")
    model = networks.functional("softmax", dtype="mixed_float16")

    for normalization in ("softmax", "max"):
        actual = maps_of(model, normalization=normalization)
        assert actual.dtype == "float32"
        np.testing.assert_allclose(
            actual,
            maps_of(reference, normalization=normalization),
            rtol=0.05,
            atol=0.02,
        )


def test_half_precision_keeps_small_gradients():
    reference, model = (
        networks.sharpened(networks.functional(dtype=dtype), 1e-5)
        for dtype in (None, "mixed_float16")
    )
    actual, expected = (
        maps_of(each, normalization="max", scale_gradients=False)
        for each in (model, reference)
    )

    np.testing.assert_allclose(actual, expected, atol=0.05)


def test_training_mode_uses_batch_statistics():
    model = networks.stateful()
    classifier = Classifier(model)
    method = GradCAM("last")
    norm = model.get_layer("norm")
    mean = to_numpy(norm.moving_mean.value)
    seed = model.get_layer("dropout").seed_generator.state
    count = to_numpy(seed.value)[1]

    def step(x):
        return method.explain(classifier, x, Y, training=True)[:2]

    logits, maps = compiled(step, model.variables)(ops.convert_to_tensor(X))

    moved = 0.9 * mean + 0.1 * X.mean((0, 1, 2))
    np.testing.assert_allclose(
        to_numpy(norm.moving_mean.value), moved, rtol=1e-5
    )
    assert to_numpy(seed.value)[1] == count + 1
    assert np.isfinite(to_numpy(maps)).all()
    inference = to_numpy(classifier.logits(X))
    assert abs(to_numpy(logits) - inference).max() > 1e-3


def test_losses_of_activations_are_kept():
    model = networks.stateful()
    model(X)
    expected = sum(float(to_numpy(loss)) for loss in model.losses)
    model._clear_losses()
    method = GradCAM("last")
    method.explain(Classifier(model), ops.convert_to_tensor(X), Y)

    decay = sum(
        float(to_numpy(loss)) for loss in [*method.losses, *model.losses]
    )
    np.testing.assert_allclose(decay, expected, rtol=1e-5)


def user_model(**arguments):
    classifier = networks.sequential("softmax")
    inputs = keras.Input(networks.IMAGE_SHAPE)
    maps = GradCAM(model=classifier, name="cam", **arguments)(inputs)
    x = layers.Flatten()(maps)
    return keras.Model(inputs, [maps, layers.Dense(2, name="own")(x)])


def test_as_a_layer_of_a_functional_model(tmp_path):
    model = user_model(normalization="max", upsample=True)
    classifier = model.get_layer("cam").model

    expected = maps_of(classifier, None, normalization="max", upsample=True)
    maps, outputs = model.predict(X, verbose=0)
    assert model.outputs[0].shape == (None, 8, 8)
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-6)
    model.save(tmp_path / "cam.keras")
    loaded = keras.models.load_model(tmp_path / "cam.keras")
    for actual, wanted in zip(
        loaded.predict(X, verbose=0), (maps, outputs), strict=True
    ):
        np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables")
def test_training_through_the_layer():
    whole = user_model(upsample=True)
    model = keras.Model(whole.inputs[0], whole.outputs[0])
    classifier = model.get_layer("cam").model
    before = [to_numpy(w.value) for w in classifier.trainable_variables]
    target = np.zeros((4, 8, 8), "float32")
    target[:, :2, :2] = 1 / 4
    model.compile(keras.optimizers.Adam(0.05), loss="mse")

    losses = model.fit(X, target, epochs=8, verbose=0).history["loss"]

    assert losses[-1] < 0.99 * losses[0]
    moved = [
        abs(to_numpy(w.value) - old).max()
        for w, old in zip(classifier.trainable_variables, before, strict=True)
    ]
    # The head's bias alone does not matter to the map.
    assert min(moved[:-1]) > 1e-4


@pytest.mark.backend("jax", "torch")
def test_channels_first():
    last = networks.sequential()
    keras.config.set_image_data_format("channels_first")
    first = keras.Sequential(
        [
            keras.Input((3, 8, 8)),
            layers.Conv2D(4, 3, activation="tanh", name="first"),
            layers.Conv2D(5, 3, activation="tanh", name="last"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4),
        ]
    )
    first.set_weights(last.get_weights())
    actual = maps_of(first, images=X.transpose(0, 3, 1, 2))
    keras.config.set_image_data_format("channels_last")

    np.testing.assert_allclose(actual, maps_of(last), rtol=1e-4, atol=1e-6)


def test_layer_of_the_model_by_itself():
    model = networks.nested()
    inner = model.get_layer("backbone").get_layer("inner")

    np.testing.assert_array_equal(
        maps_of(model, layer=inner), maps_of(model, layer="inner")
    )


def test_warns_of_tiny_maps():
    model = keras.Sequential(
        [
            keras.Input(networks.IMAGE_SHAPE),
            layers.Conv2D(3, 3, strides=4, padding="same", name="tiny"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4),
        ]
    )

    with pytest.warns(UserWarning, match="'tiny' has only 2x2 positions"):
        GradCAM().check(Classifier(model))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"layer": "lasst"}, "no layer named 'lasst'.*'last'"),
        ({"layer": "head"}, "'head' has an output of shape"),
        ({"layer": 3}, "`layer` should be a layer, its name"),
        ({"normalization": "minmax"}, "`normalization` should be one of"),
    ],
)
def test_bad_arguments(arguments, message):
    model = networks.sequential()
    with pytest.raises(ValueError, match=message):
        GradCAM(**arguments, model=model)(X, Y)


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (X, Y + 1, "0 to 3"),
        (X, Y[:2], "4 images and 2 labels"),
        (X, np.eye(3)[Y % 3], r"\(batch, 4\)"),
    ],
)
def test_bad_inputs(images, labels, message):
    with pytest.raises(ValueError, match=message):
        GradCAM(model=networks.sequential())(images, labels)


def test_without_a_model():
    with pytest.raises(ValueError, match="no model to explain"):
        GradCAM()(X, Y)


def test_layer_that_is_not_on_the_way():
    inputs = keras.Input(networks.IMAGE_SHAPE)
    side = layers.Conv2D(3, 3, name="side")(inputs)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))
    # It runs, but the output does not look at its values.
    x = layers.Lambda(lambda pair: pair[0])([x, side])
    model = keras.Model(inputs, layers.Dense(4)(x))

    with pytest.raises(ValueError, match="not on the way to the output"):
        GradCAM("side", model=model)(X, Y)


def test_argmax_in_between():
    inputs = keras.Input(networks.IMAGE_SHAPE)
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    x = ops.one_hot(ops.argmax(ops.max(x, axis=(1, 2)), axis=-1), 4)
    model = keras.Model(inputs, layers.Dense(4)(x))

    with pytest.raises(ValueError, match="has no gradient"):
        GradCAM("conv", model=model)(X, Y)
