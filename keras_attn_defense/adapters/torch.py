"""To and from attacks on PyTorch modules."""

from collections.abc import Callable
from typing import Any

from .._typing import Model
from .._typing import ValueRange
from ..classifier import resolve_value_range
from .differentiable_logits import DifferentiableLogits
from .foreign_attack import ForeignAttack


def to_torch(model: Model, value_range: ValueRange | None = None) -> Any:
    """A PyTorch module, for the tools that attack one.

    It takes images `(batch, channels, height, width)` with values from 0 to 1,
    whatever the model takes, and returns logits, whatever the model ends in.
    Gradients flow to the images on every Keras backend; weights are constants.
    torchattacks, AutoAttack and CleverHans take it as it is.

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
    """An attack on a PyTorch module, for `kad.evaluate_robustness`.

    Args:
        build: Function of a module, as `to_torch` returns it, and the radius,
            **for values from 0 to 1**. Returns the attack: something to call
            with images `(batch, channels, height, width)` and labels, tensors,
            that returns adversarial images, alone or first of a tuple. It is
            called once for each radius.
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
            scaled = None if epsilon is None else epsilon / (upper - lower)
            attack = build(module, scaled)
            return attack, tools.on_numpy(attack, module)

        return at_radius

    return ForeignAttack(connect, epsilon, name=name, **kwargs)


def torch_tools():
    """What needs PyTorch, imported when it is asked for."""
    try:
        from .._backend import torch_module
    except ImportError as error:
        raise ImportError(
            "A PyTorch module needs PyTorch, whatever backend Keras runs on: "
            '`pip install "keras-attn-defense[torch]"`.'
        ) from error
    return torch_module
