"""What Keras users expect of `fit`, shown by the weights it leaves."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.losses import LabelCrossentropy
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended
from tests.models.helpers import flat_weights
from tests.models.helpers import last


def sgd(base=None, *, rate=0.01, compiled=None, **kwargs):
    """A defended model whose steps are plain gradients."""
    model = defended(base or networks.functional(), **kwargs)
    optimizer = keras.optimizers.SGD(rate)
    model.compile(optimizer, **(compiled or {}))
    return model


def trained(*args, model=None, **kwargs):
    """The weights after `fit`."""
    model = model or sgd()
    model.fit(*args, shuffle=False, verbose=0, **kwargs)
    return flat_weights(model.base)


def assert_same(actual, expected):
    start = flat_weights(networks.functional())
    assert np.abs(expected - start).max() > 1e-4  # Something was learned.
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=2e-6)


class Batches(keras.utils.PyDataset):
    """Two batches of four."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        x, y = data(8)
        batch = slice(4 * index, 4 * index + 4)
        return x[batch], y[batch]


def as_generator():
    batches = Batches()
    yield batches[0]
    yield batches[1]


def as_tf_data():
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(data(8)).batch(4)


def as_data_loader():
    torch = pytest.importorskip("torch")
    tensors = (torch.from_numpy(array) for array in data(8))
    return torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*tensors), batch_size=4
    )


@pytest.fixture(scope="module")
def of_arrays():
    keras.utils.set_random_seed(0)
    return trained(*data(8), batch_size=4)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize(
    "make", [Batches, as_generator, as_tf_data, as_data_loader]
)
def test_every_kind_of_data_trains_alike(make, of_arrays):
    assert_same(trained(make()), of_arrays)


def test_train_on_batch_is_a_step_of_fit():
    x, y = data(8)
    model = sgd()
    logs = model.train_on_batch(x, y, return_dict=True)
    assert logs["loss"] > 0
    assert_same(flat_weights(model.base), trained(x, y, batch_size=8))


def test_eager_and_compiled_steps_agree():
    x, y = data(4)
    eager = sgd(compiled={"run_eagerly": True})
    assert_same(trained(x, y, model=eager), trained(x, y))


@pytest.mark.backend("tensorflow", "jax")
@pytest.mark.parametrize("jit_compile", [True, False])
def test_jit_compile(jit_compile):
    x, y = data(4)
    model = sgd(compiled={"jit_compile": jit_compile})
    assert_same(trained(x, y, model=model), trained(x, y))


@pytest.mark.backend("torch")
def test_jit_compile_says_why_not():
    model = sgd(compiled={"jit_compile": True})
    with pytest.raises(ValueError, match="jit_compile=False"):
        model.fit(*data(4), verbose=0)


@pytest.mark.backend("tensorflow", "jax")
def test_steps_per_execution():
    x, y = data(8)
    model = sgd(compiled={"steps_per_execution": 2})
    expected = trained(x, y, batch_size=4)
    assert_same(trained(x, y, batch_size=4, model=model), expected)


def test_gradient_accumulation():
    x, y = data(8)
    model = defended(networks.functional())
    optimizer = keras.optimizers.SGD(0.01, gradient_accumulation_steps=2)
    model.compile(optimizer, LabelCrossentropy(True))
    start = flat_weights(model.base)
    model.train_on_batch(x[:4], y[:4])
    np.testing.assert_array_equal(flat_weights(model.base), start)
    model.train_on_batch(x[4:], y[4:])
    assert_same(flat_weights(model.base), trained(x, y, batch_size=8))


def test_class_weights_are_sample_weights():
    x, y = data(8)
    weights = np.array([1.0, 0.0, 2.0, 0.5], "float32")
    expected = trained(x, y, sample_weight=weights[y])
    assert_same(trained(x, y, class_weight=dict(enumerate(weights))), expected)
    assert np.abs(expected - trained(x, y)).max() > 1e-4


def test_a_weight_of_zero_leaves_no_trace():
    x, y = data(8)
    weights = np.array([1.0] * 5 + [0.0] * 3, "float32")
    others = x.copy()
    others[5:] = 1 - others[5:]
    expected = trained(x, y, sample_weight=weights)
    np.testing.assert_array_equal(
        trained(others, (y + 2 * (weights == 0)) % 4, sample_weight=weights),
        expected,
    )
    assert np.abs(trained(others, y) - expected).max() > 1e-4


def test_frozen_layers_stay():
    base = networks.functional()
    base.layers[1].trainable = False
    kernel = ops.convert_to_numpy(base.layers[1].kernel).copy()
    model = sgd(base)
    trained(*data(8), model=model)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(base.layers[1].kernel), kernel
    )
    head = ops.convert_to_numpy(base.get_layer("head").kernel)
    initial = networks.functional().get_layer("head").kernel
    assert np.abs(head - ops.convert_to_numpy(initial)).max() > 1e-4


def test_noise_is_fresh_and_the_seed_repeats_it():
    x, y = data(4)

    def run(seed):
        attack = kad.attacks.PGD(16 / 255, steps=1, seed=seed)
        model = sgd(attack=attack)
        crafted = []
        for _ in range(2):
            model.train_on_batch(x, y)
            state = model.attack.seed_generator.state
            crafted.append(ops.convert_to_numpy(state).tolist())
        return crafted, flat_weights(model.base)

    states, weights = run(seed=5)
    again, same_weights = run(seed=5)
    _, other_weights = run(seed=6)
    assert states == again == [[5, 1], [5, 2]]
    np.testing.assert_array_equal(weights, same_weights)
    assert np.abs(weights - other_weights).max() > 1e-5


