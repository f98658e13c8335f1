"""What every defense fulfils, and what it is worth."""

import keras
import numpy as np
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.classifier import as_classifier
from keras_attn_defense.classifier.predictor import Predictor
from keras_attn_defense.evaluation.checks import CHECKS
from keras_attn_defense.evaluation.checks import Context
from tests.evaluation import fake_defenses
from tests.evaluation.fake_defenses import EPSILON
from tests.testing import run_config_test
from tests.testing import to_numpy


def run_defense_test(defense, images, tmp_path):
    """What every defense in front of a classifier fulfils.

    Args:
        defense: The layer.
        images: NumPy images of the network in `fake_defenses`, in (0, 1).
        tmp_path: A folder.
    """
    twin = run_config_test(defense)
    unused = run_config_test(defense)
    seeds = [to_numpy(variable) for variable in defense.variables]
    changed = to_numpy(defense(ops.convert_to_tensor(images)))
    np.testing.assert_array_equal(to_numpy(twin(images)), changed)
    # What is random says so, and is different the next time.
    again = to_numpy(defense(images))
    is_random = defense.how_to_attack().draws > 1
    assert (abs(again - changed).max() > 0.01) == is_random == bool(seeds)
    assert changed.shape == images.shape and changed.dtype == "float32"
    assert changed.min() >= -1e-5 and changed.max() <= 1.0 + 1e-5
    assert 0.001 < abs(changed - images).mean() < 0.3
    assert defense.compute_output_shape(images.shape) == images.shape

    # Other units are the same image.
    config = {**defense.get_config(), "value_range": (-1.0, 3.0)}
    other = type(defense).from_config(config)
    wide = (to_numpy(other(4.0 * images - 1.0)) + 1.0) / 4.0
    # But for what is rounded the other way.
    assert abs(wide - changed).mean() < 1e-3

    network = fake_defenses.plain()
    defended = kad.defenses.defend(network, unused, name="guarded")
    assert defended.name == "guarded"
    path = tmp_path / "guarded.keras"
    defended.save(path)
    loaded = keras.saving.load_model(path)
    logits = [
        to_numpy(as_classifier(model).logits(ops.convert_to_tensor(images)))
        for model in (defended, loaded)
    ]
    np.testing.assert_allclose(logits[1], logits[0], rtol=1e-4, atol=1e-4)
    assert abs(logits[0] - to_numpy(network(images))).max() > 1e-3
    return loaded


def worth(defense, network, images, labels, transferred, **settings):
    """Accuracy of a defended network, attacked without and with knowledge.

    Args:
        defense: The layer, or a defended network.
        network: The network inside.
        images: Images that the network classifies correctly.
        labels: Their class indices.
        transferred: Images that fool the network inside.
        **settings: Arguments of the attack that knows the defense.

    Returns:
        Accuracies: clean, of images made for the network inside, and under
        an attack that asks the defense how it has to be attacked.
    """
    defended = defense
    if not isinstance(defense, keras.Model):
        defended = kad.defenses.defend(network, defense)
    settings = {"steps": 20, "restarts": 2, **settings}
    attack = kad.attacks.PGD(EPSILON, seed=0, **settings)
    adaptive = attack.run(defended, images, labels, 32).images
    return [
        float(fake_defenses.right(defended, each, labels, draws=4).mean())
        for each in (images, transferred, adaptive)
    ]


def findings(model, images, labels, names, attacks=None):
    """What some of the checks of an evaluation say, by name."""
    report = kad.evaluate_robustness(
        model,
        images,
        labels,
        attacks=attacks or {"pgd": kad.attacks.PGD(steps=8, seed=0)},
        epsilons=[EPSILON],
        batch_size=32,
        checks=False,
        verbose=0,
    )
    predictor = Predictor(as_classifier(model), 32)
    drawn = np.arange(len(images)), images, labels
    context = Context(predictor, report._records, drawn, 0)
    return {name: CHECKS[name](context) for name in names}
