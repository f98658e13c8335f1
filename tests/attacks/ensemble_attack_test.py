"""Tests of attacks on several models, against attacks on each of them."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_attn_defense.attacks import APGD
from keras_attn_defense.attacks import BIM
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import EnsembleAttack
from keras_attn_defense.classifier import as_classifier
from tests import networks
from tests.testing import assert_inside
from tests.testing import assert_same_state
from tests.testing import jitted
from tests.testing import no_gradients
from tests.testing import run_config_test
from tests.testing import state
from tests.testing import to_numpy

pytestmark = pytest.mark.once

X, Y = networks.images_and_labels(6)


@pytest.fixture(scope="module")
def models():
    return [networks.functional(), networks.sequential("softmax")]


@pytest.fixture(scope="module")
def victim():
    return networks.residual()


def crafted(attack, model, x=X, y=Y):
    """What a step crafts, in NumPy."""
    labels = ops.convert_to_tensor(y)
    with no_gradients():
        return to_numpy(
            attack.perturb(
                as_classifier(model), ops.convert_to_tensor(x), labels, (0, 1)
            )
        )


def mean_of(models):
    """The mean of log-probabilities as a function, in other words."""

    def function(images):
        logits = [as_classifier(model).logits(images) for model in models]
        return sum(z - ops.logsumexp(z, -1, keepdims=True) for z in logits) / (
            len(logits)
        )

    return function


@pytest.mark.everywhere
@pytest.mark.parametrize("include_victim", [False, True])
def test_joint(models, victim, include_victim):
    attack = EnsembleAttack(
        models, BIM(0.1, steps=2), include_victim=include_victim
    )
    before = [state(model) for model in (*models, victim)]

    result = attack.run(victim, X, Y)

    attacked = [*models, victim] if include_victim else models
    expected = to_numpy(BIM(0.1, steps=2)(mean_of(attacked), X, Y))
    np.testing.assert_allclose(result.images, expected, atol=1e-6)
    assert_inside(result.images, X, 0.1, "linf", (0, 1))
    # Queries of the attacked model.
    assert (result.backward_passes == 2 * include_victim).all()
    assert attack.black_box != include_victim
    for model, its in zip((*models, victim), before, strict=True):
        assert_same_state(its, state(model))
    np.testing.assert_array_equal(crafted(attack, victim), result.images)


def test_rotate(models, victim):
    attack = EnsembleAttack(
        models, FGSM(0.1), mode="rotate", include_victim=True
    )
    each = [to_numpy(FGSM(0.1)(m, X, Y)) for m in (*models, victim)]

    result = attack.run(victim, X, Y)

    for row, image in enumerate(result.images):
        np.testing.assert_allclose(image, each[row % 3][row], atol=1e-6)
    np.testing.assert_array_equal(result.backward_passes, [0, 0, 1] * 2)


@pytest.mark.everywhere
def test_rotate_in_a_step(models, victim):
    attack = EnsembleAttack(models, FGSM(0.1), mode="rotate")
    x, y = X[:5], Y[:5]
    each = np.stack([to_numpy(FGSM(0.1)(m, x, y)) for m in models])

    first = set()
    for _ in range(5):
        x_adv = crafted(attack, victim, x, y)
        distances = abs(each - x_adv).max((2, 3, 4))
        assert (distances.min(0) < 1e-6).all()
        source = distances.argmin(0)
        np.testing.assert_array_equal(source, (source[0] + np.arange(5)) % 2)
        first.add(int(source[0]))
    assert first == {0, 1}


def test_fewer_images_than_models(models, victim):
    attack = EnsembleAttack(models, FGSM(0.1), mode="rotate")
    each = np.stack([to_numpy(FGSM(0.1)(m, X[:1], Y[:1])) for m in models])

    sources = set()
    for _ in range(4):
        distances = abs(each - crafted(attack, victim, X[:1], Y[:1]))
        assert distances.max((1, 2, 3, 4)).min() < 1e-6
        sources.add(int(distances.max((1, 2, 3, 4)).argmin()))
    assert sources == {0, 1}


def test_search_attack(models, victim):
    # Places and runs of the images are those of the attack inside.
    attack = EnsembleAttack(models, APGD(0.2, steps=5, seed=1))

    result = attack.run(victim, X, Y)

    mean = mean_of(models)
    expected = APGD(0.2, steps=5, seed=1).run(mean, X, Y).images
    np.testing.assert_allclose(result.images, expected, atol=1e-5)


def test_transfer_to_a_model_without_gradients():
    plain = networks.functional()
    inputs = keras.Input(networks.IMAGE_SHAPE)
    steps = layers.Lambda(lambda x: ops.round(x * 15) / 15 + 0.0 * x)
    hidden = keras.Model(inputs, plain(steps(inputs)))
    y = to_numpy(hidden(X)).argmax(-1).astype("int32")
    inner = PGD(0.3, steps=5, random_start=False)

    accuracy = [
        (to_numpy(hidden(attack(hidden, X, y))).argmax(-1) == y).mean()
        for attack in (inner, EnsembleAttack([plain], inner))
    ]

    assert accuracy == [1.0, 0.0]


def test_schedule_and_radius(models, victim):
    attack = EnsembleAttack(models, FGSM(0.1))

    smaller = attack.with_epsilon(0.05)
    change = abs(to_numpy(smaller(victim, X, Y)) - X).max()
    np.testing.assert_allclose(change, 0.05, rtol=1e-5)
    attack.strength.assign(0.5)
    change = abs(to_numpy(attack(victim, X, Y)) - X).max()
    np.testing.assert_allclose(change, 0.05, rtol=1e-5)
    assert len(attack.variables) == 3  # One strength, a seed of each.


def test_random_sources_are_drawn_again(victim):
    source, _ = networks.masked_linear(0.5, classes=4)
    free = {"norm": "l2", "epsilon": 10.0, "step_size": 0.01}
    attack = EnsembleAttack([source], BIM(steps=3, objective="margin", **free))

    unmoved = (to_numpy(attack(victim, X, Y)) == X).mean()

    np.testing.assert_allclose(unmoved, 0.5**3, rtol=0.3)


def test_compiled_step(models, victim):
    attack = EnsembleAttack(models, BIM(0.1, steps=2))

    step = jitted(lambda x, y: attack(victim, x, y))

    arrays = [ops.convert_to_tensor(value) for value in (X, Y)]
    np.testing.assert_allclose(
        to_numpy(step(*arrays)), crafted(attack, victim), atol=1e-6
    )


def test_configuration_has_no_weights(models, victim):
    attack = EnsembleAttack(models, PGD(0.1), mode="rotate")

    loaded = run_config_test(attack)

    with pytest.raises(ValueError, match="which has no weights"):
        loaded(victim, X, Y)


def test_models_that_do_not_fit(models):
    with pytest.raises(ValueError, match="same classes.*4, 2"):
        EnsembleAttack([models[0], networks.sequential("logit")])
    with pytest.raises(ValueError, match="same classes.*4, 4, 3"):
        EnsembleAttack(models)(networks.linear(classes=3), X, Y % 3)
    with pytest.raises(ValueError, match="same inputs.*8, 8, 3.*4, 4, 3"):
        EnsembleAttack([models[0], networks.linear(shape=(4, 4, 3))])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"models": []}, "a list of at least one Keras classifier"),
        ({"models": None}, "a list of at least one Keras classifier"),
        ({"models": ["resnet"]}, "Expected a Keras model"),
        ({"mode": "turns"}, "`mode` should be 'joint' or 'rotate'"),
        ({"attack": "pgd"}, "`attack` should be an attack"),
    ],
)
def test_bad_arguments(models, arguments, message):
    with pytest.raises(ValueError, match=message):
        EnsembleAttack(**{"models": models, **arguments})