def test_attacks_in_a_step_differ_from_step_to_step():
    x, y = data(4)
    attack = kad.attacks.PGD(16 / 255, step_size=1 / 2000, steps=1, seed=5)
    model = defended(networks.functional(), attack=attack)
    first = ops.convert_to_numpy(model.craft(x, y))
    model.train_on_batch(x, y)
    third = ops.convert_to_numpy(model.craft(x, y))
    assert np.mean(first != third) > 0.9


def test_one_trace_only(monkeypatch):
    calls = []
    compute_loss = kad.AttentionDefendedModel.compute_loss
    monkeypatch.setattr(
        kad.AttentionDefendedModel,
        "compute_loss",
        lambda *a, **k: calls.append(1) or compute_loss(*a, **k),
    )
    model = sgd()
    x, y = data(8)
    model.fit(x, y, batch_size=4, epochs=1, verbose=0)
    first = len(calls)
    model.fit(x, y, batch_size=4, epochs=3, verbose=0)
    backend = keras.backend.backend()
    # JAX looks at shapes once before it compiles; PyTorch does not compile.
    assert first == {"tensorflow": 1, "jax": 2, "torch": 3}[backend]
    limit = {"tensorflow": 0, "jax": 1, "torch": 6}[backend]
    assert len(calls) - first <= limit


def test_iterated_samples_update_twice_and_go_one_step_on():
    x, y = data(4)
    attack = kad.attacks.BIM(16 / 255, 4 / 255, steps=2)
    model = sgd(networks.functional(), attack=attack, adversarial_rounds=2)
    first = ops.convert_to_numpy(model.craft(x, y))
    x_tensor, labels = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
    second = ops.convert_to_numpy(
        model._crafted(x_tensor, labels, labels, ops.convert_to_tensor(first))
    )
    assert np.abs(second - x).max() <= 16 / 255
    np.testing.assert_allclose(np.abs(second - first).max(), 4 / 255, rtol=1e-4)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    before, after = (
        float(ops.convert_to_numpy(loss(y, model.base(images))))
        for images in (first, second)
    )
    assert after >= before - 1e-6
    model.train_on_batch(x, y)
    assert int(model.optimizer.iterations) == 2


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    x, y = data(16)
    # TensorFlow's Keras cannot add a half-precision activity loss to others.
    base = networks.functional("softmax")
    model = defended(base, validation_attack=kad.attacks.FGSM(16 / 255))
    logs = last(model.fit(x, y, validation_data=(x, y), epochs=2, verbose=0))
    assert all(np.isfinite(list(logs.values())))
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    x_adv = ops.convert_to_numpy(model.craft(x, y))
    assert np.mean(x_adv != x) > 0.95
    weights = flat_weights(base)
    assert weights.dtype == "float32"
    rounded = weights.astype("float16").astype("float32")
    assert np.mean(rounded != weights) > 0.5


def test_a_half_precision_base_is_found_under_another_policy():
    base = networks.sequential("softmax", dtype="mixed_float16")
    model = defended(base)
    model.compile("adam", LabelCrossentropy())
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


def test_only_whole_images_enter_the_statistics():
    x, y = data(8)

    def state(**weights):
        base = networks.stateful("softmax")
        trained(x, y, model=sgd(base, rate=0.0, **weights))
        return [ops.convert_to_numpy(v) for v in base.non_trainable_variables]

    plain = state(rectification_weight=0, preservation_weight=0)
    defended_too = state(rectification_weight=4, preservation_weight=1)
    for own, its in zip(plain, defended_too, strict=True):
        np.testing.assert_allclose(own, its, rtol=1e-6)
    # Momentum 0.9, and the mean of clean and adversarial images.
    model = sgd(networks.stateful("softmax"))
    x_adv = ops.convert_to_numpy(model.craft(x, y))
    start = networks.stateful("softmax").get_layer("norm").moving_mean
    batch_mean = np.concatenate([x, x_adv]).mean((0, 1, 2))
    expected = 0.9 * ops.convert_to_numpy(start) + 0.1 * batch_mean
    np.testing.assert_allclose(plain[0], expected, rtol=1e-5)


def test_whole_and_masked_images_are_compared_in_one_mode():
    # A mask that hides nothing: whatever BatchNorm does, it does to both.
    nothing = kad.attention.AttentionMask("quantile", 1.0)
    base = networks.sequential()
    base = keras.Sequential(
        [
            keras.Input(networks.IMAGE_SHAPE),
            keras.layers.BatchNormalization(),
            *base.layers,
        ]
    )
    logs = last(sgd(base, mask=nothing).fit(*data(8), verbose=0))
    assert logs["rectification_loss"] == pytest.approx(0, abs=1e-9)
    logs = last(sgd(base).fit(*data(8), verbose=0))
    assert logs["rectification_loss"] < -1e-6


def test_channels_first():
    # TensorFlow's CPU kernels take channels-first through XLA's layout pass.
    keras.config.set_image_data_format("channels_first")
    base = keras.Sequential(
        [
            keras.Input((3, 8, 8)),
            keras.layers.Conv2D(4, 3, activation="tanh"),
            keras.layers.Activation("tanh"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4),
        ]
    )
    x, y = data(8)
    x = np.transpose(x, (0, 3, 1, 2)).copy()
    model = defended(base)
    logs = last(model.fit(x, y, verbose=0))
    assert logs["rectification_loss"] < 0
    assert model.attention_map(x, y).shape == (8, 8, 8)
