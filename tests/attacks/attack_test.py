"""Tests of what all attacks share: arguments, inputs, calls, one loop."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_attn_defense.attacks import BIM
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import GradientAttack
from keras_attn_defense.attacks import StepLL
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.testing import assert_inside
from tests.testing import cross_entropy
from tests.testing import jitted
from tests.testing import no_gradients
from tests.testing import perturbation_size
from tests.testing import to_numpy

X, Y = networks.images_and_labels()


@pytest.fixture(scope="module")
def model():
    return networks.sequential()


@pytest.fixture(scope="module")
def logits_of(model):
    return lambda images: model(images)


def run(attack, *args):
    return to_numpy(attack(*args))


def test_the_label_forms_agree(model):
    attack = FGSM(epsilon=0.05)
    expected = run(attack, model, X, Y)

    one_hot = np.eye(4)[Y]
    for labels in (Y.tolist(), Y[:, None], Y.astype("float32"), one_hot):
        np.testing.assert_array_equal(
            run(attack, model, X, np.array(labels)), expected
        )
    np.testing.assert_array_equal(run(attack, model, X, Y.tolist()), expected)


def test_without_labels_the_predicted_class_is_left(model):
    attack = BIM(epsilon=0.05, steps=2)
    predicted = to_numpy(model(X)).argmax(-1)

    expected = run(attack, model, X, predicted)
    np.testing.assert_array_equal(run(attack, model, X), expected)
    others = run(attack, model, X, (predicted + 1) % 4)
    assert abs(others - expected).max() > 0.01


@pytest.mark.parametrize("value_range", [(-1, 1), (0, 255)])
def test_defaults_follow_the_value_range(model, value_range):
    # The same images and network in other units give the same attack.
    lower, upper = value_range
    size = upper - lower
    inputs = keras.Input(networks.IMAGE_SHAPE)
    scaled = layers.Rescaling(1 / size, -lower / size)(inputs)
    other = keras.Model(inputs, model(scaled))
    x = (lower + size * X).astype("float32")
    attack = PGD(steps=3, random_start=False, value_range=value_range)

    x_adv = run(attack, other, x, Y)

    assert_inside(x_adv, x, 8 / 255 * size, "linf", value_range)
    plain = run(PGD(steps=3, random_start=False), model, X, Y)
    np.testing.assert_allclose((x_adv - lower) / size, plain, rtol=0, atol=1e-4)
    assert abs(x_adv - x).max() > 0.99 * 8 / 255 * size


def test_value_range_of_the_model_is_taken():
    model = networks.sequential()
    model.value_range = (-1.0, 1.0)
    x = 2 * X - 1

    x_adv = run(FGSM(), model, x, Y)
    np.testing.assert_allclose(
        perturbation_size(x_adv, x, "linf"), 16 / 255, rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"value_range=\(0.0, 1.0\)"):
        FGSM(value_range=(0, 1))(model, x, Y)


def test_results_stay_in_the_value_range(model):
    x = np.round(X)  # At the bounds.
    for attack in (FGSM(epsilon=0.2), PGD(epsilon=0.2, steps=2)):
        x_adv = run(attack, model, x, Y)
        assert_inside(x_adv, x, 0.2, "linf", (0.0, 1.0))
        assert 0.2 < (x_adv != x).mean() < 0.9


@pytest.mark.parametrize(
    "epsilon, value_range",
    [(8 / 255, (0, 1)), (0.3, (0, 1)), (0.9, (0, 1)), (0.1, (-1, 1))]
    + [(8, (0, 255)), (7.3, (0, 255)), (1e-4, (0, 1)), (250.1, (0, 255))],
)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_inside_the_ball_to_the_last_bit(epsilon, value_range, norm):
    # No model: the result is what the projection makes of a long step.
    lower, upper = value_range
    generator = np.random.default_rng(3)
    x = generator.uniform(lower, upper, (64, 8, 8, 3)).astype("float32")
    kernel = generator.normal(size=(192, 2)).astype("float32") / upper
    radius = epsilon if norm == "linf" else 3 * epsilon

    x_adv = run(
        PGD(radius, 3 * radius, 1, norm=norm, value_range=value_range),
        lambda images: ops.matmul(ops.reshape(images, (-1, 192)), kernel),
        x,
        np.arange(64) % 2,
    )

    assert_inside(x_adv, x, radius, norm, value_range)
    # Nor does it stay away from the border.
    if norm == "linf" and epsilon < 0.5 * (upper - lower):
        assert abs(x_adv - x).max() > 0.99 * radius


def test_epsilon_zero_is_identity(model):
    for attack in (FGSM(epsilon=0), PGD(epsilon=0.0, steps=2, norm="l2")):
        np.testing.assert_array_equal(run(attack, model, X, Y), X)


def test_epsilon_is_drawn_for_each_batch(model):
    attack = FGSM(epsilon=(0.02, 0.08), seed=1)
    sizes = [
        perturbation_size(run(attack, model, X, Y), X, "linf") for _ in range(6)
    ]

    assert all(np.ptp(size) < 1e-6 for size in sizes)  # One for the batch.
    drawn = np.array([size[0] for size in sizes])
    assert len(set(drawn.round(5))) == 6
    assert drawn.min() >= 0.02 - 1e-6 and drawn.max() <= 0.08
    assert np.ptp(drawn) > 0.01


def test_strength_scales_epsilon_and_step(model):
    attack = BIM(epsilon=0.1, step_size=0.02, steps=2)
    attack.strength.assign(0.5)
    expected = run(BIM(epsilon=0.05, step_size=0.01, steps=2), model, X, Y)

    np.testing.assert_allclose(
        run(attack, model, X, Y), expected, rtol=0, atol=1e-6
    )
    attack.strength.assign(1.0)  # Seen by what is compiled already.
    size = perturbation_size(run(attack, model, X, Y), X, "linf")
    np.testing.assert_allclose(size, 0.04, atol=1e-6)


def test_changed_weights_are_seen(model):
    twin = networks.sequential()
    attack = FGSM(epsilon=0.05)
    first = run(attack, twin, X, Y)
    networks.set_weights(twin, seed=99)

    np.testing.assert_array_equal(
        run(attack, twin, X, Y), run(FGSM(epsilon=0.05), twin, X, Y)
    )
    assert abs(run(attack, twin, X, Y) - first).max() > 0.05


def test_changed_weights_are_seen_through_a_function():
    twin = networks.sequential()
    attack = FGSM(epsilon=0.05)

    def function(images):
        return twin(images, training=False)

    first = run(attack, function, X, Y)
    networks.set_weights(twin, seed=99)

    expected = run(FGSM(epsilon=0.05), twin, X, Y)
    np.testing.assert_array_equal(run(attack, function, X, Y), expected)
    assert abs(expected - first).max() > 0.05


def test_one_attack_on_two_models(model):
    attack = FGSM(epsilon=0.05)
    other = networks.sequential(seed=9)

    results = [run(attack, each, X, Y) for each in (model, other, model)]

    assert abs(results[1] - results[0]).max() > 0.05
    np.testing.assert_array_equal(results[2], results[0])


def test_changed_attributes_are_seen(model):
    attack = FGSM(epsilon=0.05)
    run(attack, model, X, Y)
    attack.epsilon = 0.02

    size = perturbation_size(run(attack, model, X, Y), X, "linf")
    np.testing.assert_allclose(size, 0.02, rtol=1e-4)


@pytest.mark.parametrize("ending", ["softmax", "softmax_layer"])
def test_softmax_models_are_attacked_through_their_logits(ending):
    # So sure that the gradient of the probabilities is zero.
    models = [
        networks.sharpened(networks.sequential(end), 300.0)
        for end in ("logits", ending)
    ]
    expected, actual = (
        run(BIM(epsilon=0.05, steps=2), model, X, Y) for model in models
    )

    assert to_numpy(models[1](X)).max() == 1.0
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)
    assert abs(expected - X).mean() > 0.01


def test_model_and_its_function_agree(model, logits_of):
    attack = PGD(epsilon=0.05, steps=2, random_start=False)

    np.testing.assert_array_equal(
        run(attack, logits_of, X, Y), run(attack, model, X, Y)
    )


def test_inside_a_compiled_step(model):
    attack = BIM(epsilon=0.05, steps=2)
    step = jitted(lambda x, y: attack(model, x, y))

    x_adv = to_numpy(step(ops.convert_to_tensor(X), ops.convert_to_tensor(Y)))

    np.testing.assert_allclose(
        x_adv, run(attack, model, X, Y), rtol=0, atol=1e-6
    )


def test_inside_a_compiled_step_of_a_loop_over_batches(model):
    attack = FGSM(epsilon=0.05)
    step = jitted(lambda x: attack(model, x))
    with no_gradients():
        results = [
            to_numpy(step(ops.convert_to_tensor(x))) for x in (X, X[::-1])
        ]

    np.testing.assert_allclose(results[1][::-1], results[0], atol=1e-6)


def test_frozen_model_can_be_attacked():
    model = networks.sequential()
    expected = run(FGSM(epsilon=0.05), model, X, Y)
    model.trainable = False

    actual = run(FGSM(epsilon=0.05), model, X, Y)
    np.testing.assert_array_equal(actual, expected)
    assert not model.trainable


def test_last_batch_may_be_smaller(model):
    attack = BIM(epsilon=0.05, steps=2)
    whole = run(attack, model, X, Y)

    np.testing.assert_allclose(
        run(attack, model, X[:3], Y[:3]), whole[:3], rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_images_of_several_sizes(norm):
    # TensorFlow generalises a compiled function to unknown sizes.
    model = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(4, 3, activation="tanh"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4),
        ]
    )
    attack = PGD(epsilon=0.1, steps=1, norm=norm, seed=0)
    for size in (8, 7, 6):
        x = np.ascontiguousarray(X[:, :size, :size])
        x_adv = run(attack, model, x, Y)
        assert_inside(x_adv, x, 0.1, norm, (0.0, 1.0))
        assert perturbation_size(x_adv, x, norm).max() > 0.05


def test_perturb_goes_on_from_a_start(model):
    attack = BIM(epsilon=0.05, step_size=0.02, steps=2)
    images, labels = ops.convert_to_tensor(X), ops.convert_to_tensor(Y)
    arguments = (Classifier(model), images, labels, (0.0, 1.0))

    once = attack.perturb(*arguments, steps=1)
    np.testing.assert_allclose(
        perturbation_size(to_numpy(once), X, "linf"), 0.02, rtol=1e-3
    )
    twice = attack.perturb(*arguments, start=once, steps=1)
    np.testing.assert_allclose(
        to_numpy(twice), to_numpy(attack.perturb(*arguments)), atol=1e-6
    )


def test_noise_goes_on_after_saving_and_loading(model, tmp_path):
    attack = PGD(epsilon=0.05, steps=1, seed=3)
    run(attack, model, X, Y)
    holder = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    holder.attack = attack
    attack.strength.assign(0.5)
    holder.save_weights(tmp_path / "holder.weights.h5")
    expected = run(attack, model, X, Y)

    other = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    other.attack = PGD(epsilon=0.05, steps=1, seed=8)
    other.load_weights(tmp_path / "holder.weights.h5")

    np.testing.assert_array_equal(run(other.attack, model, X, Y), expected)


class Diagonal(GradientAttack):
    """An attack of a user's own."""

    def direction(self, gradient, memory):
        return ops.ones_like(gradient), memory


