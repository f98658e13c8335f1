"""When terms of the loss are computed, and what they compare."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.attacks.engine.task import Task
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import flat_weights
from tests.models.helpers import last
from tests.testing import cross_entropy
from tests.testing import few_everywhere
from tests.testing import to_numpy

X, Y = data(8)
NO_ATTENTION = {"rectification_weight": 0, "preservation_weight": 0}
ATTENTION = {"rectification_weight": 2.0, "preservation_weight": 0.5}


def defended(base=None, *, rate=0.1, **kwargs):
    """A model with maps that are nowhere zero, and its steps plain."""
    model = kad.AttentionDefendedModel(
        networks.functional(scale=2.0) if base is None else base,
        **{
            "attack": kad.attacks.FGSM(0.05),
            "attention": kad.attention.GradCAM(normalization="softmax"),
            "validation_attack": None,
            **kwargs,
        },
    )
    model.compile(keras.optimizers.SGD(rate))
    return model


def softmax(z):
    powers = np.exp(z - z.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def kl(z, other):
    p, q = softmax(z), softmax(other)
    return (p * np.log(p / q)).sum(-1)


# Attention losses in some of the steps.


@pytest.mark.parametrize("pair", few_everywhere(["noise", "adversarial"], 1))
def test_attention_losses_of_every_other_step(pair):
    def make(**kwargs):
        attack = kad.attacks.FGSM(0.05, seed=3)  # Its own, and its own noise.
        return defended(attack=attack, preservation_pair=pair, **kwargs)

    model = make(**ATTENTION, attention_every=2)
    logs = last(model.fit(X, Y, 4, shuffle=False, verbose=0))

    # By hand: twice the weight in the first step, none in the second.
    other = make(**{k: 2 * v for k, v in ATTENTION.items()})
    by_hand = other.train_on_batch(X[:4], Y[:4], return_dict=True)
    other.rectification_weight = other.preservation_weight = 0.0
    other.train_on_batch(X[4:], Y[4:])

    np.testing.assert_allclose(
        flat_weights(model.base), flat_weights(other.base), atol=1e-6
    )
    for name in ("rectification_loss", "preservation_loss"):
        assert logs[name] == pytest.approx(float(by_hand[name]), rel=1e-4)
        assert abs(logs[name]) > 1e-7
    assert "steps" not in logs


@pytest.mark.backend("tensorflow", "jax")
def test_several_steps_in_one_execution():
    def run(steps):
        model = defended(**ATTENTION, attention_every=3)
        model.compile(keras.optimizers.SGD(0.1), steps_per_execution=steps)
        model.fit(X, Y, 2, shuffle=False, verbose=0)
        return flat_weights(model.base)

    np.testing.assert_allclose(run(1), run(2), atol=1e-6)


@pytest.mark.once
def test_an_evaluation_has_them_in_each_batch():
    attack = kad.attacks.FGSM(0.05)
    logs = [
        defended(
            **ATTENTION, attention_every=every, validation_attack=attack
        ).evaluate(X, Y, 2, return_dict=True, verbose=0)
        for every in (1, 3)
    ]
    assert logs[0] == pytest.approx(logs[1], rel=1e-5)
    assert logs[0]["rectification_loss"] < -1e-7


# What batch normalization sees.


def normalized():
    layers = [
        keras.Input(networks.IMAGE_SHAPE),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Flatten(),
        keras.layers.Dense(4),
    ]
    return networks.set_weights(keras.Sequential(layers), seed=3, scale=0.3)


@pytest.mark.parametrize(
    "kind", few_everywhere(["adversarial", "apart", "mixed"], 1)
)
def test_statistics(kind):
    model = defended(
        normalized(),
        rate=0.0,
        attack=kad.attacks.FGSM(0.3),
        batch_statistics=kind,
        **NO_ATTENTION,
    )
    norm = model.base.get_layer("norm")
    start = to_numpy(norm.moving_mean)
    x_adv = to_numpy(model.craft(X, Y))
    logs = last(model.fit(X, Y, 8, shuffle=False, verbose=0))

    clean_mean, mean = (x.mean((0, 1, 2)) for x in (X, x_adv))
    expected = {
        "mixed": 0.99 * start + 0.01 * (clean_mean + mean) / 2,
        "apart": 0.99 * (0.99 * start + 0.01 * clean_mean) + 0.01 * mean,
        "adversarial": 0.99 * start + 0.01 * mean,
    }[kind]
    np.testing.assert_allclose(
        to_numpy(norm.moving_mean), expected, rtol=1e-5, atol=1e-6
    )

    def logits(*batches):
        x = np.concatenate(batches).astype("float64")
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        x = (x - mean) / np.sqrt(variance + 1e-3)
        gamma, beta = to_numpy(norm.gamma), to_numpy(norm.beta)
        kernel, bias = (to_numpy(w) for w in model.base.layers[-1].weights)
        return (gamma * x + beta).reshape(len(x), -1) @ kernel + bias

    both = logits(X, x_adv)
    if kind != "mixed":
        both = np.concatenate([logits(X), logits(x_adv)])
    loss = cross_entropy(both, np.tile(Y, 2)).mean()
    assert logs["loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("score", few_everywhere(["margin", "logit"], 1))
def test_halves_by_themselves_have_the_same_maps(score):
    def run(kind):
        maps = kad.attention.HiResCAM(normalization="signed", score=score)
        model = defended(attention=maps, batch_statistics=kind, **ATTENTION)
        logs = last(model.fit(X, Y, 4, shuffle=False, verbose=0))
        return logs, flat_weights(model.base)

    (logs, weights), (its_logs, its_weights) = run("mixed"), run("apart")
    assert logs == pytest.approx(its_logs, rel=1e-4)
    np.testing.assert_allclose(weights, its_weights, atol=1e-6)


# Further images, and the maps of a teacher.


def test_linearity_between_random_points():
    model = defended(
        attack=kad.attacks.FGSM(0.1, seed=2),
        rate=0.0,
        robust_loss=kad.losses.ELLE(100.0),
        **NO_ATTENTION,
    )
    seed = model.attack.seed_generator.state
    start = to_numpy(seed)
    first, second = (
        to_numpy(model._noisy(ops.convert_to_tensor(X))) for _ in range(2)
    )
    seed.assign(start)
    x_adv = to_numpy(model.craft(X, Y))
    seed.assign(start)
    logs = last(model.fit(X, Y, 8, shuffle=False, verbose=0))

    share = (np.arange(8) + 0.5) / 8
    between = first + share[:, None, None, None] * (second - first)
    values = [
        cross_entropy(to_numpy(model.base(x.astype("float32"))), Y)
        for x in (first, second, between, x_adv)
    ]
    error = values[2] - (1 - share) * values[0] - share * values[1]
    assert (100 * error**2).mean() > 1e-4
    expected = (values[3] + 100 * error**2).mean()
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    assert not np.allclose(first, second)


def test_changes_along_the_attack_are_taught():
    teacher = networks.stateful()
    model = defended(
        rate=0.0, robust_loss=kad.losses.IGDM(teacher, 5.0), **NO_ATTENTION
    )
    x_adv = to_numpy(model.craft(X, Y))
    logs = last(model.fit(X, Y, 8, shuffle=False, verbose=0))

    images = [X, x_adv, 2 * X - x_adv]
    clean, attacked, opposite = (to_numpy(model.base(x)) for x in images)
    its, its_attacked, its_opposite = (to_numpy(teacher(x)) for x in images)
    soft = 5 / 6 * kl(its, attacked) + 1 / 6 * kl(its, clean)
    change = kl(its_attacked - its_opposite, attacked - opposite)
    assert change.mean() > 1e-4
    assert logs["loss"] == pytest.approx((soft + 5 * change).mean(), rel=1e-4)


@pytest.mark.parametrize("score", few_everywhere(["margin", "logit"], 1))
def test_maps_of_a_teacher(score):
    # Its maps are of another size, and its strongest other class may differ.
    teacher = networks.residual()
    before = [to_numpy(v) for v in teacher.variables]
    maps = kad.attention.HiResCAM(normalization="signed", score=score)
    loss = kad.losses.PreservationLoss("l1")
    model = defended(
        rate=0.0,
        attention=maps,
        robust_loss=kad.losses.RSLAD(teacher),
        rectification_weight=0,
        preservation_weight=1.0,
        preservation_loss=loss,
        preservation_pair="teacher",
    )
    x_adv = to_numpy(model.craft(X, Y))
    logs = last(model.fit(X, Y, 8, shuffle=False, verbose=0))

    clean = to_numpy(model.base(X)).copy()
    clean[np.arange(8), Y] = -np.inf
    other = clean.argmax(-1)

    def signed(network, label):
        logit = kad.attention.HiResCAM(normalization="signed")
        with keras.StatelessScope():
            return to_numpy(logit.explain(Classifier(network), x_adv, label)[1])

    def explained(network):
        found = signed(network, Y)
        # Both are linear in the gradient: the map of a difference is the
        # difference of the maps.
        return found - signed(network, other) if score == "margin" else found

    own, its = explained(model.base), explained(teacher)
    assert own.shape != its.shape
    its = to_numpy(
        ops.image.resize(
            its[..., None], own.shape[1:], data_format="channels_last"
        )
    )[..., 0]
    expected = np.abs(own - its).sum((1, 2)).mean()
    assert expected > 1e-3
    assert logs["preservation_loss"] == pytest.approx(expected, rel=1e-3)
    # The attack that knows the defense climbs the same.
    x, labels, attacked = map(ops.convert_to_tensor, (X, Y, x_adv))
    objective, victim = model.adaptive_objective, Classifier(model.base)
    reference = objective.reference(Task(victim, x, labels, 0.1, (0.0, 1.0)))
    values = to_numpy(
        objective.call_on_images(victim, attacked, labels, reference)[0]
    )
    alone = model.classification_weight * cross_entropy(
        to_numpy(model.base(x_adv)), Y
    )
    distance = np.abs(own - its).sum((1, 2))
    np.testing.assert_allclose(values, alone + distance, rtol=1e-3)
    assert objective.passes == (2, 2)
    for was, variable in zip(before, teacher.variables, strict=True):
        np.testing.assert_array_equal(was, to_numpy(variable))


def test_debiased_rectification():
    model = defended(
        rate=0.0,
        rectification_loss=kad.losses.DebiasedRectificationLoss(),
        rectification_weight=1.0,
        preservation_weight=0,
    )
    x_adv = to_numpy(model.craft(X, Y))
    logs = last(model.fit(X, Y, 8, shuffle=False, verbose=0))

    maps = model.attention.explain(Classifier(model.base), X, Y)[1]
    masked = to_numpy(model.mask(ops.convert_to_tensor(X), maps))
    clean, rest, attacked = (
        to_numpy(model.base(x)) for x in (X, masked, x_adv)
    )
    distance = kl(clean - rest, attacked)
    assert logs["rectification_loss"] == pytest.approx(
        distance.mean(), rel=1e-4
    )
    # The attack that knows the defense climbs the same.
    plain = defended(**NO_ATTENTION, classification_weight=0.5)
    target = tuple(map(ops.convert_to_tensor, (clean, rest)))
    values = [
        to_numpy(
            each.adaptive_objective.call_on_images(
                Classifier(model.base),
                ops.convert_to_tensor(x_adv),
                ops.convert_to_tensor(Y),
                {"target": target, "maps": maps, "logits": target[0]},
            )[0]
        )
        for each in (model, plain)
    ]
    np.testing.assert_allclose(values[0] - values[1], distance, rtol=1e-3)


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"attention_every": 0}, "`attention_every` should be"),
        ({"batch_statistics": "both"}, "one of .*'mixed', 'apart'"),
        ({"preservation_pair": "teacher"}, "Give one, as in robust_loss="),
    ],
)
def test_bad_input(arguments, match):
    with pytest.raises(ValueError, match=match):
        defended(**arguments)


@pytest.mark.once
def test_saved_and_loaded(tmp_path):
    model = defended(
        attention_every=3,
        batch_statistics="apart",
        robust_loss=kad.losses.ELLE(7.0),
        rectification_loss=kad.losses.DebiasedRectificationLoss(),
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.attention_every == 3
    assert loaded.batch_statistics == "apart"
    assert loaded.robust_loss.weight == 7.0
    runs = [m.fit(X, Y, 4, shuffle=False, verbose=0) for m in (model, loaded)]
    assert last(runs[0]) == pytest.approx(last(runs[1]), rel=1e-4)
