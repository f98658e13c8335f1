"""Bad input is taken as what it is, or refused in a sentence; nothing else."""

import contextlib
import warnings

import keras
import numpy as np
import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import keras_attn_defense as kad
from keras_attn_defense import attacks
from keras_attn_defense.data import check_images
from keras_attn_defense.data import check_labels
from keras_attn_defense.data import check_value_range
from keras_attn_defense.data import checked_boxes
from keras_attn_defense.datasets.conversion import label_indices
from keras_attn_defense.datasets.conversion import unit_images
from keras_attn_defense.evaluation.confidence import check_confidence
from keras_attn_defense.evaluation.threat_model import check_epsilons
from tests.properties import strategies
from tests.properties.strategies import CLASSES
from tests.properties.strategies import examples

numbers = st.one_of(
    st.integers(-3, 300),
    st.floats(),
    st.sampled_from([10**400, True, np.float32(0.1), np.int64(3), np.bool_(1)]),
    st.complex_numbers(),
)
plain = st.one_of(
    st.none(),
    numbers,
    st.text(max_size=5),
    st.binary(max_size=5),
    st.sampled_from([object(), int, {}, {"a": 1}, set(), np.ones(()), "linf"]),
)
anything = st.one_of(
    plain,
    st.lists(plain, max_size=3),
    st.tuples(plain, plain),
    hnp.arrays(
        st.sampled_from(["float32", "int8", "bool", "U3", "complex64"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    ),
)
# Arrays of any type, most of them of the wrong one or shape.
arrays = st.one_of(
    hnp.arrays(
        st.one_of(
            hnp.floating_dtypes(sizes=(16, 32, 64), endianness="="),
            hnp.integer_dtypes(endianness="="),
            hnp.unsigned_integer_dtypes(endianness="="),
            hnp.boolean_dtypes(),
            st.sampled_from(["U2", "S2", "complex64", "datetime64[s]"]),
        ),
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
    ),
    hnp.arrays(object, hnp.array_shapes(max_dims=2), elements=plain),
)


@contextlib.contextmanager
def sentences():
    """A scope that may raise nothing but an error that says what to do."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ValueError, TypeError) as error:
        text = str(error)
        assert text[:1].isupper() or text[:1] == "`", text
        assert text.count(" ") >= 5 and "." in text, text
        # Not NumPy's own words, which name no argument.
        assert "ufunc" not in text and "could not convert" not in text, text


@examples(150)
@example(value=(0, np.inf))
@example(value=(0, 10**400))
@example(value="01")
@given(value=st.one_of(anything, st.tuples(numbers, numbers)))
def test_value_ranges(value):
    with sentences():
        lower, upper = check_value_range(value)
        assert isinstance(lower, float) and isinstance(upper, float)
        assert np.isfinite([lower, upper]).all() and lower < upper
        assert not isinstance(value, str)


@examples(150)
@given(value=anything)
def test_radii_of_attacks(value):
    with sentences():
        epsilon = attacks.PGD(value).epsilon
        bounds = epsilon if isinstance(epsilon, tuple) else (epsilon,)
        assert value is None or all(type(each) is float for each in bounds)
        assert value is None or all(0 <= each < np.inf for each in bounds)


@examples(150)
@example(value=[10**400], norm="linf")
@example(value="0.1", norm="linf")
@given(value=anything, norm=st.sampled_from(["linf", "l2", "l1"]))
def test_radii_of_evaluations(value, norm):
    with sentences():
        epsilons = check_epsilons(value, norm, (0.0, 1.0))
        assert all(type(each) is float for each in epsilons)
        assert 0 < epsilons[0] and epsilons[-1] < np.inf
        assert list(epsilons) == sorted(set(epsilons))


ARGUMENTS = ["steps", "restarts", "step_size", "norm", "objective", "seed"]


@pytest.mark.parametrize("name", ARGUMENTS)
@examples(40)
@example(value={})
@given(value=anything)
def test_arguments_of_attacks(name, value):
    _assert_taken_or_refused(name, value)


@pytest.mark.parametrize("seed", [-1, 0, 2**31 - 1, 2**31, 2**63, 10**400])
def test_seeds_are_the_same_for_all_backends(seed):
    if 0 <= seed < 2**31:
        _assert_taken_or_refused("seed", seed)
        return
    with pytest.raises(ValueError, match="seed"):
        attacks.PGD(seed=seed)


def _assert_taken_or_refused(name, value):
    with sentences():
        attack = attacks.PGD(**{name: value})
        if name in ("steps", "restarts"):
            assert type(getattr(attack, name)) is int
            assert getattr(attack, name) >= 1
        if name == "seed":
            keras.random.uniform((), seed=attack.seed_generator)
        if name == "step_size":
            assert value is None or 0 <= attack.step_size < np.inf


@examples(60)
@given(
    threshold=st.sampled_from(["mean", "maximum", "quantile", "area"]),
    level=anything,
)
def test_levels_of_masks(threshold, level):
    with sentences():
        mask = kad.attention.AttentionMask(threshold, level)
        assert mask.level is None or 0 <= mask.level <= 1


@examples(60)
@given(value=anything)
def test_confidences(value):
    with sentences():
        assert 0 < check_confidence(value) < 1


@examples(200)
@example(x=np.full((1, 2, 2, 1), "a"))
@example(x=np.full((1, 2, 2, 1), None))
@example(x=np.full((1, 2, 2, 1), 1j))
@given(x=arrays)
def test_images(x):
    with sentences():
        check_images(x, (0.0, 1.0))
        assert x.ndim == 4 and x.size
        assert x.dtype.kind in "biuf"
        assert 0 - 1e-5 <= x.min() and x.max() <= 1 + 1e-5


@examples(200)
@example(y=np.array([None]), classes=2)
@example(y=np.array(["0", "1"]), classes=2)
@given(y=arrays, classes=st.sampled_from([2, 3, CLASSES]))
def test_labels(y, classes):
    with sentences():
        check_labels(y, classes, len(y) if y.ndim else 1)
        assert y.dtype.kind in "biuf"
        if y.ndim == 1 or y.shape[1] == 1:
            assert all(0 <= each < classes for each in y.ravel())
        else:
            assert y.shape[1] == classes


@examples(150)
@given(x=arrays)
def test_images_of_loaders(x):
    with sentences():
        unit = unit_images(x, "x")
        assert unit.ndim == 4 and 0 <= unit.min() <= unit.max() <= 1


@examples(150)
@example(y=np.array(0))
@example(y=np.array([b"\x80"] * 3))
@given(y=arrays)
def test_labels_of_loaders(y):
    with sentences():
        indices = label_indices(y, "y", 3)
        assert indices.shape == (3,) and indices.min() >= 0


@examples(150)
@example(values=[np.zeros(3), np.zeros((2, 4))])
@given(values=st.one_of(arrays, st.lists(arrays, max_size=3)))
def test_boxes(values):
    with sentences():
        checked = checked_boxes(values)
        assert checked.ndim == 3 and checked.shape[2] == 4


@examples(40)
@given(x=arrays, y=arrays)
def test_attacks(x, y):
    """Whatever goes in, no model sees what it is not made for."""
    with sentences():
        attacks.FGSM()(strategies.network(), x, y)
    good = np.full((2, *strategies.SHAPE), 0.5, "float32")
    with sentences():
        attacks.FGSM()(strategies.network(), good, y)


@examples(25)
@given(x=arrays, y=arrays)
def test_evaluations(x, y):
    with sentences():
        kad.evaluate_robustness(
            strategies.network(), x, y, attacks="fgsm", checks=False, verbose=0
        )
