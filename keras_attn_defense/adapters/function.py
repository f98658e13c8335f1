"""An attack that is a plain function."""

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
    """A function as an attack; `kad.evaluate_robustness` does it by itself.

    Args:
        function: Called as `function(model, images, labels)`, in NumPy, it
            returns adversarial images. If it has an argument `epsilon` too, it
            is called for each radius. If not, it is called once, and an image
            counts at each radius that it fits.
        epsilon: The radius, in the units of the images; see
            `kad.attacks.Attack`.
        name: The attack's name in a report. None takes the function's.
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
    asks = "epsilon" in inspect.signature(function).parameters

    def connect(logits, value_range):
        victim = logits.victim
        # A view that is more than its model, such as `BPDA`, goes as it is.
        model = victim.model if victim.identity is victim.model else victim

        def at_radius(epsilon):
            more = {"epsilon": epsilon} if asks else {}
            return function, lambda x, y: function(model, x, y, **more)

        return at_radius

    if name is None:
        name = str(getattr(function, "__name__", type(function).__name__))
    known = {"minimal": not asks}
    check_known(known, kwargs, "whether the function has an `epsilon`")
    return ForeignAttack(connect, epsilon, name=name, **{**kwargs, **known})
