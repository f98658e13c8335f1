"""What holds for every attack, image, label and radius."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_attn_defense import attacks
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.properties import strategies
from tests.properties.strategies import examples
from tests.testing import BACKEND
from tests.testing import assert_inside
from tests.testing import assert_same_state
from tests.testing import cross_entropy
from tests.testing import perturbation_size
from tests.testing import state
from tests.testing import to_numpy

UNIT, CENTERED, BYTES = strategies.RANGES
# Name: class, arguments, range of the images. Gradient attacks first.
GRADIENT = {
    "fgsm": (attacks.FGSM, {}, UNIT),
    "fgsm-targeted-l2": (
        attacks.FGSM,
        {"norm": "l2", "targeted": True},
        CENTERED,
    ),
    "bim-bytes": (attacks.BIM, {"steps": 3}, BYTES),
    "mim-l2": (attacks.MomentumBIM, {"steps": 3, "norm": "l2"}, UNIT),
    "bim-l1": (
        attacks.BIM,
        {"steps": 3, "norm": "l1", "objective": "margin"},
        CENTERED,
    ),
    "iter-ll": (attacks.IterLL, {"steps": 2}, UNIT),
}
RANDOM = {
    "pgd-restarts": (attacks.PGD, {"steps": 3, "restarts": 2}, CENTERED),
    "pgd-l2-targeted": (
        attacks.PGD,
        {"steps": 3, "norm": "l2", "targeted": True, "objective": "dlr"},
        UNIT,
    ),
    "pgd-l1": (attacks.PGD, {"steps": 3, "norm": "l1"}, BYTES),
    "randomized-step-ll": (attacks.RandomizedStepLL, {}, BYTES),
    "apgd": (attacks.APGD, {"steps": 5, "restarts": 2}, UNIT),
    "apgd-l1": (attacks.APGD, {"steps": 5, "norm": "l1"}, CENTERED),
    "square": (attacks.Square, {"queries": 20}, BYTES),
    "square-l2": (attacks.Square, {"queries": 20, "norm": "l2"}, CENTERED),
    "hop-skip-jump": (attacks.HopSkipJump, {"queries": 20}, BYTES),
    "fab-l2": (attacks.FAB, {"steps": 3, "norm": "l2"}, UNIT),
}
SEARCHES = {
    "deep-fool": (attacks.DeepFool, {"steps": 3}, UNIT),
    "carlini-wagner": (
        attacks.CarliniWagner,
        {"steps": 5, "binary_search_steps": 1},
        CENTERED,
    ),
    "lbfgs": (
        attacks.SzegedyLBFGS,
        {"steps": 3, "binary_search_steps": 2},
        BYTES,
    ),
}
ATTACKS = {**GRADIENT, **RANDOM, **SEARCHES}
# A batch of one for every other attack: each size is compiled again.
BATCHES = {name: (3, 1)[row % 2] for row, name in enumerate(ATTACKS)}
FEW = ["fgsm-targeted-l2", "bim-bytes", "pgd-restarts", "apgd"]
# Shares of the usual radius, or of the largest that is not refused.
shares = st.one_of(
    st.tuples(st.just("usual"), st.one_of(st.just(0.0), st.floats(1e-6, 2.0))),
    st.tuples(st.just("largest"), st.floats(0.1, 1.0)),
)


def built(name):
    """An attack, made once, and the model and the range for it."""
    if name not in _built:
        cls, arguments, value_range = ATTACKS[name]
        attack = cls(value_range=value_range, seed=5, **arguments)
        _built[name] = attack, strategies.network(value_range), value_range
    return _built[name]


_built = {}


def crafted(name, x, y, epsilon, seed=5):
    """The adversarial images of a shared attack, in NumPy."""
    attack, model, _ = built(name)
    attack = attack.with_epsilon(epsilon)
    attack.reseed(seed)
    return to_numpy(attack(model, x, y))


def batches(name, batch):
    """Images, labels and a radius for an attack."""
    # Built here: what is drawn may not depend on random numbers of Keras.
    return _batches(*built(name), batch)


@st.composite
def _batches(draw, attack, model, value_range, batch):
    x = draw(strategies.images(batch, value_range))
    y = draw(strategies.labels(batch))
    unit, share = draw(shares)
    width = value_range[1] - value_range[0]
    corner = np.full((1, *strategies.SHAPE), width)
    largest = perturbation_size(corner, np.zeros_like(corner), attack.norm)[0]
    usual = min(attack.ball.default_epsilon * width, largest / 2)
    epsilon = share * {"usual": usual, "largest": largest}[unit]
    return (*strategies.frozen(x, y), epsilon)


@pytest.mark.parametrize("name", strategies.chosen(ATTACKS, FEW))
@examples(8)
@given(data=st.data())
def test_inside_ball_and_range_whatever_the_images(name, data):
    x, y, epsilon = data.draw(batches(name, BATCHES[name]))
    form = data.draw(strategies.label_forms)
    seed = data.draw(strategies.seeds)
    attack, model, value_range = built(name)
    before = state(model)

    x_adv = crafted(name, x, y, epsilon, seed)

    assert x_adv.shape == x.shape and x_adv.dtype == "float32"
    assert_inside(x_adv, x, epsilon, attack.norm, value_range)
    assert_same_state(before, state(model))
    again = strategies.LABEL_FORMS[form](y)
    again = crafted(name, x, again, epsilon, seed)
    np.testing.assert_array_equal(again, x_adv)


@pytest.mark.parametrize(
    "name", strategies.chosen([*GRADIENT, "deep-fool"], ["bim-bytes"])
)
@examples(4)
@given(data=st.data())
def test_each_image_is_attacked_alone(name, data):
    x, y, epsilon = data.draw(batches(name, batch=3))
    order = data.draw(st.permutations(range(3)))
    _, _, value_range = built(name)

    x_adv = crafted(name, x, y, epsilon)

    close = {"rtol": 0, "atol": 1e-5 * (value_range[1] - value_range[0])}
    permuted = crafted(name, x[order], y[order], epsilon)
    np.testing.assert_allclose(permuted, x_adv[order], **close)
    alone = crafted(name, x[:1], y[:1], epsilon)
    np.testing.assert_allclose(alone, x_adv[:1], **close)


@pytest.mark.parametrize(
    "name",
    strategies.chosen(["bim-bytes", "pgd-restarts", "apgd"], ["bim-bytes"]),
)
@examples(4)
@given(data=st.data())
def test_types_of_images_and_ways_to_call(name, data):
    x, y, epsilon = data.draw(batches(name, batch=3))
    attack, model, value_range = built(name)
    # Whole numbers in all three ranges.
    x = np.clip(np.round(x), *value_range)

    x_adv = crafted(name, x, y, epsilon)

    forms = [x.astype("float64"), x.astype("int32"), keras.ops.array(x)]
    if value_range == BYTES:
        forms.append(x.astype("uint8"))
    for form in forms:
        np.testing.assert_array_equal(crafted(name, form, y, epsilon), x_adv)
    attack = attack.with_epsilon(epsilon)
    attack.reseed(5)
    if name == "bim-bytes":
        run = attack.run(model, x, y, batch_size=1).images
        atol = 1e-5 * (value_range[1] - value_range[0])
        np.testing.assert_allclose(run, x_adv, rtol=0, atol=atol)
    else:
        run = attack.run(model, x, y, batch_size=3).images
        np.testing.assert_array_equal(run, x_adv)


@examples(6)
@given(data=st.data())
def test_more_restarts_never_do_less_harm(data):
    x, y, epsilon = data.draw(batches("pgd-restarts", batch=3))
    seed = data.draw(strategies.seeds)
    _, model, value_range = built("pgd-restarts")
    single = _single().with_epsilon(epsilon)
    single.reseed(seed)

    once = to_numpy(single(model, x, y))
    twice = crafted("pgd-restarts", x, y, epsilon, seed)

    harm_once, harm_twice = (_harm(model, each, y) for each in (once, twice))
    assert (harm_twice >= harm_once - 1e-5).all()


def _single():
    if "single" not in _built:
        cls, arguments, value_range = ATTACKS["pgd-restarts"]
        arguments = {**arguments, "restarts": 1, "value_range": value_range}
        _built["single"] = cls(seed=5, **arguments)
    return _built["single"]


def _harm(model, x, y):
    z = to_numpy(Classifier(model).logits(x))
    return cross_entropy(z, y) + 1e4 * (z.argmax(-1) != y)


@examples(6)
@given(data=st.data())
def test_a_targeted_attack_of_the_predicted_class_is_the_other_way(data):
    """Towards a class and away from it are opposite steps of equal length."""
    x, y, epsilon = data.draw(batches("fgsm", batch=3))
    x = 0.25 + x / 2
    epsilon = min(epsilon, 0.2)
    model = strategies.network()
    away = crafted("fgsm", x, y, epsilon)
    attack = _built.setdefault("towards", attacks.FGSM(targeted=True))
    towards = to_numpy(attack.with_epsilon(epsilon)(model, x, y))
    np.testing.assert_allclose(away - x, x - towards, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "name", strategies.chosen(["pgd", "attention", "square"], ["attention"])
)
@examples(3)
@given(data=st.data())
def test_networks_of_convolutions(name, data):
    """Attention, seeds of their own, and equal seeds."""
    model = strategies.convolutional()
    shape = networks.IMAGE_SHAPE
    x = strategies.frozen(data.draw(strategies.images(2, shape=shape)))
    y = data.draw(strategies.labels(2))
    epsilon = data.draw(st.floats(1e-3, 0.5))
    seed = data.draw(strategies.seeds)
    arguments = {"queries": 10} if name == "square" else {"steps": 2}
    key = "convolution", name
    if key not in _built:
        cls = {
            "pgd": attacks.PGD,
            "attention": attacks.AttentionAttack,
            "square": attacks.Square,
        }[name]
        _built[key] = cls(**arguments)
    attack = _built[key].with_epsilon(epsilon)
    before = state(model)
    found = []
    for _ in range(2):
        attack.reseed(seed)
        found.append(to_numpy(attack(model, x, y)))

    assert_inside(found[0], x, epsilon, "linf", UNIT)
    np.testing.assert_array_equal(*found)
    assert_same_state(before, state(model))


@pytest.mark.skipif(
    BACKEND == "tensorflow", reason="no channels first on a CPU"
)
@examples(5)
@given(data=st.data())
def test_channels_first_gives_the_same_images(data):
    x = data.draw(strategies.images(2, shape=networks.IMAGE_SHAPE))
    y = data.draw(strategies.labels(2))
    epsilon = data.draw(st.floats(1e-3, 0.3))
    last, first = _both_formats()
    attack = _built.setdefault("last", attacks.BIM(steps=2))
    expected = to_numpy(attack.with_epsilon(epsilon)(last, x, y))

    keras.config.set_image_data_format("channels_first")
    try:
        attack = _built.setdefault("first", attacks.BIM(steps=2))
        x = np.moveaxis(x, -1, 1)
        actual = to_numpy(attack.with_epsilon(epsilon)(first, x, y))
    finally:
        keras.config.set_image_data_format("channels_last")

    moved = np.moveaxis(actual, 1, -1)
    np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-5)


def _both_formats():
    """One network of convolutions, for both orders of the axes."""
    if "formats" not in _built:
        models = []
        for data_format in ("channels_last", "channels_first"):
            shape = networks.IMAGE_SHAPE
            if data_format == "channels_first":
                shape = (shape[-1], *shape[:-1])
            models.append(
                keras.Sequential(
                    [
                        keras.Input(shape),
                        keras.layers.Conv2D(
                            4, 3, activation="tanh", data_format=data_format
                        ),
                        keras.layers.GlobalAveragePooling2D(data_format),
                        keras.layers.Dense(strategies.CLASSES),
                    ]
                )
            )
            networks.set_weights(models[-1], seed=3)
        _built["formats"] = models
    return _built["formats"]
