"""Soft labels, such as MixUp makes them, in every part of a training step."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import log_softmax
from scipy.special import softmax

import keras_attn_defense as kad
from keras_attn_defense.attacks.objectives import CrossEntropy
from keras_attn_defense.classifier import Classifier
from keras_attn_defense.losses import LabelCrossentropy
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended
from tests.models.helpers import flat_weights
from tests.models.helpers import last
from tests.testing import tensor
from tests.testing import to_numpy

X, Y = data(8)
ONE_HOT = np.eye(4, dtype="float32")[Y]
# Not on the boundary between two classes.
SOFT = 0.7 * ONE_HOT + 0.3 * np.roll(ONE_HOT, 3, axis=0)
MIX_UP_ON_JAX = "ignore:Explicitly requested dtype int64:UserWarning"


def linear_gradient(model, x, labels):
    """The gradient of the cross-entropy by the images, in closed form."""
    kernel, bias = (to_numpy(w) for w in model.weights)
    slopes = softmax(x.reshape(len(x), -1) @ kernel + bias, -1) - labels
    return (slopes @ kernel.T).reshape(x.shape)


@pytest.fixture(scope="module")
def plain():
    """A model without attention losses: the attack is what counts."""
    return kad.AttentionDefendedModel(
        networks.linear(),
        kad.attacks.FGSM(0.05),
        rectification_weight=0,
        preservation_weight=0,
    )


def test_gradient_of_the_objective(plain):
    victim = Classifier(plain.base)
    _, gradient, _ = CrossEntropy().value_and_gradient(
        victim, tensor(X), tensor(SOFT), {}
    )
    expected = linear_gradient(plain.base, X, SOFT)
    np.testing.assert_allclose(to_numpy(gradient), expected, atol=2e-6)


def test_the_attack_climbs_the_soft_cross_entropy(plain):
    gradient = linear_gradient(plain.base, X, SOFT)
    far = abs(gradient) > 1e-5  # Elsewhere rounding decides.
    assert far.mean() > 0.99
    expected = np.clip(X + 0.05 * np.sign(gradient), 0, 1)
    crafted = to_numpy(plain.craft(X, SOFT))
    np.testing.assert_allclose(crafted[far], expected[far], atol=1e-6)
    of_classes = to_numpy(plain.craft(X, Y))
    assert (abs(of_classes - crafted) > 0.09).mean() > 0.01
    np.testing.assert_array_equal(to_numpy(plain.craft(X, ONE_HOT)), of_classes)


@pytest.mark.once
@pytest.mark.parametrize(
    "attack",
    [
        kad.attacks.FGSM(0.05, objective="margin"),
        kad.attacks.StepLL(0.05),
    ],
)
def test_other_attacks_take_the_largest_class(attack):
    model = defended(networks.functional(), attack=attack)
    np.testing.assert_array_equal(
        to_numpy(model.craft(X, SOFT)), to_numpy(model.craft(X, Y))
    )


def test_restarts_keep_the_worst():
    attacks = [
        kad.attacks.PGD(0.05, steps=1, restarts=restarts, seed=0)
        for restarts in (1, 2)
    ]
    model = networks.linear()
    losses = []
    for attack in attacks:
        its_model = kad.AttentionDefendedModel(
            model, attack, rectification_weight=0, preservation_weight=0
        )
        crafted = to_numpy(its_model.craft(X, SOFT))
        assert abs(crafted - X).max() <= 0.05 + 1e-6
        kernel, bias = (to_numpy(w) for w in model.weights)
        logits = crafted.reshape(len(X), -1) @ kernel + bias
        losses.append(-(SOFT * log_softmax(logits, -1)).sum(-1))
    fell = logits.argmax(-1) != Y
    assert (losses[1] >= losses[0] - 1e-5)[~fell].all()


@pytest.fixture(scope="module")
def model():
    """One model, and with it one compilation, for all that is trained."""
    model = defended(networks.functional())
    optimizer = keras.optimizers.SGD(0.01)
    model.compile(optimizer, LabelCrossentropy(True), metrics=["accuracy"])
    return model


def trained(model, *args, **kwargs):
    """The weights and logs of an epoch that starts from the same weights."""
    networks.set_weights(model.base, seed=1)
    logs = last(model.fit(*args, shuffle=False, verbose=0, **kwargs))
    return flat_weights(model.base), logs


def test_the_loss_sees_soft_labels_and_accuracies_the_largest(model):
    networks.set_weights(model.base, seed=1)
    pairs = [X, to_numpy(model.craft(X, SOFT))]
    logits = [to_numpy(model.base(images)) for images in pairs]
    expected = [
        -(SOFT * log_softmax(each, -1)).sum(-1).mean() for each in logits
    ]
    accuracies = [(each.argmax(-1) == Y).mean() for each in logits]

    _, logs = trained(model, X, SOFT, batch_size=8, validation_data=(X, Y))

    np.testing.assert_allclose(logs["classification_loss"], sum(expected), 1e-4)
    np.testing.assert_allclose(logs["accuracy"], accuracies[0], 1e-6)
    np.testing.assert_allclose(logs["robust_accuracy"], accuracies[1], 1e-6)
    # Class indices in validation are not mistaken for one-hot labels.
    predicted = to_numpy(model.base(X)).argmax(-1)
    np.testing.assert_allclose(logs["val_accuracy"], (predicted == Y).mean())


class Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


@pytest.mark.filterwarnings(MIX_UP_ON_JAX)
def test_mix_up_in_pipelines(model):
    """Of `tf.data`, and what other kinds of data sets hold equally."""
    tf = pytest.importorskip("tensorflow")
    torch = pytest.importorskip("torch")
    mix_up = keras.layers.MixUp(seed=0)

    def mixed(images, labels):
        batch = mix_up({"images": images, "labels": labels}, training=True)
        return batch["images"], batch["labels"]

    ds = tf.data.Dataset.from_tensor_slices((X, ONE_HOT)).batch(4)
    ds = ds.map(mixed).cache()
    batches = [tuple(map(np.array, b)) for b in ds.as_numpy_iterator()]
    x, y = map(np.concatenate, zip(*batches, strict=True))
    assert ((y > 0.01) & (y < 0.99)).any()
    rows = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
    expected, _ = trained(model, x, y, batch_size=4)
    for kind in (ds, Batches(batches), torch.utils.data.DataLoader(rows, 4)):
        actual, _ = trained(model, kind)
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)
    hard, _ = trained(model, x, ops.one_hot(y.argmax(-1), 4), batch_size=4)
    assert abs(hard - expected).max() > 1e-4


NEGATIVE = np.tile([1.5, -0.5, 0, 0], (8, 1))
WITH_NAN = np.where(ONE_HOT, np.nan, 0)


@pytest.mark.parametrize(
    "labels, match",
    [
        (NEGATIVE, "non-negative.*lowest value of -0.5"),
        (WITH_NAN, "non-negative and sum to one"),
        (1.1 * SOFT, "sums from 1.1"),
        (SOFT[:, :1], "a column for each class"),
    ],
)
def test_labels_that_are_none(model, labels, match):
    with pytest.raises(ValueError, match=match):
        model.fit(X, labels.astype("float32"), verbose=0)


@pytest.mark.parametrize(
    "loss, metrics",
    [
        ("sparse_categorical_crossentropy", None),
        (keras.losses.SparseCategoricalCrossentropy(), None),
        (LabelCrossentropy(), ["sparse_top_k_categorical_accuracy"]),
    ],
)
def test_losses_of_class_indices(loss, metrics):
    model = defended(networks.functional("softmax"))
    model.compile("sgd", loss, metrics=metrics)
    with pytest.raises(ValueError, match="takes class indices"):
        model.fit(X, SOFT, verbose=0)
