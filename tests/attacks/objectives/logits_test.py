"""Tests of what attacks maximize, as functions of the logits."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import objectives
from keras_attn_defense.attacks.engine.task import Task
from keras_attn_defense.attacks.objectives.targeted import ranked_target
from keras_attn_defense.classifier import as_classifier
from tests import networks
from tests.testing import cross_entropy
from tests.testing import gradient
from tests.testing import run_config_test
from tests.testing import to_numpy

LOGITS = np.random.default_rng(0).normal(size=(5, 4)).astype("float32") * 3
LABELS = np.array([0, 3, 1, 2, 2], "int32")
LABELS[:2] = LOGITS.argmax(-1)[:2]
TARGETS = (LABELS + np.array([1, 2, 3, 1, 2], "int32")) % 4
NAMES = [
    "cross_entropy",
    "margin",
    "dlr",
    "kl_divergence",
    "targeted_dlr",
    "targeted_margin",
    "attention_deviation",
    "defense",
]


def called(function, *args):
    tensors = [ops.convert_to_tensor(value) for value in args]
    return to_numpy(function(*tensors))


def others():
    masked = LOGITS.copy()
    masked[np.arange(5), LABELS] = -np.inf
    return masked


def own(classes=LABELS):
    return LOGITS[np.arange(5), classes]


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy(label_smoothing):
    actual = objectives.cross_entropy(
        ops.convert_to_tensor(LOGITS),
        ops.convert_to_tensor(LABELS),
        label_smoothing,
    )

    expected = cross_entropy(LOGITS, LABELS, label_smoothing)
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=1e-5)


def test_margin():
    actual = called(objectives.margin, LOGITS, LABELS)

    np.testing.assert_allclose(actual, others().max(-1) - own(), rtol=1e-5)
    wrong = LOGITS.argmax(-1) != LABELS
    np.testing.assert_array_equal(actual > 0, wrong)
    assert wrong.any() and not wrong.all()


def test_dlr():
    ranked = -np.sort(-LOGITS, axis=-1)
    expected = (others().max(-1) - own()) / (ranked[:, 0] - ranked[:, 2])

    actual = called(objectives.dlr, LOGITS, LABELS)

    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    # Neither shift nor scale of the logits matters.
    again = called(objectives.dlr, 7.0 * LOGITS + 3.0, LABELS)
    np.testing.assert_allclose(again, expected, rtol=1e-4)


def test_targeted_dlr():
    ranked = -np.sort(-LOGITS, axis=-1)
    spread = ranked[:, 0] - (ranked[:, 2] + ranked[:, 3]) / 2
    expected = (own(TARGETS) - own()) / spread

    actual = called(objectives.targeted_dlr, LOGITS, LABELS, TARGETS)

    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_targets_are_the_wrong_classes_in_order():
    order = np.argsort(-others(), axis=-1)

    for rank in range(3):
        actual = called(
            lambda z, y, rank=rank: ranked_target(z, y, rank), LOGITS, LABELS
        )
        np.testing.assert_array_equal(actual, order[:, rank])
    ranks = np.array([2, 0, 1, 1, 0], "int32")
    np.testing.assert_array_equal(
        called(ranked_target, LOGITS, LABELS, ranks),
        order[np.arange(5), ranks],
    )


def test_runs_go_through_the_targets_and_restarts_through_them_again():
    model = networks.sequential()
    x, _ = networks.images_and_labels(5)
    batch = [ops.convert_to_tensor(values) for values in (x, LABELS)]
    run = ops.convert_to_tensor(np.array([0, 1, 2, 3, 1], "int32"))
    task = Task(as_classifier(model), *batch, 0.1, (0, 1), run=run)

    targets = objectives.TargetedMargin(2).reference(task)["targets"]

    logits = to_numpy(model(x))
    logits[np.arange(5), LABELS] = -np.inf
    order = np.argsort(-logits, axis=-1)
    expected = order[np.arange(5), [0, 1, 0, 1, 1]]
    np.testing.assert_array_equal(to_numpy(targets), expected)


def test_kl_divergence_from_the_clean_prediction():
    model = networks.sequential()
    x, y = networks.images_and_labels(5)
    task = Task(as_classifier(model), ops.convert_to_tensor(x), y, 0.1, (0, 1))
    objective = objectives.KLDivergence()
    reference = objective.reference(task)

    values = objective.call(ops.convert_to_tensor(LOGITS), None, reference)

    clean = np.exp(-cross_entropy_of_all(to_numpy(model(x))))
    expected = (clean * (np.log(clean) + cross_entropy_of_all(LOGITS))).sum(-1)
    np.testing.assert_allclose(to_numpy(values), expected, rtol=1e-4)
    same = objective.call(model(x), None, reference)
    np.testing.assert_allclose(to_numpy(same), 0.0, atol=1e-6)


def cross_entropy_of_all(logits):
    labels = range(logits.shape[-1])
    columns = [cross_entropy(logits, np.full(5, label)) for label in labels]
    return np.stack(columns, -1)


def test_extreme_logits():
    labels = ops.convert_to_tensor(LABELS)
    logits = 1e4 * LOGITS

    (slope,) = gradient(
        lambda z: ops.sum(objectives.cross_entropy(z, labels)), logits
    )
    values = objectives.cross_entropy(ops.convert_to_tensor(logits), labels)
    assert np.isfinite(to_numpy(values)).all()
    assert np.isfinite(slope).all() and abs(slope).max() > 0.5


@pytest.mark.parametrize("name", ["margin", "dlr"])
def test_gradients_where_cross_entropy_has_none(name):
    model = networks.sharpened(networks.sequential(), 3000.0)
    x, _ = networks.images_and_labels(4)
    labels = ops.convert_to_tensor(to_numpy(model(x)).argmax(-1))
    victim, x = as_classifier(model), ops.convert_to_tensor(x)

    def largest(objective):
        objective = objectives.get(objective)
        gradient = objective.value_and_gradient(victim, x, labels, {})[1]
        return abs(to_numpy(gradient)).max((1, 2, 3))

    assert (largest("cross_entropy") == 0).any()
    assert (largest(name) > 1e-4).all()


@pytest.mark.parametrize("name", NAMES)
def test_by_name_and_through_its_config(name):
    objective = objectives.get(name)

    assert objectives.serialize(objective) == name
    serialized = keras.saving.serialize_keras_object(objective)
    loaded = objectives.get(serialized)
    assert type(loaded) is type(objective)
    run_config_test(PGD(objective=name))


def test_own_arguments_survive_the_config():
    attack = run_config_test(PGD(objective=objectives.TargetedDLR(3)))

    assert attack.objective.num_targets == 3


def test_any_function():
    model = networks.sequential()
    x, y = networks.images_and_labels()

    def first_logit(logits, labels):
        return logits[:, 0]

    actual = PGD(0.1, steps=2, random_start=False, objective=first_logit)
    x_adv = to_numpy(actual(model, x, y))

    assert (to_numpy(model(x_adv))[:, 0] > to_numpy(model(x))[:, 0]).all()


@pytest.mark.parametrize(
    "inner", ["defense", objectives.ExpectationOverTransformation()]
)
def test_attention_deviation_adds_to_functions_of_logits(inner):
    # Of the others, part would silently be left out.
    with pytest.raises(ValueError, match="AttentionDeviation needs.*'margin'"):
        objectives.AttentionDeviation(objective=inner)


def test_unknown_objective():
    with pytest.raises(ValueError, match="cross_entropy.*'none-such'"):
        PGD(objective="none-such")
    with pytest.raises(ValueError, match="part of the cross-entropy"):
        PGD(objective="margin", label_smoothing=0.1)


@pytest.mark.parametrize(
    "objective, classes", [("dlr", 3), ("targeted_dlr", 4)]
)
def test_too_few_classes(objective, classes):
    model = networks.sequential("logit")
    x, y = networks.images_and_labels()

    match = f"at least {classes} classes; the model has 2"
    with pytest.raises(ValueError, match=match):
        PGD(objective=objective)(model, x, y % 2)


def test_defense_needs_a_defended_model():
    x, y = networks.images_and_labels()

    with pytest.raises(ValueError, match="AttentionDefendedModel"):
        PGD(objective="defense")(networks.sequential(), x, y)


def test_attention_needs_layers():
    model = networks.sequential()
    x, y = networks.images_and_labels()

    with pytest.raises(ValueError, match="Pass the Keras model itself"):
        PGD(objective="attention_deviation")(lambda x: model(x), x, y)
