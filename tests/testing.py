"""Contracts that every attack, attention method and loss fulfils; helpers."""

import contextlib

import keras
import numpy as np
import pytest
from keras import ops
from keras.src.backend.common import dtypes

from keras_attn_defense.classifier import Classifier

BACKEND = keras.backend.backend()


def few_everywhere(values, count=2):
    """Parameters of a test: the first few run on each backend, all on one."""
    return [
        pytest.param(value, marks=[pytest.mark.once] if i >= count else [])
        for i, value in enumerate(values)
    ]


def to_numpy(x):
    return np.array(ops.convert_to_numpy(x))


def tensor(x):
    """A tensor of the array's own type; Keras makes float32 of float64."""
    return ops.convert_to_tensor(x, dtype=getattr(x, "dtype", None))


@contextlib.contextmanager
def float64_enabled():
    """A scope in which layers of type float64 compute in float64.

    Keras makes float32 of the results of many operations on JAX and PyTorch.
    Finite differences need more digits than that.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")
        if BACKEND != "jax":
            yield
            return
        import jax

        jax.config.update("jax_enable_x64", True)
        try:
            yield
        finally:
            jax.config.update("jax_enable_x64", False)


def no_gradients():
    """A scope such as `evaluate` and `predict` run in."""
    if BACKEND != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()


def jitted(function):
    """`function` in a step that a user compiles."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    return function


def gradient(function, *tensors):
    """Gradients, in NumPy, of a scalar function of tensors."""
    tensors = [tensor(each) for each in tensors]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(value, tensors, unconnected_gradients=zero)
    elif BACKEND == "jax":
        import jax

        gradients = jax.grad(function, argnums=range(len(tensors)))(*tensors)
    else:
        import torch

        tensors = [each.detach().requires_grad_() for each in tensors]
        value = function(*tensors)
        if not value.requires_grad:
            return [np.zeros(tuple(each.shape)) for each in tensors]
        gradients = torch.autograd.grad(
            value, tensors, allow_unused=True, materialize_grads=True
        )
    return [to_numpy(each) for each in gradients]


def variable_gradient(function, variables):
    """Gradients, in NumPy, of a scalar function that reads Keras variables."""

    def stateless(*values):
        mapping = zip(variables, values, strict=True)
        with keras.StatelessScope(list(mapping)):
            return function()

    # Compiled in one piece: many small pieces take longer on JAX.
    values = (variable.value for variable in variables)
    return gradient(jitted(stateless), *values)


def finite_differences(function, x, indices=None, step=1e-5):
    """Central differences of a scalar function of a float64 array.

    Args:
        function: Takes an array like `x`.
        x: A float64 array.
        indices: Flat positions to differ by; None means all of them.
        step: Half the distance between two evaluations.

    Returns:
        The differences at `indices`, one-dimensional.
    """
    slopes = []
    for index in range(x.size) if indices is None else indices:
        ends = []
        for sign in (1.0, -1.0):
            moved = x.copy()
            moved.flat[index] += sign * step
            ends.append(float(to_numpy(function(moved))))
        slopes.append((ends[0] - ends[1]) / (2 * step))
    return np.array(slopes)


def variable_differences(function, variable, indices=None, step=1e-5):
    """Central differences of a scalar function that reads a variable."""
    value = to_numpy(variable.value)

    def at(moved):
        variable.assign(moved)
        return function()

    try:
        return finite_differences(at, value, indices, step)
    finally:
        variable.assign(value)


def state(model):
    """All that an attack or a map has to leave alone in a model."""
    return {
        "variables": [to_numpy(v.value) for v in model.variables],
        "trainable": [layer.trainable for layer in model._flatten_layers()],
        "losses": [float(to_numpy(loss)) for loss in model.losses],
        "attributes": [sorted(vars(x)) for x in model._flatten_layers()],
    }


