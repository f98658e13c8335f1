"""Tests of what `repr` shows of attacks, maps, masks, losses, objectives."""

import pytest

import keras_attn_defense as kad
from keras_attn_defense import attacks
from keras_attn_defense import attention
from keras_attn_defense import losses


class Mine(attacks.PGD):
    def __init__(self, epsilon=0.5, rounds=2, **kwargs):
        super().__init__(epsilon, **kwargs)
        self.rounds = rounds

    def get_config(self):
        return {**super().get_config(), "rounds": self.rounds}


@pytest.mark.parametrize(
    "build, shown",
    [
        (lambda: attacks.PGD(), "PGD()"),
        (
            lambda: attacks.PGD(0.1, steps=20, norm="l2", name="mine"),
            "PGD(epsilon=0.1, norm='l2', steps=20)",
        ),
        (lambda: attacks.FGSM((0.0, 0.1)), "FGSM(epsilon=(0.0, 0.1))"),
        (lambda: attacks.Square(queries=100), "Square(queries=100)"),
        (
            lambda: attacks.PGD(objective=attacks.objectives.CrossEntropy(0.1)),
            "PGD(objective=CrossEntropy(label_smoothing=0.1))",
        ),
        (lambda: Mine(rounds=3), "Mine(rounds=3)"),
        (lambda: Mine(0.25), "Mine(epsilon=0.25)"),
        (
            lambda: attention.GradCAM("conv", upsample=True),
            "GradCAM(layer='conv', upsample=True)",
        ),
        (
            lambda: attention.AttentionMask("quantile", 0.7),
            "AttentionMask(threshold='quantile', level=0.7)",
        ),
        (
            lambda: losses.PreservationLoss("l1", reduction="sum"),
            "PreservationLoss(distance='l1', reduction='sum')",
        ),
        (
            lambda: kad.models.StrongSampleSelection(0.4),
            "StrongSampleSelection(threshold=0.4)",
        ),
    ],
)
def test_arguments_that_differ_from_the_defaults(build, shown):
    assert repr(build()) == shown


def test_what_has_no_configuration_is_shown_as_python_shows_it():
    class Other(attacks.PGD):
        def get_config(self):
            raise NotImplementedError

    assert repr(Other()).startswith("<")
