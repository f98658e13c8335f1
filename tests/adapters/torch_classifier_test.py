"""Tests of PyTorch modules as Keras classifiers."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from tests import networks
from tests.testing import to_numpy

torch = pytest.importorskip("torch")

X, Y = networks.images_and_labels(6)
SHAPE = networks.IMAGE_SHAPE
MEAN, STD = (0.5, 0.4, 0.3), 0.25


def module(activation=torch.nn.Tanh, seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.BatchNorm2d(4),
        activation(),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(4 * 6 * 6, 4),
    )


def expected(inner, images=X):
    """Returns logits of the bare module, and gradients of the true class."""
    modes = [part.training for part in inner.modules()]
    inner.eval()
    x = torch.tensor(images, requires_grad=True)
    scaled = (x - torch.tensor(MEAN)) / STD
    logits = inner(scaled.permute(0, 3, 1, 2))
    losses = torch.nn.functional.cross_entropy(
        logits, torch.tensor(Y).long(), reduction="sum"
    )
    (gradient,) = torch.autograd.grad(losses, x)
    for part, training in zip(inner.modules(), modes, strict=True):
        part.training = training
    return logits.detach().numpy(), gradient.numpy()


@pytest.mark.backend("torch")
def test_logits_attacks_and_modes_are_those_of_the_module():
    inner = module()
    inner[1].eval()  # A part that is frozen.
    modes = [part.training for part in inner.modules()]
    model = kad.adapters.from_torch_module(inner, SHAPE, mean=MEAN, std=STD)
    logits, gradient = expected(inner)

    np.testing.assert_allclose(to_numpy(model(X)), logits, rtol=1e-4, atol=1e-5)
    x_adv = to_numpy(kad.attacks.FGSM(0.01)(model, X, Y))
    np.testing.assert_allclose(x_adv - X, 0.01 * np.sign(gradient), atol=1e-6)
    assert [part.training for part in inner.modules()] == modes
    assert all(p.grad is None for p in inner.parameters())
    maps = to_numpy(kad.attention.InputGradients(model=model)(X, Y))
    assert maps.shape == X.shape[:3] and np.ptp(maps) > 0
    report = kad.evaluate_robustness(
        model, X, Y, attacks="fgsm", epsilons=[0.01], checks=False, verbose=0
    )
    accuracy = (to_numpy(model(x_adv)).argmax(-1) == Y) & (
        logits.argmax(-1) == Y
    )
    assert report.robust_accuracy[0.01] == pytest.approx(accuracy.mean())


@pytest.mark.backend("torch")
def test_probabilities_are_seen_as_such():
    inner = module()
    ending = torch.nn.Sequential(inner, torch.nn.Softmax(-1))
    model = kad.adapters.from_torch_module(ending, SHAPE, mean=MEAN, std=STD)

    change = to_numpy(kad.attacks.FGSM(0.01)(model, X, Y)) - X

    _, gradient = expected(inner)
    np.testing.assert_allclose(change, 0.01 * np.sign(gradient), atol=1e-6)


@pytest.mark.backend("torch")
def test_training_changes_the_module():
    inner = module()
    before = {k: v.clone() for k, v in inner.state_dict().items()}
    model = kad.adapters.from_torch_module(inner, SHAPE)
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )

    model.fit(X, Y, verbose=0)

    after = inner.state_dict()
    for name in ("0.weight", "1.running_mean", "5.bias"):
        assert (after[name] != before[name]).any()


@pytest.mark.backend("torch")
def test_identity_is_class_structure_state_and_preprocessing():
    def config(inner, **arguments):
        made = kad.adapters.from_torch_module(inner, SHAPE, **arguments)
        return {k: v for k, v in made.get_config().items() if k != "name"}

    plain = config(module())
    assert config(module()) == plain
    statistics = module()
    statistics[1].running_mean += 1e-6  # No weight, and none of Keras.
    others = [
        config(module(torch.nn.ReLU)),
        config(module(seed=1)),
        config(statistics),
        config(module(), mean=0.1),
        config(module(), std=(0.5, 0.5, 0.5)),
        config(module(), value_range=(-1, 1)),
    ]
    assert plain not in others
    assert len({str(other) for other in others}) == len(others)


@pytest.mark.backend("torch")
def test_a_state_file_knows_the_module(tmp_path):
    def evaluate(inner):
        return kad.evaluate_robustness(
            kad.adapters.from_torch_module(inner, SHAPE),
            X,
            Y,
            attacks="fgsm",
            epsilons=[0.01],
            checks=False,
            state=tmp_path / "state.npz",
            verbose=0,
        ).robust_accuracy

    first = evaluate(module())
    assert evaluate(module()) == first
    statistics = module()
    statistics[1].running_mean += 1e-6
    for other in (module(torch.nn.ReLU), module(seed=1), statistics):
        with pytest.raises(ValueError, match="belongs to another evaluation"):
            evaluate(other)


@pytest.mark.backend("torch")
def test_it_is_not_loaded_from_a_file(tmp_path):
    model = kad.adapters.from_torch_module(module(), SHAPE)
    model.save(tmp_path / "model.keras")

    with pytest.raises((ValueError, TypeError), match="whose code is not save"):
        keras.saving.load_model(tmp_path / "model.keras")


class Pair(torch.nn.Module):
    def forward(self, images):
        return images.mean((2, 3)), images


class Features(torch.nn.Module):
    def forward(self, images):
        return images


@pytest.mark.backend("torch")
@pytest.mark.parametrize(
    "inner, arguments, message",
    [
        (lambda x: x, {}, "should be a `torch.nn.Module`"),
        (Pair(), {}, "should return logits .* tuple"),
        (Features(), {}, r"should return logits .*\(2, 3, 8, 8\)"),
        (module(), {"input_shape": (8, 8, 1)}, "does not take images"),
        (module(), {"input_shape": (8, 8)}, "`input_shape` should be"),
        (module(), {"mean": (0.5, 0.5)}, "each of the 3 channels.*2 numbers"),
        (module(), {"std": 0.0}, "`std` should be above zero"),
        (module(), {"mean": np.nan}, "`mean` should be a number"),
        (module(), {"value_range": (1, 0)}, "value_range"),
    ],
)
def test_what_is_no_classifier(inner, arguments, message):
    arguments = {"input_shape": SHAPE, **arguments}
    with pytest.raises(ValueError, match=message):
        kad.adapters.from_torch_module(inner, **arguments)


@pytest.mark.backend("tensorflow", "jax")
def test_other_backends_say_which_one_is_needed():
    with pytest.raises(ValueError, match="KERAS_BACKEND=torch"):
        kad.adapters.from_torch_module(module(), SHAPE)
