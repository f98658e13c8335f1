"""Compiled functions of an attack on the last model it met."""

from ..._backend import compiled

# What compiled code is given as an argument, or does not depend on.
_PASSED = ("epsilon", "step_size", "seed", "name")


class CompiledAttack:
    """Compiles an attack's functions once for each model.

    A plain object, so that Keras does not track the model.

    Args:
        build: Function of an attack, a victim and a value range that returns
            a dict of functions of tensors.
    """

    def __init__(self, build):
        self._build = build
        self._key = self._functions = None

    def __call__(self, attack, victim, value_range):
        """The compiled functions of `attack` on `victim`, by name."""
        config = attack.get_config()
        settings = {k: v for k, v in config.items() if k not in _PASSED}
        key = (victim.identity, value_range, settings)
        # A plain function may read weights that the compiled code would keep
        # as they are now.
        if self._key != key or not victim.variables:
            variables = [*victim.variables, *attack.variables]
            self._key = key
            self._functions = {
                name: compiled(function, variables)
                for name, function in self._build(
                    attack, victim, value_range
                ).items()
            }
        return self._functions
