"""Training on a robust loss: what is minimized, attacked, saved, refused."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.losses import RSLAD
from keras_attn_defense.losses import TRADES
from keras_attn_defense.losses import AdversarialCrossentropy
from keras_attn_defense.models import RobustObjective
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import flat_weights
from tests.models.helpers import last
from tests.testing import to_numpy

X, Y = data(8)
NO_ATTENTION = {"rectification_weight": 0, "preservation_weight": 0}


def trained(base=None, *, x=X, y=Y, sample_weight=None, **kwargs):
    """A defended model after two steps, and its logs."""
    base = networks.functional() if base is None else base
    arguments = {"attack": kad.attacks.FGSM(0.05), "validation_attack": None}
    model = kad.AttentionDefendedModel(base, **{**arguments, **kwargs})
    model.compile(keras.optimizers.SGD(0.05))
    logs = model.fit(
        x, y, 4, sample_weight=sample_weight, shuffle=False, verbose=0
    )
    return model, last(logs)


def assert_same(run, other):
    (model, logs), (its, its_logs) = run, other
    assert logs == pytest.approx(its_logs, rel=1e-5)
    np.testing.assert_allclose(
        flat_weights(model.base), flat_weights(its.base), atol=1e-6
    )


def decaying():
    base = networks.functional()
    base.layers[1].kernel.regularizer = keras.regularizers.L2(0.1)
    return base


@pytest.mark.parametrize("terms", [{}, NO_ATTENTION])
def test_both_halves_as_a_robust_loss_are_the_default(terms):
    weights = np.linspace(0.1, 2, 8).astype("float32")
    default = trained(decaying(), sample_weight=weights, **terms)
    robust = trained(
        decaying(),
        sample_weight=weights,
        robust_loss=AdversarialCrossentropy(clean_weight=1.0),
        classification_weight=0.5,
        **terms,
    )
    assert_same(robust, default)


@pytest.mark.parametrize("ending", ["logit", "softmax"])
def test_labels_of_any_form(ending):
    loss = AdversarialCrossentropy(clean_weight=1.0)
    robust = {"robust_loss": loss, "classification_weight": 0.5}
    y = Y % 2 if ending == "logit" else np.eye(4, dtype="float32")[Y] * 0.7

    def run(**kwargs):
        base = networks.sequential(ending)
        labels = y if ending == "logit" else y + 0.075
        return trained(base, y=labels, **NO_ATTENTION, **kwargs)

    assert_same(run(**robust), run())


def test_what_is_minimized():
    model = kad.AttentionDefendedModel(
        networks.functional(), robust_loss=TRADES(beta=2.0), **NO_ATTENTION
    )
    model.compile(keras.optimizers.SGD(0.0))
    state = model.attack.seed_generator.state
    start = to_numpy(state)
    x_adv = model.craft(X, Y)
    state.assign(start)
    clean, adversarial = (model.classifier.logits(x) for x in (X, x_adv))
    labels = ops.one_hot(Y, networks.NUM_CLASSES)
    expected = model.robust_loss(labels, (clean, adversarial))
    logs = last(model.fit(X, Y, batch_size=8, shuffle=False, verbose=0))
    assert logs["loss"] == pytest.approx(float(to_numpy(expected)), rel=1e-4)
    assert logs["classification_loss"] == pytest.approx(logs["loss"])


def test_the_attack_maximizes_what_the_loss_says():
    attack = kad.attacks.PGD(steps=3, seed=1, objective="kl_divergence")
    expected = to_numpy(attack(networks.functional(), X, Y))
    for loss in (TRADES(), RSLAD(networks.functional())):
        same = kad.attacks.PGD(steps=3, seed=1, objective=RobustObjective(loss))
        x_adv = to_numpy(same(networks.functional(), X, Y))
        # The teacher of RSLAD is the model itself.
        np.testing.assert_allclose(x_adv, expected, atol=1e-6)


def test_only_an_attack_that_nobody_gave_follows_the_loss():
    model = kad.AttentionDefendedModel(networks.functional())
    assert isinstance(
        model.attack.objective, kad.attacks.objectives.CrossEntropy
    )
    model.attack.epsilon = 0.02
    model.robust_loss = TRADES()
    assert model.attack.objective.loss is model.robust_loss
    assert model.attack.epsilon == 0.02
    model.robust_loss = None
    assert not isinstance(model.attack.objective, RobustObjective)

    given = kad.attacks.PGD(steps=2)
    model = kad.AttentionDefendedModel(
        networks.functional(), given, robust_loss=TRADES()
    )
    assert not isinstance(given.objective, RobustObjective)
    assert model.classification_weight == 1.0


def test_a_loss_set_between_two_fits_is_obeyed():
    model, _ = trained(**NO_ATTENTION)
    start = networks.functional().get_weights()
    model.base.set_weights(start)
    model.robust_loss = TRADES(beta=1.0)
    model.classification_weight = 1.0
    logs = last(model.fit(X, Y, 4, shuffle=False, verbose=0))
    expected = trained(robust_loss=TRADES(beta=1.0), **NO_ATTENTION)
    assert_same((model, logs), expected)


def test_attention_losses_come_on_top():
    _, logs = trained(robust_loss=TRADES(), preservation_weight=0.5)
    parts = (
        logs["classification_loss"]
        + 0.25 * logs["rectification_loss"]
        + 0.5 * logs["preservation_loss"]
    )
    assert logs["loss"] == pytest.approx(parts, rel=1e-4)


def test_saved_and_loaded(tmp_path):
    model = kad.AttentionDefendedModel(
        networks.functional(), robust_loss=TRADES(beta=3.0)
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.robust_loss.beta == 3.0
    assert loaded.attack.objective.loss is loaded.robust_loss
    assert loaded.classification_weight == 1.0


def test_a_teacher_is_neither_trained_nor_saved(tmp_path):
    teacher = networks.functional(seed=4)
    before = flat_weights(teacher)
    model, _ = trained(attack=None, robust_loss=RSLAD(teacher), **NO_ATTENTION)
    np.testing.assert_array_equal(flat_weights(teacher), before)
    plain, _ = trained(attack=None)
    assert model.count_params() == plain.count_params()

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="no teacher: it is not saved"):
        loaded.fit(X, Y, verbose=0)
    loaded.robust_loss = RSLAD(teacher)
    assert loaded.attack.objective.loss.teacher is teacher
    loaded.fit(X, Y, verbose=0)


def test_a_teacher_that_has_changed_is_obeyed():
    teacher = networks.functional(seed=4, scale=3.0)
    still = kad.attacks.FGSM(0.0)

    def loss(model):
        logs = model.fit(X, Y, 8, shuffle=False, verbose=0)
        return last(logs)["loss"]

    model, _ = trained(attack=still, robust_loss=RSLAD(teacher), **NO_ATTENTION)
    model.compile(keras.optimizers.SGD(0.0))
    before = loss(model)
    teacher.set_weights(networks.functional(seed=9, scale=3.0).get_weights())
    logits = [to_numpy(m(X)) for m in (model.base, teacher)]
    student, teaching = (to_numpy(ops.log_softmax(z)) for z in logits)
    expected = (np.exp(teaching) * (teaching - student)).sum(-1).mean()
    assert loss(model) == pytest.approx(expected, rel=1e-4)
    assert before != pytest.approx(expected, rel=1e-2)


def test_a_student_learns_from_a_teacher():
    teacher = networks.functional(scale=3.0, seed=4)
    x = networks.images_and_labels(32)[0]
    y = to_numpy(teacher(x)).argmax(-1)
    model = kad.AttentionDefendedModel(
        networks.functional(),
        kad.attacks.FGSM(0.01),
        robust_loss=RSLAD(teacher),
        validation_attack=None,
        **NO_ATTENTION,
    )
    model.compile(keras.optimizers.Adam(0.02))
    # Labels are not used: wrong ones do no harm.
    losses = model.fit(x, (y + 1) % 4, 32, 25, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    "loss, match",
    [
        ("trades", "should be a `kad.losses.RobustLoss`"),
        (keras.losses.CategoricalCrossentropy(), "`kad.losses.RobustLoss`"),
        (RSLAD(networks.linear(classes=3)), "has num_classes=3, the model 4"),
    ],
)
def test_bad_input(loss, match):
    with pytest.raises(ValueError, match=match):
        kad.AttentionDefendedModel(networks.functional(), robust_loss=loss)


@pytest.mark.parametrize(
    "name, loss",
    [
        ("madry", kad.losses.AdversarialCrossentropy),
        ("trades", kad.losses.TRADES),
        ("trades-awp", kad.losses.TRADES),
        ("mart", kad.losses.MART),
        ("alp", kad.losses.LogitPairing),
        ("score", kad.losses.SCORE),
        ("ard", kad.losses.ARD),
        ("rslad", kad.losses.RSLAD),
        ("ensemble", type(None)),
        ("fgsm-rs", kad.losses.AdversarialCrossentropy),
        ("n-fgsm", kad.losses.AdversarialCrossentropy),
        ("grad-align", kad.losses.AdversarialCrossentropy),
    ],
)
def test_presets(name, loss):
    other = networks.functional(seed=4)
    others = {"ensemble": {"sources": [other]}}
    others |= dict.fromkeys(("ard", "rslad"), {"teacher": other})
    model = kad.AttentionDefendedModel.from_preset(
        name, networks.functional(), value_range=(-1, 1), **others.get(name, {})
    )
    assert type(model.robust_loss) is loss
    assert model.attack.epsilon == pytest.approx(16 / 255)
    assert model.uses_attention == (name == "grad-align")
    assert model.classification_weight == (0.5 if name == "ensemble" else 1.0)
    if model.robust_loss and name not in ("fgsm-rs", "n-fgsm", "grad-align"):
        assert model.attack.steps == 10
        assert model.attack.objective.loss is model.robust_loss
        near = name in ("trades", "trades-awp", "mart", "rslad")
        assert model.attack.random_start == (0.002 if near else True)


def test_a_preset_trains():
    model = kad.AttentionDefendedModel.from_preset(
        "n-fgsm", networks.functional(), validation_attack=None
    )
    logs = last(model.fit(X, Y, verbose=0))
    assert set(logs) >= {"classification_loss", "robust_accuracy"}
    assert logs["loss"] == pytest.approx(logs["classification_loss"])


@pytest.mark.parametrize(
    "name, others, match",
    [
        ("rslad", {}, "'rslad' needs `teacher`, which is for .*'ard', 'rslad'"),
        ("trades", {"teacher": networks.linear()}, "'trades' has no `teacher`"),
        ("ensemble", {}, "'ensemble' needs `sources`"),
        ("ard", {"sources": [networks.linear()]}, "'ard' (needs|has no)"),
    ],
)
def test_presets_and_other_models(name, others, match):
    with pytest.raises(ValueError, match=match):
        kad.AttentionDefendedModel.from_preset(
            name, networks.functional(), **others
        )


def test_the_weight_follows_a_new_loss_unless_it_was_given():
    for given, expected in [(None, [1.0, 0.5]), (0.5, [0.5, 0.5])]:
        model = kad.AttentionDefendedModel(
            networks.functional(), classification_weight=given
        )
        weights = []
        for loss in (TRADES(), None):
            model.robust_loss = loss
            weights.append(model.classification_weight)
        assert weights == expected


class ReadsBoth(AdversarialCrossentropy):
    """Madry's loss, for which clean images run through the network too."""

    reads_clean = True