def test_own_attack(model):
    x_adv = run(Diagonal(epsilon=0.05), model, X, Y)

    np.testing.assert_allclose(x_adv, X + 0.05, atol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"epsilon": -0.1}, "`epsilon` should be.*at least 0.*-0.1"),
        ({"epsilon": float("nan")}, "`epsilon` should be"),
        ({"epsilon": float("inf")}, "`epsilon` should be"),
        ({"epsilon": "8/255"}, "`epsilon` should be"),
        ({"epsilon": (0.2, 0.1)}, "low <= high"),
        ({"epsilon": (-0.2, 0.1)}, "`epsilon` should be"),
        ({"step_size": -1}, "`step_size` should be"),
        ({"steps": 0}, "`steps` should be a whole number of at least 1"),
        ({"steps": 2.5}, "`steps` should be"),
        ({"steps": True}, "`steps` should be"),
        ({"restarts": 0}, "`restarts` should be"),
        (
            {"norm": "l3"},
            r"`norm` should be one of \['l1', 'l2', 'linf'\].*'l3'",
        ),
        ({"value_range": (1, 0)}, "`value_range` should be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PGD(**arguments)


@pytest.mark.parametrize(
    "epsilon", [(0.1,), (0.1, 0.2, 0.3)], ids=["one", "three"]
)
def test_epsilon_range_is_a_pair(epsilon):
    with pytest.raises(ValueError, match="epsilon"):
        FGSM(epsilon=epsilon)


@pytest.mark.parametrize(
    "x, y, message",
    [
        (np.zeros((2, 8, 8, 3), "uint8") + 200, Y[:2], "uint8.*rescale"),
        (X + np.nan, Y, "NaN"),
        (X[0], Y[:1], r"rank 4.*\(8, 8, 3\)"),
        (X * 255, Y, r"value_range=\(0.0, 1.0\)"),
        (X, Y + 1, "0 to 3.*from 1 to 4"),
        (X, Y - 1, "from -1"),
        (X, Y[:3], "4 images and 3 labels"),
        (X, np.eye(5)[Y], r"\(batch, 4\)"),
        (X, Y + 0.5, "whole numbers"),
    ],
)
def test_bad_inputs(model, x, y, message):
    with pytest.raises(ValueError, match=message):
        FGSM()(model, x, y)


def test_function_of_probabilities():
    model = networks.sequential("softmax")
    with pytest.raises(ValueError, match="returns probabilities where logits"):
        FGSM()(lambda images: model(images), X, Y)


@pytest.mark.parametrize("attack", [FGSM(epsilon=0.1), StepLL()])
def test_function_without_a_gradient(model, attack):
    def hard(images):
        return ops.one_hot(ops.argmax(model(images), axis=-1), 4) * 3.0

    with pytest.raises(ValueError, match="has no gradient"):
        attack(hard, X, Y)


def test_targeted_needs_labels(model):
    with pytest.raises(ValueError, match="needs the classes to reach"):
        FGSM(targeted=True)(model, X)


def test_neither_model_nor_function():
    with pytest.raises(ValueError, match="Expected a Keras classifier or"):
        FGSM()("model", X, Y)


def test_label_smoothing_shifts_the_objective(model):
    # Two classes: smoothing changes no sign of any gradient, only lengths;
    # three and more: other classes count too.
    plain = run(FGSM(epsilon=0.05), model, X, Y)
    smooth = run(FGSM(epsilon=0.05, label_smoothing=0.9), model, X, Y)

    assert (plain != smooth).any()
    logits = to_numpy(model(smooth))
    assert (
        cross_entropy(logits, Y, 0.9).sum()
        > cross_entropy(to_numpy(model(plain)), Y, 0.9).sum()
    )
