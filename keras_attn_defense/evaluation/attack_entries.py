"""The attacks of an evaluation, from the names or attacks that are given."""

import copy
import warnings
from typing import NamedTuple

from .. import attacks as kad_attacks
from ..adapters import from_function
from ..attacks import Attack
from ..attacks import AutoAttack
from .threat_model import check_norm


class AttackEntry(NamedTuple):
    """One attack of the report.

    Args:
        name: Its name.
        attack: The attack.
        group: The name of the attack that it is a part of, or its own. Entries
            of one group attack only images on which those before them failed,
            and their successes add up.
    """

    name: str
    attack: Attack
    group: str


def named_attacks(attacks, norm, seed):
    """Returns a dict of attacks by name.

    Args:
        attacks: `"quick"`, the name of an attack, an attack, a list of
            names and attacks, or a dict of attacks by name.
        norm: The norm, for attacks that are given by name.
        seed: The seed, for the same.
    """
    norm = check_norm(norm)
    if isinstance(attacks, dict):
        named = {}
        for name, attack in attacks.items():
            named[str(name)] = _attack(attack, norm, seed)
    elif isinstance(attacks, (list, tuple)):
        named = {}
        for given in attacks:
            attack = _attack(given, norm, seed)
            named[_unused(_name(given, attack), named)] = attack
    elif attacks == "quick":
        named = quick_attacks(norm, seed)
    else:
        attack = _attack(attacks, norm, seed)
        named = {_name(attacks, attack): attack}
    if not named:
        raise ValueError(
            "`attacks` is empty. Name at least one, or leave it out for the "
            "quick set."
        )
    for name, attack in named.items():
        _check(name, attack, norm)
    return named


def quick_attacks(norm, seed):
    """One gradient step, many with restarts, and a search without gradients."""
    # In l1 PGD moves one value a step, and breaks far less than APGD.
    name, iterative = "pgd", kad_attacks.PGD
    if norm == "l1":
        name, iterative = "apgd", kad_attacks.APGD
    return {
        "fgsm": kad_attacks.FGSM(norm=norm),
        name: iterative(steps=20, restarts=3, norm=norm, seed=seed),
        "square": kad_attacks.Square(
            queries=200, rescale_schedule=True, norm=norm, seed=seed
        ),
    }


def common_epsilon(named):
    """The radius that the attacks themselves carry, or None.

    Args:
        named: A dict of attacks by name.
    """
    epsilons = {
        name: attack.epsilon
        for name, attack in named.items()
        if attack.epsilon is not None
    }
    if not epsilons:
        return None
    values = set(epsilons.values())
    if len(values) > 1 or isinstance(next(iter(values)), tuple):
        raise ValueError(
            "The attacks should be compared at the same radii, but carry "
            f"{epsilons}. Pass `epsilons`, such as epsilons=[8 / 255]."
        )
    return values.pop()


def attack_entries(named, num_classes, value_range):
    """Returns the list of `AttackEntry`, in order.

    Their attacks are copies at full strength, whatever a schedule of the
    training does to the originals.

    Args:
        named: A dict of attacks by name.
        num_classes: The number of classes.
        value_range: `(lower, upper)` bounds of the images.
    """
    entries = []
    for name, attack in named.items():
        if isinstance(attack, AutoAttack):
            entries += [
                AttackEntry(f"{name}/{part}", component, name)
                for part, component in attack.components(num_classes).items()
            ]
        else:
            entries.append(AttackEntry(name, attack, name))
    return [
        entry._replace(attack=_prepared(entry.name, entry.attack, value_range))
        for entry in entries
    ]


def settings(attack):
    """An attack's configuration, without its name, which says nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of lambdas: nothing is loaded again.
        config = attack.get_config()
    return {
        "class": type(attack).__name__,
        **{key: value for key, value in config.items() if key != "name"},
    }


def _attack(attack, norm, seed):
    if isinstance(attack, Attack):
        return attack
    if isinstance(attack, str) and attack != "quick":
        return kad_attacks.get(attack, norm=norm, seed=seed)
    if callable(attack) and not isinstance(attack, type):
        return from_function(attack, norm=norm, seed=seed)
    raise ValueError(
        "`attacks` should be 'quick', 'autoattack', the name of an attack, an "
        "attack, a function, a list of those, or a dict of attacks by name. "
        "Those of other libraries are adapted by `kad.adapters`. Received: "
        f"{attack!r} (of type {type(attack).__name__})."
    )


def _name(given, attack):
    return given if isinstance(given, str) else attack.label


def _unused(name, taken):
    number = 2
    unused = name
    while unused in taken:
        unused = f"{name}-{number}"
        number += 1
    return unused


def _check(name, attack, norm):
    if attack.targeted:
        raise ValueError(
            f"The attack '{name}' is targeted: it moves images to the classes "
            "given, which here are the true ones. Build it with "
            "targeted=False."
        )
    if attack.norm == "l0":
        raise ValueError(
            f"The attack '{name}' counts changed values, norm='l0'; reports "
            "have radii in linf, l2 and l1. Pass it one of these, or count: "
            "`(attack.run(model, x, y).images != x).sum((1, 2, 3))`."
        )
    if attack.norm != norm:
        raise ValueError(
            f"The attack '{name}' is for the norm '{attack.norm}', but "
            f"norm='{norm}'. Pass norm='{attack.norm}', or another attack."
        )


def _prepared(name, attack, value_range):
    if attack.value_range not in (None, value_range):
        raise ValueError(
            f"The attack '{name}' is for value_range={attack.value_range}, "
            f"but the images are in {value_range}. Pass the same `value_range` "
            "to both, or none to the attack."
        )
    attack = copy.copy(attack)
    attack.value_range = value_range
    attack.strength.assign(1.0)
    return attack