@pytest.mark.parametrize("weights", [None, np.linspace(0.1, 2, 8)])
def test_clean_images_are_left_out_where_no_loss_reads_them(weights):
    def run(loss):
        return trained(
            decaying(), sample_weight=weights, robust_loss=loss, **NO_ATTENTION
        )

    both, alone = run(ReadsBoth()), run(AdversarialCrossentropy())
    # Metrics are those of clean images, which validation goes on to measure.
    both[1].pop("accuracy", None)
    assert_same(alone, both)
    assert set(alone[1]) == {"loss", "classification_loss", "robust_accuracy"}


@pytest.mark.parametrize(
    "pair, alone", [("adversarial", False), ("noise", True)]
)
def test_attention_losses_have_the_images_that_they_compare(pair, alone):
    def run(loss):
        return trained(
            robust_loss=loss,
            rectification_weight=0,
            preservation_weight=5.0,
            preservation_pair=pair,
            attack=kad.attacks.FGSM(0.05, seed=1),
        )

    both, madry = run(ReadsBoth()), run(AdversarialCrossentropy())
    assert madry[0].needs_clean is not alone
    assert madry[1]["preservation_loss"] > 0
    if alone:
        assert "accuracy" not in madry[1]
        both[1].pop("accuracy", None)
    assert_same(madry, both)


