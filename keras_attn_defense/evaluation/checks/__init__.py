"""Checks against self-deception: signs that a robust accuracy is too high."""

from ..red_flag import RedFlag
from . import of_attacks
from . import of_data
from . import of_defenses
from . import of_model
from .context import Context as Context

# Functions of a `Context` that return whether the flag is raised, and a
# sentence; a `ValueError` says why the check cannot be made.
CHECKS = {
    "accuracy at chance": of_data.accuracy_at_chance,
    "classes are missing": of_data.classes_are_missing,
    "outputs are probabilities": of_model.outputs_are_probabilities,
    "randomness in inference": of_model.randomness_in_inference,
    "answers depend on the batch": of_model.answers_depend_on_the_batch,
    "optimization at inference": of_model.optimization_at_inference,
    "vanishing gradients": of_model.vanishing_gradients,
    "gradients mislead": of_model.gradients_mislead,
    "outputs jump": of_model.outputs_jump,
    "defenses are ignored": of_defenses.defenses_are_ignored,
    "layers hide the gradient": of_attacks.layers_hide_the_gradient,
    "another attack finds more": of_attacks.another_attack_finds_more,
    "levels of a byte decide": of_attacks.levels_decide,
    "single-step beats iterative": of_attacks.single_step_beats_iterative,
    "black-box beats white-box": of_attacks.black_box_beats_white_box,
    "huge epsilon is survived": of_attacks.huge_epsilon_is_survived,
    "accuracy does not fall with epsilon": of_attacks.accuracy_does_not_fall,
    "loss still rises": of_attacks.loss_still_rises,
}


def run_checks(context):
    """Makes all checks.

    Args:
        context: The `Context`.

    Returns:
        A list of `RedFlag`, one for each check.
    """
    flags = []
    for name, check in CHECKS.items():
        try:
            raised, sentence = check(context)
            flags.append(RedFlag(name, bool(raised), sentence))
        except ValueError as error:
            flags.append(RedFlag(name, None, _sentence(str(error))))
    return flags


def not_checked(reason):
    """Returns the flags of checks that were not made."""
    return [RedFlag(name, None, reason) for name in CHECKS]


def _sentence(words):
    return words[:1].upper() + words[1:]
