"""What each defense is worth, against those who do not know it and who do."""

import pytest

import keras_attn_defense as kad
from keras_attn_defense import defenses
from tests.defenses.helpers import findings
from tests.defenses.helpers import worth
from tests.evaluation import fake_defenses
from tests.evaluation.fake_defenses import EPSILON
from tests.testing import few_everywhere

# By how much accuracy is above that of the network alone, for images that
# ignore the defense: at least.
DEFENSES = {
    "bit_depth": (lambda: defenses.BitDepthReduction(3), 0.05),
    "jpeg": (lambda: defenses.JPEGCompression(25), 0.1),
    "pruning": (
        lambda: defenses.StochasticActivationPruning(0.6, seed=1),
        0.05,
    ),
    "anti_adversary": (lambda: defenses.AntiAdversary(), -0.05),
}
# A network as small as this one, trained on things of one size, is not attacked
# so well at every size and place: what is drawn at random helps it a little
# (docs/defenses.md), but much less than those believe who ignore it.
PARTLY = {
    "total_variation": lambda: defenses.TotalVariationMinimization(
        draws=4, seed=1
    ),
    "resize_pad": lambda: defenses.RandomResizePad(draws=10, seed=1),
    "crop": lambda: defenses.CropRescale(draws=10, seed=1),
}


@pytest.mark.parametrize("name", few_everywhere(list(DEFENSES), 1))
def test_helps_only_against_those_who_ignore_it(name, network, known):
    images, labels, found = known
    make, gain = DEFENSES[name]
    undefended = fake_defenses.right(network, found, labels, 1).mean()
    clean, ignored, adaptive = worth(make(), network, images, labels, found)
    assert clean > 0.7
    assert ignored > undefended + gain
    assert adaptive <= undefended + 0.1


@pytest.mark.once
@pytest.mark.parametrize("name", PARTLY)
def test_helps_less_against_those_who_know_it(name, network, known):
    images, labels, found = known
    undefended = fake_defenses.right(network, found, labels, 1).mean()
    _, ignored, adaptive = worth(
        PARTLY[name](), network, images, labels, found, steps=8, restarts=1
    )
    assert ignored > undefended + 0.2
    assert adaptive <= ignored - 0.07


@pytest.mark.once
def test_report_finds_out_by_itself(network, known):
    images, labels, found = known
    model = defenses.defend(network, defenses.BitDepthReduction(3))
    report = kad.evaluate_robustness(
        model,
        images,
        labels,
        attacks={"pgd": kad.attacks.PGD(steps=8, seed=0)},
        epsilons=[EPSILON],
        batch_size=32,
        verbose=0,
    )
    flags = {flag.name: flag for flag in report.flags}
    undefended = fake_defenses.right(network, found, labels, 1).mean()
    assert report.robust_accuracy[EPSILON] <= undefended + 0.1
    assert not [flag.name for flag in report.flags if flag.raised]
    assert "substitute" in flags["defenses are ignored"].sentence
    for check in ("gradients mislead", "outputs jump"):
        assert flags[check].sentence.startswith("With substitutes for '")


@pytest.mark.once
def test_flag_where_no_attack_asks(network, known):
    images, labels, _ = known
    model = defenses.defend(network, defenses.BitDepthReduction(3))
    square = kad.attacks.Square(queries=5, rescale_schedule=True, seed=0)
    name = "defenses are ignored"
    found = findings(model, images[:8], labels[:8], [name], {"square": square})
    raised, sentence = found[name]
    assert raised and "'bit_depth_reduction' (BitDepth" in sentence


def random_model(name, network, draws=None, inner=None):
    """A random fake defense that declares so many draws."""
    model = fake_defenses.FAKES[name](inner or network)
    if draws:
        model.layers[1].how_to_attack = lambda: defenses.HowToAttack(
            draws=draws
        )
    return model


@pytest.mark.once
def test_randomness_undeclared_and_declared(network, known):
    images, labels, _ = known
    names = ["randomness in inference", "defenses are ignored"]
    silent = random_model("noise", network)
    found = findings(silent, images[:8], labels[:8], names)
    assert [raised for raised, _ in found.values()] == [True, False]
    with pytest.raises(ValueError, match="random in inference"):
        findings(silent, images[:8], labels[:8], ["gradients mislead"])

    declared = random_model("noise", network, 10)
    names += ["gradients mislead", "outputs jump"]
    found = findings(declared, images, labels, names)
    assert [raised for raised, _ in found.values()] == [False] * 4
    assert "10 draws" in found["randomness in inference"][1]
    assert "over 10 draws" in found["defenses are ignored"][1]

    # One more layer that says nothing.
    more = random_model("noise", network, 10, inner=silent)
    found = findings(more, images[:8], labels[:8], names[:1])
    assert found["randomness in inference"][0]


@pytest.mark.once
@pytest.mark.parametrize("draws, few", [(2, True), (10, False)])
def test_too_few_draws_are_found_out(draws, few, network, known):
    images, labels, _ = known
    model = random_model("random_shift", network, draws)
    name = "another attack finds more"
    raised, sentence = findings(model, images, labels, [name])[name]
    assert raised == few
    assert f"gradients over {3 * draws} draws" in sentence
    assert ("Declare more draws" in sentence) == few