def test_validation_sees_clean_images_all_the_same():
    model = kad.AttentionDefendedModel(
        networks.functional(),
        kad.attacks.FGSM(0.05),
        robust_loss=AdversarialCrossentropy(),
        **NO_ATTENTION,
    )
    model.compile("sgd", metrics=["accuracy"])
    logs = last(model.fit(X, Y, validation_data=(X, Y), verbose=0))
    assert "accuracy" not in logs
    predicted = to_numpy(model.base(X)).argmax(-1)
    assert logs["val_accuracy"] == pytest.approx((predicted == Y).mean())
    # A loss that reads them brings them back.
    model.robust_loss = TRADES()
    assert "accuracy" in last(model.fit(X, Y, verbose=0))


def test_statistics_are_those_of_adversarial_images_alone():
    base = keras.Sequential(
        [
            keras.Input(networks.IMAGE_SHAPE),
            keras.layers.BatchNormalization(momentum=0.0),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4),
        ]
    )
    model = kad.AttentionDefendedModel(
        base,
        kad.attacks.FGSM(0.3),
        robust_loss=AdversarialCrossentropy(),
        **NO_ATTENTION,
    )
    model.compile(keras.optimizers.SGD(0.0))
    x_adv = to_numpy(model.craft(X, Y))
    model.fit(X, Y, batch_size=8, verbose=0)
    statistics = to_numpy(base.layers[0].moving_mean)
    np.testing.assert_allclose(statistics, x_adv.mean((0, 1, 2)), rtol=1e-4)
    assert abs(statistics - X.mean((0, 1, 2))).max() > 1e-3


