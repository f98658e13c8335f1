"""Robust losses against their published formulas, in NumPy and float64."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.losses.robust_loss import cross_entropy
from tests import networks
from tests.testing import gradient
from tests.testing import to_numpy

RANDOM = np.random.default_rng(0)
CLEAN = RANDOM.normal(0, 2, (6, 4))
ATTACKED = RANDOM.normal(0, 2, (6, 4))
TEACHER = RANDOM.normal(0, 2, (6, 4))
NEAR = RANDOM.normal(0, 2, (3, 6, 4))
TAUGHT = RANDOM.normal(0, 2, (2, 6, 4))
CLASSES = np.array([0, 1, 2, 3, 0, 1])
LABELS = np.eye(4)[CLASSES]


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def ce(z, labels=LABELS):
    return -(labels * np.log(softmax(z))).sum(-1)


def kl(z, other):
    p, q = softmax(z), softmax(other)
    return (p * np.log(p / q)).sum(-1)


def mart():
    """As in the authors' code, with its search for the strongest class."""
    p_attacked, p_clean = softmax(ATTACKED), softmax(CLEAN)
    ranked = np.argsort(p_attacked, -1)[:, -2:]
    strongest = np.where(ranked[:, 1] == CLASSES, ranked[:, 0], ranked[:, 1])
    rows = np.arange(len(CLASSES))
    boosted = ce(ATTACKED) - np.log(1.0001 - p_attacked[rows, strongest])
    return boosted + 6 * kl(CLEAN, ATTACKED) * (1 - p_clean[rows, CLASSES])


def elle():
    first, second, between = map(ce, NEAR)
    share = (np.arange(6) + 0.5) / 6
    error = between - (1 - share) * first - share * second
    return ce(ATTACKED) + 10 * error**2


def igdm():
    change = kl(TAUGHT[0] - TAUGHT[1], ATTACKED - NEAR[0])
    soft = 5 / 6 * kl(TEACHER, ATTACKED) + 1 / 6 * kl(TEACHER, CLEAN)
    return soft + 20 * change


def smooth(share):
    return LABELS * (1 - share) + share / 4


PUBLISHED = {
    "madry": (kad.losses.AdversarialCrossentropy(), lambda: ce(ATTACKED)),
    "half": (
        kad.losses.AdversarialCrossentropy(1.0, label_smoothing=0.2),
        lambda: ce(ATTACKED, smooth(0.2)) + ce(CLEAN, smooth(0.2)),
    ),
    "trades": (
        kad.losses.TRADES(),
        lambda: ce(CLEAN) + 6 * kl(CLEAN, ATTACKED),
    ),
    "smooth trades": (
        kad.losses.TRADES(beta=1, label_smoothing=0.1),
        lambda: ce(CLEAN, smooth(0.1)) + kl(CLEAN, ATTACKED),
    ),
    "mart": (kad.losses.MART(), mart),
    "alp": (
        kad.losses.LogitPairing(0.25, clean_weight=1.0),
        lambda: (
            ce(ATTACKED) + ce(CLEAN) + 0.25 * ((CLEAN - ATTACKED) ** 2).mean(-1)
        ),
    ),
    "score": (
        kad.losses.SCORE(),
        lambda: (
            ((softmax(CLEAN) - LABELS) ** 2).sum(-1)
            + 4 * ((softmax(ATTACKED) - softmax(CLEAN)) ** 2).sum(-1)
        ),
    ),
    "ard": (
        kad.losses.ARD(temperature=5.0, alpha=0.75),
        lambda: 0.75 * 25 * kl(TEACHER / 5, ATTACKED / 5) + 0.25 * ce(CLEAN),
    ),
    "rslad": (
        kad.losses.RSLAD(),
        lambda: 5 / 6 * kl(TEACHER, ATTACKED) + 1 / 6 * kl(TEACHER, CLEAN),
    ),
    "elle": (kad.losses.ELLE(10.0), elle),
    "igdm": (kad.losses.IGDM(), igdm),
}
# Logits of neighbors.
FURTHER = {kad.losses.ELLE: [*NEAR], kad.losses.IGDM: [NEAR[0]]}
# What the inner attack maximizes.
ATTACKS = {
    "madry": lambda: ce(ATTACKED),
    "trades": lambda: kl(CLEAN, ATTACKED),
    "mart": lambda: ce(ATTACKED),
    "alp": lambda: ce(ATTACKED),
    "score": lambda: ((softmax(ATTACKED) - softmax(CLEAN)) ** 2).sum(-1),
    "ard": lambda: ce(ATTACKED),
    "rslad": lambda: kl(TEACHER, ATTACKED),
    "elle": lambda: ce(ATTACKED),
    "igdm": lambda: kl(TEACHER, ATTACKED),
}


