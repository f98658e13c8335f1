"""Compiled functions of an attack."""

from ...classifier import CompiledFunctions

# What compiled code is given as an argument, or does not depend on.
_ARGUMENTS = ("epsilon", "step_size", "seed", "name")


class CompiledAttack(CompiledFunctions):
    """Compiles an attack's functions; copies of the attack share them.

    Args:
        build: Function of an attack, a victim and a value range that returns
            a dict of functions of tensors.
    """

    def __init__(self, build):
        super().__init__(build, owner=True, arguments=_ARGUMENTS)