def assert_same_state(before, after):
    """Nothing changed; losses of a call may be gone, as after another call."""
    for name in ("trainable", "attributes"):
        assert before[name] == after[name], name
    assert set(after["losses"]) <= set(before["losses"])
    pairs = zip(before["variables"], after["variables"], strict=True)
    for old, new in pairs:
        np.testing.assert_array_equal(old, new)


def cross_entropy(logits, labels, label_smoothing=0.0):
    """Cross-entropy per image, in NumPy float64."""
    logits = np.asarray(logits, "float64")
    shifted = logits - logits.max(-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    classes = logits.shape[-1]
    target = np.eye(classes)[labels] * (1 - label_smoothing)
    return -((target + label_smoothing / classes) * log_p).sum(-1)


def perturbation_size(x_adv, x, norm):
    """The norm of each image's change, in float64."""
    change = np.asarray(x_adv, "float64") - np.asarray(x, "float64")
    change = change.reshape(len(change), -1)
    if norm == "linf":
        return abs(change).max(-1)
    if norm == "l1":
        return abs(change).sum(-1)
    if norm == "l0":
        return (change != 0).sum(-1)
    return np.sqrt((change**2).sum(-1))


def assert_inside(x_adv, x, epsilon, norm, value_range):
    """Inside the ball and the range, to the last bit."""
    lower, upper = value_range
    assert (perturbation_size(x_adv, x, norm) <= epsilon).all()
    assert x_adv.min() >= lower and x_adv.max() <= upper


def run_config_test(instance):
    """Serialization gives an equal object, and changes no default."""
    cls = type(instance)
    config = instance.get_config()
    assert cls.from_config(config).get_config() == config
    loaded = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(instance)
    )
    assert isinstance(loaded, cls)
    assert loaded.get_config() == config
    return loaded


def run_attack_test(
    attack,
    model,
    x,
    y,
    *,
    epsilon,
    value_range=(0.0, 1.0),
    random=False,
    target=None,
    uses_labels=True,
):
    """What every attack fulfils.

    Args:
        attack: The attack, not used yet.
        model: A classifier.
        x: Images in NumPy.
        y: Class indices in NumPy.
        epsilon: The radius that is never left.
        value_range: The bounds of the images.
        random: Whether the attack draws random numbers.
        target: The classes that the attack moves to, if not away from `y`.
        uses_labels: Whether the result depends on the labels.
    """
    before, x_before = state(model), x.copy()
    x_adv = attack(model, x, y)

    assert keras.backend.standardize_dtype(x_adv.dtype) == "float32"
    x_adv = to_numpy(x_adv)
    assert x_adv.shape == x.shape
    assert_inside(x_adv, x, epsilon, attack.norm, value_range)
    # In l1 and l0 few values change, and much.
    few = {"l1": 0.01, "l0": 0.0}.get(attack.norm, 0.5)
    assert (x_adv != x).mean() > few
    _check_harm(model, x, x_adv, y, target)

    np.testing.assert_array_equal(x, x_before)
    assert_same_state(before, state(model))

    twin = run_config_test(attack)
    tensors = [ops.convert_to_tensor(value) for value in (x, y)]
    np.testing.assert_array_equal(to_numpy(twin(model, *tensors)), x_adv)

    again = to_numpy(attack(model, x, y))
    # The sign of a gradient is all that is left of noise in many pixels.
    assert np.array_equal(again, x_adv) != random
    if not random:
        _check_neighbors(attack, model, x, y, x_adv)
    other = to_numpy(attack(model, x, (y + 1) % (y.max() + 1)))
    if not random:
        assert np.array_equal(other, x_adv) != uses_labels

    attack.strength.assign(0.0)
    np.testing.assert_array_equal(to_numpy(attack(model, x, y)), x)
    attack.strength.assign(1.0)


def _check_harm(model, x, x_adv, y, target):
    logits = [to_numpy(Classifier(model).logits(i)) for i in (x, x_adv)]
    labels = y if target is None else target
    clean, adversarial = (cross_entropy(z, labels) for z in logits)
    rise = adversarial - clean if target is None else clean - adversarial
    assert (rise >= 0).all() and (rise > 1e-4).any()