def tensors(loss, attack=False):
    further = [] if attack else FURTHER.get(type(loss), [])
    logits = [CLEAN, ATTACKED, *further]
    if isinstance(loss, kad.losses.DistillationLoss):
        logits.append(TEACHER)
        if loss.teaches_all and not attack:
            logits += [*TAUGHT]
    return tuple(ops.convert_to_tensor(z, "float32") for z in logits)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_formula(name):
    loss, expected = PUBLISHED[name]
    labels = ops.convert_to_tensor(LABELS, "float32")
    actual = to_numpy(loss.call(labels, tensors(loss)))
    np.testing.assert_allclose(actual, expected(), rtol=2e-5, atol=1e-6)
    weights = np.array([1, 0, 2, 0.5, 1, 1], "float32")
    reduced = loss(labels, tensors(loss), weights)
    np.testing.assert_allclose(
        to_numpy(reduced), (weights * expected()).mean(), rtol=2e-5
    )


@pytest.mark.parametrize("name", ATTACKS)
def test_what_the_attack_maximizes(name):
    loss = PUBLISHED[name][0]
    labels = ops.convert_to_tensor(LABELS, "float32")
    actual = to_numpy(loss.attacked(labels, tensors(loss, attack=True)))
    np.testing.assert_allclose(actual, ATTACKS[name](), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", PUBLISHED)
def test_config(name):
    loss = PUBLISHED[name][0]
    config = keras.saving.serialize_keras_object(loss)
    loaded = keras.saving.deserialize_keras_object(config)
    assert type(loaded) is type(loss)
    assert loaded.get_config() == loss.get_config()


def test_neighbors():
    x = ops.convert_to_tensor(networks.images_and_labels(4)[0])
    points = iter([x + 0.1, x - 0.1])
    first, second, between = (
        to_numpy(each)
        for each in kad.losses.ELLE().neighbors(x, x, lambda: next(points))
    )
    images = to_numpy(x)
    np.testing.assert_allclose(first - images, 0.1, atol=1e-6)
    np.testing.assert_allclose(second - images, -0.1, atol=1e-6)
    shares = np.array([0.125, 0.375, 0.625, 0.875])[:, None, None, None]
    expected = np.broadcast_to(0.1 - 0.2 * shares, images.shape)
    np.testing.assert_allclose(between - images, expected, atol=1e-6)
    (opposite,) = kad.losses.IGDM().neighbors(x, x + 0.1, None)
    np.testing.assert_allclose(to_numpy(opposite), images - 0.1, atol=1e-6)


def test_debiased_rectification():
    loss = kad.losses.DebiasedRectificationLoss()
    whole, rest, attacked = tensors(kad.losses.RSLAD())[:3]
    value = to_numpy(loss.call((whole, rest), attacked))
    np.testing.assert_allclose(value, kl(CLEAN - ATTACKED, TEACHER), rtol=2e-5)

    def of(changed, number):
        logits = [whole, rest, attacked]
        logits[number] = changed
        return ops.sum(loss.call((logits[0], logits[1]), logits[2]))

    values = [whole, rest, attacked]
    lengths = [
        np.abs(gradient(lambda z, i=i: of(z, i), values[i])).max()
        for i in range(3)
    ]
    # The rest is a constant.
    assert lengths[0] > 0.1 and lengths[1] == 0.0 and lengths[2] > 0.1


def test_smoothing_is_that_of_keras():
    labels = ops.convert_to_tensor(LABELS, "float32")
    logits = ops.convert_to_tensor(CLEAN, "float32")
    expected = keras.losses.categorical_crossentropy(
        labels, logits, from_logits=True, label_smoothing=0.3
    )
    actual = cross_entropy(labels, logits, 0.3)
    np.testing.assert_allclose(to_numpy(actual), to_numpy(expected), rtol=1e-5)


def test_mart_is_finite_where_the_model_is_sure_and_wrong():
    sure = ops.convert_to_tensor([[90.0, -90.0]])
    value = kad.losses.MART().call(
        ops.convert_to_tensor([[0.0, 1.0]]), [sure] * 2
    )
    expected = 180 - np.log(1e-4)
    np.testing.assert_allclose(to_numpy(value), [expected], rtol=1e-3)


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: kad.losses.TRADES(beta=-1.0), "`beta` should be"),
        (lambda: kad.losses.ARD(temperature=0.0), "`temperature` should be"),
        (lambda: kad.losses.RSLAD(clean_weight=1.5), "`clean_weight` should"),
        (
            lambda: kad.losses.RSLAD().teacher_logits(np.zeros((1, 8, 8, 3))),
            "no teacher: it is not saved",
        ),
    ],
)
def test_bad_input(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_a_teacher_is_run_in_inference_mode_and_left_alone():
    teacher = networks.stateful()
    before = [to_numpy(v) for v in teacher.variables]
    x = networks.images_and_labels(3)[0]
    logits = kad.losses.RSLAD(teacher).teacher_logits(ops.convert_to_tensor(x))
    expected = to_numpy(teacher(x, training=False))
    np.testing.assert_allclose(to_numpy(logits), expected, rtol=1e-5)
    for was, variable in zip(before, teacher.variables, strict=True):
        np.testing.assert_array_equal(was, to_numpy(variable))
