"""No fake defense is reported too robust without a flag that says why.

`benchmarks/red_flags.py` makes the same with the quick set and more images.
"""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from tests.evaluation import fake_defenses
from tests.evaluation.fake_defenses import EPSILON
from tests.evaluation.fake_defenses import FAKES

# One of each kind where compilation takes longer than running.
FEW = ["hard_decision", "offset_by_the_batch"]
# The flag that names what each of them does.
REASONS = {
    "top_only": "outputs jump",
    "top_only_function": "outputs jump",
    "soft_top_only": "outputs jump",
    "huge_logits": "vanishing gradients",
    "big_logits_function": "vanishing gradients",
    "softmax_behind": "outputs are probabilities",
    "hard_decision": "vanishing gradients",
    "rounded_logits": "outputs jump",
    "saturated_logits": "layers hide the gradient",
    "top_without_gradient": "layers hide the gradient",
    "offset_by_the_batch": "answers depend on the batch",
    "vote_of_the_batch": "answers depend on the batch",
    "noisy_logits": "randomness in inference",
    "quantized": "vanishing gradients",
    "quantized_with_a_wrong_slope": "gradients mislead",
    "without_gradient": "vanishing gradients",
    "flipped_gradient": "gradients mislead",
    "shifted_gradient": "gradients mislead",
    "scrambled_signs": "gradients mislead",
    "decoy_gradient": "gradients mislead",
    "ripples": "layers hide the gradient",
    "ripples_function": "black-box beats white-box",
    "noise": "randomness in inference",
    "rare_noise": "randomness in inference",
    "noise_between_levels": "randomness in inference",
    "blur_between_levels": "levels of a byte decide",
    "noise_from_the_image": "gradients mislead",
    "random_shift": "randomness in inference",
    "jpeg": "vanishing gradients",
    "smoothed_at_inference": "optimization at inference",
    "k_winners": "outputs jump",
    "dropout_at_inference": "randomness in inference",
    "steep_activation": "gradients mislead",
    "random_mixture": "randomness in inference",
}
TESTED = FAKES if keras.backend.backend() == "torch" else FEW


@pytest.fixture(scope="module")
def network():
    return fake_defenses.plain()


@pytest.fixture(scope="module")
def known(network):
    """Scenes that the network has right, and their transferred attacks."""
    images, labels = fake_defenses.images_and_labels(48)
    right = fake_defenses.right(network, images, labels, draws=1) > 0
    images, labels = images[right][:32], labels[right][:32]
    found = fake_defenses.transferred(network, images, labels)
    return images, labels, found


def evaluate(model, images, labels, attacks=None):
    if attacks is None:  # The quick set, shortened.
        attacks = {
            "fgsm": kad.attacks.FGSM(),
            "pgd": kad.attacks.PGD(steps=8, seed=0),
            "square": kad.attacks.Square(
                queries=60, rescale_schedule=True, seed=0
            ),
        }
    return kad.evaluate_robustness(
        model,
        images,
        labels,
        attacks=attacks,
        epsilons=[EPSILON],
        batch_size=32,
        verbose=0,
    )


def raised(report):
    return {flag.name: flag.sentence for flag in report.flags if flag.raised}


@pytest.mark.once
def test_network_inside_raises_no_flag(network, known):
    images, labels, found = known
    report = evaluate(network, images, labels, "quick")
    bound = fake_defenses.upper_bound(network, found, labels)
    assert raised(report) == {}
    assert report.robust_accuracy[EPSILON] <= bound + 0.03 < 0.2
    assert report.unreliable is False


@pytest.mark.parametrize("name", TESTED)
def test_fake_defense_is_found_out(name, network, known):
    images, labels, found = known
    model = FAKES[name](network)
    report = evaluate(model, images, labels)
    bound = fake_defenses.upper_bound(model, found, labels)
    flags = raised(report)
    if report.robust_accuracy[EPSILON] > bound + 0.05:
        assert flags
    if name in REASONS:
        assert REASONS[name] in flags
        # What is wrong, and what can be done.
        assert len(flags[REASONS[name]].split(". ")) > 1
    assert np.isfinite(bound) and bound < 0.5


def test_report_goes_on_without_a_gradient(network, known):
    images, labels, _ = known
    model = FAKES["without_gradient"](network)
    report = evaluate(model, images, labels)
    assert set(report.skipped) == {"fgsm", "pgd"}
    assert "gradient" in report.skipped["pgd"]
    assert {line.attack for line in report.rows} == {
        "clean",
        "square",
        "worst case",
    }
    assert list(report.to_dict()["attacks"]) == ["square"]
    assert report.to_dict()["skipped"] == report.skipped
    assert "left out: pgd." in str(report)
    assert "Square" in raised(report)["vanishing gradients"]


def test_no_attack_without_a_gradient(network, known):
    images, labels, _ = known
    model = FAKES["without_gradient"](network)
    with pytest.raises(ValueError, match=r"attacks=\['square'\]"):
        kad.evaluate_robustness(
            model, images, labels, attacks=["fgsm", "pgd"], verbose=0
        )