def _check_neighbors(attack, model, x, y, x_adv):
    others = x[::-1].copy()
    others[0] = x[0]
    alone = to_numpy(attack(model, others, np.r_[y[0], y[::-1][1:]]))
    np.testing.assert_allclose(alone[0], x_adv[0], rtol=0, atol=1e-6)


def run_attention_method_test(method, model, x, y, knows_classes=True):
    """What every attention method fulfils.

    Args:
        method: The method, without a model.
        model: A classifier.
        x: At least three images in NumPy.
        y: Class indices in NumPy.
        knows_classes: Whether the map depends on the class.
    """
    classifier = Classifier(model)
    if method.differentiable:
        method.check(classifier)
    else:
        with pytest.raises(ValueError, match="no gradient flows"):
            method.check(classifier)
    run_config_test(method)
    before, x_before = state(model), x.copy()
    layer = type(method)(**{**method.get_config(), "model": model})
    maps = layer(x, y)
    assert_same_state(before, state(model))
    np.testing.assert_array_equal(x, x_before)

    assert keras.backend.standardize_dtype(maps.dtype) == "float32"
    maps = to_numpy(maps)
    assert maps.shape[0] == len(x) and maps.ndim == 3
    if getattr(method, "upsample", True):
        assert maps.shape == x.shape[:3]
    assert np.isfinite(maps).all()
    # It says something: about positions, and about the class.
    assert (np.ptp(maps, axis=(1, 2)) > 0).all()
    other = to_numpy(layer(x, (y + 1) % classifier.num_classes))
    differs = abs(other - maps).max(axis=(1, 2)) > 1e-6
    assert differs.all() if knows_classes else not differs.any()

    one_hot = np.eye(classifier.num_classes, dtype="float32")[y]
    np.testing.assert_array_equal(to_numpy(layer(x, one_hot)), maps)
    others = x[::-1].copy()
    others[0] = x[0]
    alone = to_numpy(layer(others, np.r_[y[0], y[::-1][1:]]))
    np.testing.assert_allclose(alone[0], maps[0], rtol=1e-4, atol=1e-6)

    logits, explained, outputs = method.explain(classifier, x, y)
    np.testing.assert_allclose(to_numpy(explained), maps, rtol=1e-4, atol=1e-6)
    expected = to_numpy(model(x, training=False))
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=1e-6)
    expected = to_numpy(classifier.logits(x))
    np.testing.assert_allclose(to_numpy(logits), expected, atol=1e-6)


def run_loss_test(loss_class, y_true, y_pred, expected, **arguments):
    """What every loss fulfils.

    Args:
        loss_class: The class.
        y_true: A batch in NumPy.
        y_pred: A batch in NumPy.
        expected: The values per sample, from a closed form.
        **arguments: Arguments of the class.
    """

    def value(reduction, *weights):
        loss = loss_class(reduction=reduction, **arguments)
        return to_numpy(loss(y_true, y_pred, *weights))

    expected = np.asarray(expected, "float64")
    assert expected.shape == (len(y_true),)
    weights = np.linspace(0.0, 2.0, len(expected)).astype("float32")
    for reduction, per_sample in (
        (None, lambda values: values),
        ("sum", np.sum),
        ("sum_over_batch_size", np.mean),
    ):
        for scale in ((), (weights,)):
            np.testing.assert_allclose(
                value(reduction, *scale),
                per_sample(expected * scale[0] if scale else expected),
                rtol=2e-5,
                atol=1e-6,
            )
    loss = loss_class(**arguments)
    loaded = run_config_test(loss)
    np.testing.assert_array_equal(
        to_numpy(loaded(y_true, y_pred)), to_numpy(loss(y_true, y_pred))
    )
    assert loss_class(reduction="sum", **arguments).get_config() != (
        loss.get_config()
    )
