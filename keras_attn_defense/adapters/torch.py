"""Adapters to attacks on PyTorch modules."""

from collections.abc import Callable
from typing import Any

from .._typing import Model
from .._typing import ValueRange
from ..data import resolve_value_range
from .differentiable_logits import DifferentiableLogits
from .foreign_attack import ForeignAttack


def to_torch(model: Model, value_range: ValueRange | None = None) -> Any:
    """Makes a PyTorch module for libraries that attack one.

    It takes images `(batch, channels, height, width)` with values from 0 to 1,
    for any value range of the model, and returns logits, for any output
    activation. Gradients flow to the images on every Keras backend; weights
    are constants. It works with torchattacks, AutoAttack and CleverHans.

    Args:
        model: A Keras classifier, a `kad.attacks.BPDA`, or a function from
            images to logits.
        value_range: `(lower, upper)` bounds of the model's images. None takes
            the model's `value_range`, or else `(0.0, 1.0)`.

    Returns:
        A `torch.nn.Module`, on the device of the Keras model; on the CPU if
        Keras does not run on PyTorch.

    Raises:
        ImportError: If PyTorch is not installed.

    Example:

    ```python
    import torch
    import torchattacks

    attack = torchattacks.PGD(kad.adapters.to_torch(model), eps=8 / 255)
    images = torch.tensor(x).permute(0, 3, 1, 2)  # channels first
    x_adv = attack(images, torch.tensor(y))
    ```
    """
    logits = DifferentiableLogits(model)
    return torch_tools().LogitsModule(
        logits, resolve_value_range(logits.victim, value_range)
    )


def from_torch(
    build: Callable[[Any, float | None], Callable[..., Any]],
    epsilon: float | None = None,
    *,
    name: str = "torch",
    **kwargs: Any,
) -> ForeignAttack:
    """Adapts an attack on a PyTorch module for `kad.evaluate_robustness`.

    Args:
        build: Function of a module, like that of `to_torch`, and the radius
            **for values from 0 to 1**. It returns the attack: a function of
            tensors, images `(batch, channels, height, width)` and labels,
            which returns adversarial images, alone or first in a tuple.
            `build` is called once for each radius.
        epsilon: The radius, in the units of the model's images; see
            `kad.attacks.Attack`.
        name: The attack's name in a report.
        **kwargs: `norm`, `minimal`, `black_box`, `value_range`, `seed`; see
            `ForeignAttack`.

    Returns:
        A `ForeignAttack`.

    Example:

    ```python
    import torchattacks

    pgd = kad.adapters.from_torch(
        lambda module, epsilon: torchattacks.PGD(module, eps=epsilon)
    )
    report = kad.evaluate_robustness(model, x, y, attacks=[pgd, "pgd"])
    ```
    """
    tools = torch_tools()

    def connect(logits, value_range):
        module = tools.LogitsModule(logits, value_range)
        lower, upper = value_range

        def at_radius(epsilon):
            # The module takes values from 0 to 1.
            scaled = None if epsilon is None else epsilon / (upper - lower)
            attack = build(module, scaled)
            return attack, tools.on_numpy(attack, module)

        return at_radius

    return ForeignAttack(connect, epsilon, name=name, **kwargs)


def torch_tools():
    """Imports the module that needs PyTorch, when it is used.

    Raises:
        ImportError: If PyTorch is not installed.
    """
    try:
        from .._backend import torch_module
    except ImportError as error:
        raise ImportError(
            "A PyTorch module needs PyTorch on every Keras backend: "
            '`pip install "keras-attn-defense[torch]"`.'
        ) from error
    return torch_module
