"""Tests of writing down what a model's layers do."""

import pytest

from keras_attn_defense.classifier.precision import full_precision
from keras_attn_defense.classifier.structure import all_layers
from keras_attn_defense.classifier.structure import layer_calls
from tests import networks
from tests.testing import assert_same_state
from tests.testing import state


@pytest.mark.parametrize("form", networks.FORMS)
def test_calls_in_order_with_shapes(form):
    model = networks.FORMS[form]()
    before = state(model)

    calls, output_shape = layer_calls(model, (None, *networks.IMAGE_SHAPE))

    assert output_shape == (None, networks.NUM_CLASSES)
    shapes = {call.layer.name: call.shape for call in calls}
    names = list(shapes)
    expected = {
        "sequential": {"first": (6, 6, 4), "last": (4, 4, 5), "head": (4,)},
        "functional": {"last": (4, 4, 4), "features": (4, 4, 4)},
        "residual": {"stem": (8, 8, 4), "branch": (8, 8, 4), "head": (4,)},
        "nested": {"inner": (6, 6, 4), "last": (4, 4, 4), "head": (4,)},
        "subclassed": {"first": (6, 6, 4), "last": (4, 4, 4), "head": (4,)},
    }[form]
    for name, shape in expected.items():
        assert shapes[name] == (None, *shape)
    assert [name for name in names if name in expected] == list(expected)
    assert any(c.is_output and c.layer.name == "head" for c in calls)
    assert not any(c.is_output for c in calls if c.layer.name == "last")
    assert_same_state(before, state(model))


def test_all_layers_are_those_inside_too():
    model = networks.nested()

    names = [layer.name for layer in all_layers(model)]
    assert {"backbone", "inner", "last", "head"} <= set(names)
    assert model not in all_layers(model)


@pytest.mark.parametrize(
    "dtype, expected",
    [
        ("float16", "float32"),
        ("bfloat16", "float32"),
        ("int32", "float32"),
        ("float32", "float32"),
    ],
)
def test_full_precision(dtype, expected):
    import keras
    from keras import ops

    tensor = full_precision(ops.ones((2,), dtype))
    assert keras.backend.standardize_dtype(tensor.dtype) == expected
