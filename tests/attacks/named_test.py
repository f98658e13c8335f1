"""Tests of attacks, methods and objectives by name."""

import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.attacks import perturbation_sets
from keras_attn_defense.attacks.named import _CLASSES
from keras_attn_defense.attention.named import METHODS


@pytest.mark.parametrize("name", sorted(_CLASSES))
def test_a_name_has_the_norm_of_its_class(name):
    assert kad.attacks.get(name).norm == _CLASSES[name]().norm


def test_norms_of_the_attacks_of_smallest_perturbations():
    norms = {n: kad.attacks.get(n).norm for n in ("lbfgs", "cw", "deepfool")}
    assert norms == {"lbfgs": "l2", "cw": "l2", "deepfool": "l2"}
    assert kad.attacks.get("CW", norm="linf").norm == "linf"
    assert kad.attacks.get("pgd", 0.1, norm="l1", steps=3).norm == "l1"


@pytest.mark.parametrize(
    "get",
    [
        kad.attacks.get,
        kad.attention.get,
        kad.attacks.objectives.get,
        perturbation_sets.get,
    ],
)
@pytest.mark.parametrize("foreign", [3, None, [], object(), "nosuch", b"pgd"])
def test_what_is_no_name_is_refused(get, foreign):
    with pytest.raises(ValueError, match="should be one of"):
        get(foreign)


@pytest.mark.parametrize(
    ("get", "cls"),
    [
        (kad.attacks.get, kad.attacks.PGD),
        (kad.attention.get, kad.attention.GradCAM),
        (kad.attacks.objectives.get, kad.attacks.objectives.Margin),
    ],
)
def test_a_class_is_no_object(get, cls):
    with pytest.raises(ValueError, match=rf"not its class: `{cls.__name__}\("):
        get(cls)
    assert isinstance(get(cls()), cls)


def test_an_object_takes_no_more_arguments():
    with pytest.raises(ValueError, match=r"leave out: \['epsilon', 'norm'\]"):
        kad.attacks.get(kad.attacks.PGD(0.1), 0.2, norm="l2")
    with pytest.raises(ValueError, match=r"leave out: \['normalization'\]"):
        kad.attention.get(kad.attention.GradCAM(), normalization="max")


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_has_its_name(name):
    if name != "lime":
        assert type(kad.attention.get(name.upper())) is METHODS[name]


@pytest.mark.parametrize("name", [3, ["l2"], np.array([1])])
def test_other_names_are_checked_too(name):
    with pytest.raises(ValueError, match="`normalization` should be one of"):
        kad.attention.GradCAM(normalization=name)
    if name != 3:
        with pytest.raises(ValueError, match="`schedule` should be one of"):
            kad.attacks.AttentionAttack(schedule=name)
