"""Checks against self-deception: signs that a robust accuracy is too high."""

from ..flag import Flag
from .context import Context as Context
from .falling_accuracy import accuracy_does_not_fall
from .gradients import vanishing_gradients
from .huge_epsilon import huge_epsilon_is_survived
from .inference import optimization_at_inference
from .probabilities import outputs_are_probabilities
from .randomness import randomness_in_inference
from .rising_loss import loss_still_rises
from .rivals import black_box_beats_white_box
from .rivals import single_step_beats_iterative

# Functions of a `Context` that return whether the flag is raised, and a
# sentence; a `ValueError` says why the check cannot be made.
CHECKS = {
    "outputs are probabilities": outputs_are_probabilities,
    "randomness in inference": randomness_in_inference,
    "optimization at inference": optimization_at_inference,
    "vanishing gradients": vanishing_gradients,
    "single-step beats iterative": single_step_beats_iterative,
    "black-box beats white-box": black_box_beats_white_box,
    "huge epsilon is survived": huge_epsilon_is_survived,
    "accuracy does not fall with epsilon": accuracy_does_not_fall,
    "loss still rises": loss_still_rises,
}


def run_checks(context):
    """Returns a list of `Flag`, one for each check.

    Args:
        context: The `Context`.
    """
    flags = []
    for name, check in CHECKS.items():
        try:
            raised, sentence = check(context)
            flags.append(Flag(name, bool(raised), sentence))
        except ValueError as error:
            flags.append(Flag(name, None, f"Not checked: {error}"))
    return flags


def not_checked(reason):
    """The flags of checks that were not made."""
    return [Flag(name, None, f"Not checked: {reason}") for name in CHECKS]
