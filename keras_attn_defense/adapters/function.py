"""An adapter to attacks that are plain functions."""

import inspect
from collections.abc import Callable
from typing import Any

from .foreign_attack import ForeignAttack
from .foreign_attack import check_known


def from_function(
    function: Callable[..., Any],
    epsilon: float | None = None,
    *,
    name: str | None = None,
    **kwargs: Any,
) -> ForeignAttack:
    """Adapts a function as an attack.

    `kad.evaluate_robustness` also accepts the function itself.

    Args:
        function: Called as `function(model, images, labels)`, in NumPy, it
            returns adversarial images. If it also has an argument `epsilon`,
            it is called for each radius. Otherwise it is called once, and an
            image counts at each radius that is not smaller than its distance.
        epsilon: The radius, in the units of the images; see
            `kad.attacks.Attack`.
        name: The attack's name in a report. None takes that of the function.
        **kwargs: `norm`, `black_box`, `value_range`, `seed`; see
            `ForeignAttack`.

    Returns:
        A `ForeignAttack`.

    Example:

    ```python
    def darken(model, images, labels, epsilon):
        return np.maximum(images - epsilon, 0.0)


    attack = kad.adapters.from_function(darken)
    report = kad.evaluate_robustness(model, x, y, attacks=[attack, "pgd"])
    ```
    """
    takes_epsilon = "epsilon" in inspect.signature(function).parameters

    def connect(logits, value_range):
        victim = logits.victim
        # A view that differs from its model, such as `BPDA`, is passed itself.
        model = victim.model if victim.identity is victim.model else victim

        def at_radius(epsilon):
            kwargs = {"epsilon": epsilon} if takes_epsilon else {}
            return function, lambda x, y: function(model, x, y, **kwargs)

        return at_radius

    if name is None:
        name = str(getattr(function, "__name__", type(function).__name__))
    known = {"minimal": not takes_epsilon}
    check_known(known, kwargs, "whether the function has an `epsilon`")
    return ForeignAttack(connect, epsilon, name=name, **{**kwargs, **known})