@pytest.mark.backend("torch")
def test_steps_of_trades_are_those_of_plain_pytorch():
    import torch
    from torch.nn import functional

    model, _ = trained(robust_loss=TRADES(beta=6.0), **NO_ATTENTION)

    base = networks.functional()
    before = flat_weights(base)
    weights = [weight.value for weight in base.trainable_variables]
    optimizer = torch.optim.SGD(weights, 0.05)
    for first in (0, 4):
        x = torch.tensor(X[first : first + 4], requires_grad=True)
        y = torch.tensor(Y[first : first + 4]).long()
        (gradient,) = torch.autograd.grad(
            functional.cross_entropy(base(x), y), x
        )
        x_adv = torch.clamp(x + 0.05 * gradient.sign(), 0, 1).detach()
        clean, adversarial = base(x.detach()), base(x_adv)
        divergence = functional.kl_div(
            functional.log_softmax(adversarial, 1),
            functional.softmax(clean, 1),
            reduction="batchmean",
        )
        optimizer.zero_grad()
        (functional.cross_entropy(clean, y) + 6.0 * divergence).backward()
        optimizer.step()
    np.testing.assert_allclose(
        flat_weights(model.base), flat_weights(base), atol=1e-6
    )
    assert np.abs(flat_weights(base) - before).max() > 1e-3
