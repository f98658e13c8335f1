"""Evaluations: what holds of a report, whatever the data."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_attn_defense as kad
from keras_attn_defense import attacks
from keras_attn_defense.evaluation.card import outcomes
from tests.properties import strategies
from tests.properties.strategies import SHAPE
from tests.properties.strategies import examples
from tests.testing import assert_same_state
from tests.testing import state
from tests.testing import to_numpy

NUM = 5
NORMS = strategies.chosen(["linf", "l2", "l1"], ["linf"])
NAMES = strategies.chosen(["fgsm", "pgd", "apgd"], ["fgsm", "pgd"])
_built = {}


def suite(norm):
    """Attacks that all examples share, so that they are compiled once."""
    if norm not in _built:
        _built[norm] = {
            "fgsm": attacks.FGSM(norm=norm),
            "pgd": attacks.PGD(norm=norm, steps=2, restarts=2),
            "apgd": attacks.APGD(norm=norm, steps=4),
        }
    return _built[norm]


def evaluated(x, y=None, names=("fgsm", "pgd"), norm="linf", **arguments):
    """A report on the shared network, by shared attacks."""
    defaults = {"batch_size": 4, "checks": False, "verbose": 0}
    return kad.evaluate_robustness(
        strategies.network(),
        x,
        y,
        attacks={name: suite(norm)[name] for name in names},
        norm=norm,
        **{**defaults, **arguments},
    )


@st.composite
def data_sets(draw, norm="linf"):
    """Images, labels of which many are right, and ascending radii."""
    x = draw(strategies.images(NUM))
    predicted = to_numpy(strategies.network()(x)).argmax(-1)
    wrong = draw(st.lists(st.booleans(), min_size=NUM, max_size=NUM))
    y = np.where(wrong, (predicted + 1) % strategies.CLASSES, predicted)
    usual = {"linf": 8 / 255, "l2": 0.5, "l1": 3.0}[norm]
    radii = st.floats(0.1, 12.0).map(lambda share: share * usual)
    epsilons = sorted({draw(radii), draw(radii)})
    return (*strategies.frozen(x, y.astype("int32")), epsilons)


def same(first, second, order=slice(None), **close):
    """Reports say the same of each image."""
    first, second = first.per_sample, second.per_sample
    assert first.keys() == second.keys()
    for name, values in first.items():
        if name != "index":
            np.testing.assert_allclose(
                second[name], values[order], err_msg=name, **close
            )


@pytest.mark.parametrize("norm", NORMS)
@examples(3)
@given(data=st.data())
def test_what_a_report_says_fits_together(norm, data, tmp_path_factory):
    suite(norm)  # Before anything is drawn, as Keras draws seeds.
    x, y, epsilons = data.draw(data_sets(norm))
    before = state(strategies.network())

    report = evaluated(x, y, NAMES, norm, epsilons=epsilons, keep_images=True)

    assert_same_state(before, state(strategies.network()))
    samples = report.per_sample
    right = samples["prediction"] == y
    np.testing.assert_array_equal(samples["label"], y)
    np.testing.assert_array_equal(samples["index"], np.arange(NUM))
    assert report.clean_accuracy == right.mean()
    standing = right
    for epsilon in epsilons:
        label = report.threat_model.label(epsilon)
        fallen = [samples[f"{name}_success@{label}"] for name in NAMES]
        robust = samples[f"robust@{label}"]
        # A larger radius leaves no more images, and no attack more than all.
        np.testing.assert_array_equal(robust, ~np.any(fallen, axis=0))
        assert not (robust & ~standing).any()
        standing = robust
        assert report.robust_accuracy[epsilon] == robust.mean()
        low, high = report.robust_interval[epsilon]
        assert 0 <= low <= robust.mean() <= high <= 1
        for name, fell in zip(NAMES, fallen, strict=True):
            distance = np.nan_to_num(samples[f"{name}_distance"], nan=np.inf)
            np.testing.assert_array_equal(fell, distance <= epsilon)
            np.testing.assert_array_equal(distance == 0, ~right)
            tried = report.images[f"{name}@{label}"]
            moved = report.threat_model.distances(tried, x)
            assert (moved <= epsilon).all() and tried.min() >= 0
    _assert_card(report, tmp_path_factory.mktemp("cards") / "card.json")


def _assert_card(report, path):
    report.save(path)
    card = kad.evaluation.load_card(path)
    assert card == report.to_dict()
    samples = report.per_sample
    masks = outcomes(card)
    right = samples["prediction"] == samples["label"]
    np.testing.assert_array_equal(masks[0.0], right)
    for epsilon in report.threat_model.epsilons:
        robust = samples[f"robust@{report.threat_model.label(epsilon)}"]
        np.testing.assert_array_equal(masks[epsilon], robust)
    pairs = kad.evaluation.compare([report, card]).pairs
    assert all(pair.result.p_value == 1 for pair in pairs)


@examples(4)
@given(data=st.data())
def test_neither_order_nor_batches_nor_forms_of_data_matter(data):
    suite("linf")
    x, y, epsilons = data.draw(data_sets())
    order = np.array(data.draw(st.permutations(range(NUM))))
    form = data.draw(strategies.label_forms)
    cut = data.draw(st.integers(1, NUM - 1))
    arguments = {"names": ["fgsm"], "epsilons": epsilons}

    report = evaluated(x, y, **arguments)

    close = {"rtol": 1e-4, "atol": 1e-6}
    permuted = evaluated(x[order], y[order], **arguments)
    same(report, permuted, order, **close)
    same(report, evaluated(x, y, batch_size=2, **arguments), **close)
    batches = [(x[:cut], y[:cut]), (x[cut:], y[cut:])]
    same(report, evaluated(batches, **arguments))
    same(report, evaluated(iter(batches), **arguments))
    tensors = keras.ops.array(x), strategies.LABEL_FORMS[form](y)
    same(report, evaluated(*tensors, **arguments))


@examples(4)
@given(data=st.data(), seed=strategies.seeds)
def test_equal_seeds_give_equal_reports(data, seed):
    suite("linf")
    x, y, epsilons = data.draw(data_sets())
    arguments = {"names": NAMES[1:], "seed": seed}

    first, second = (
        evaluated(x, y, epsilons=epsilons, **arguments) for _ in range(2)
    )

    same(first, second)
    # What falls at the smaller radius does not depend on the larger ones.
    alone = evaluated(x, y, epsilons=epsilons[:1], **arguments)
    label = alone.threat_model.label(epsilons[0])
    for name in (f"pgd_success@{label}", f"robust@{label}"):
        np.testing.assert_array_equal(
            alone.per_sample[name], first.per_sample[name]
        )


@examples(4)
@given(data=st.data(), seed=strategies.seeds, limit=st.integers(1, NUM))
def test_samples_are_rows_of_the_data(data, seed, limit):
    suite("linf")
    x, y, epsilons = data.draw(data_sets())
    arguments = {"names": ["fgsm"], "epsilons": epsilons}

    part = evaluated(x, y, limit=limit, seed=seed, **arguments)

    rows = part.per_sample["index"]
    assert len(rows) == limit and (np.diff(rows) > 0).all()
    whole = evaluated(x, y, **arguments)
    same(whole, part, rows, rtol=1e-4, atol=1e-6)


@examples(2)
@given(data=st.data())
def test_a_batch_of_one(data):
    suite("linf")
    x, y, epsilons = data.draw(data_sets())

    report = evaluated(x[:1], y[:1], epsilons=epsilons, batch_size=1)

    assert report.num_images == 1 and x.shape[1:] == SHAPE
    assert set(report.robust_accuracy.values()) <= {0.0, 1.0}
