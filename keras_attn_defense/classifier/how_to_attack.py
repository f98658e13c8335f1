"""What a layer says about how it has to be attacked."""

import contextlib
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

from keras import ops

from .._arguments import check_count
from .._typing import Tensor
from .intercept import intercept


class HowToAttack(NamedTuple):
    """What a layer tells attacks, by its method `how_to_attack`.

    Attacks ask the layers of a model by themselves, so whoever evaluates a
    model need not know what is inside of it. A layer of your own answers by a
    method `how_to_attack(self)` that returns a `HowToAttack`.

    Args:
        substitute: A differentiable function of what the layer takes, of the
            shape that it returns. Attacks follow its gradient in place of the
            layer's, whose values stay (BPDA). None means the layer's own
            gradient, through all of its steps.
        replaces: Whether attacks also see the substitute's values: for a layer
            that changes how sure the model is, and not which class it predicts.
        draws: Number of random passes over which attacks average the gradient
            of one step (EOT). An attack inside a training step takes one.

    Example:

    ```python
    class Rounding(layers.Layer):
        def call(self, images):
            return keras.ops.round(images * 7.0) / 7.0

        def how_to_attack(self):
            return kad.defenses.HowToAttack(substitute=lambda images: images)


    defended = keras.Sequential([keras.Input((16, 16, 3)), Rounding(), model])
    x_adv = kad.attacks.PGD()(defended, x, y)
    ```

    Reference:
        [Athalye et al., 2018](https://arxiv.org/abs/1802.00420), section 4.
    """

    substitute: Callable[[Tensor], Tensor] | None = None
    replaces: bool = False
    draws: int = 1


def declarations(layers: Any) -> list[tuple[Any, HowToAttack]]:
    """Lists the layers that say how they have to be attacked, and what.

    Args:
        layers: Keras layers; each counts once.

    Raises:
        ValueError: If one says something else than a `HowToAttack`.
    """
    found = []
    for layer in {id(each): each for each in layers}.values():
        if hasattr(layer, "how_to_attack"):
            found.append((layer, _checked(layer, layer.how_to_attack())))
    return found


def _checked(layer, how):
    if not isinstance(how, HowToAttack):
        raise ValueError(
            f"`how_to_attack()` of the layer '{layer.name}' should return a "
            f"`kad.defenses.HowToAttack`. Received: {how!r}"
        )
    check_count(f"draws of the layer '{layer.name}'", how.draws)
    if how.substitute is not None and not callable(how.substitute):
        raise ValueError(
            f"The `substitute` of the layer '{layer.name}' should be a "
            f"function or None. Received: {how.substitute!r}"
        )
    return how


@contextlib.contextmanager
def substituted(declared: Any, replaces: bool = False) -> Any:
    """A scope in which layers have the gradient of their substitutes.

    Args:
        declared: What `declarations` returned.
        replaces: Whether all have their values as well.
    """
    with contextlib.ExitStack() as stack:
        for layer, how in declared:
            if how.substitute is not None:
                handler = _handler(layer, how, replaces or how.replaces)
                stack.enter_context(intercept(layer, "call", handler))
        yield


def _handler(layer, how, replaces):
    def handler(original, x, *args, **kwargs):
        smooth = how.substitute(x)
        if replaces:
            return smooth
        values = original(ops.stop_gradient(x), *args, **kwargs)
        return with_slope_of(
            values,
            smooth,
            f"`how_to_attack()` of the layer '{layer.name}'",
            "`substitute`",
        )

    return handler


def with_slope_of(values: Any, smooth: Any, who: str, name: str) -> Tensor:
    """Returns values, to the last bit, with the slope of something else.

    Args:
        values: A tensor; its own slope is left out.
        smooth: A tensor of the same shape.
        who: Who is to return `smooth`, for the error.
        name: What `smooth` is, for the error.

    Raises:
        ValueError: If the shapes differ.
    """
    if tuple(smooth.shape[1:]) != tuple(values.shape[1:]):
        raise ValueError(
            f"{who} gives values of the shape {tuple(values.shape)}, but its "
            f"{name} those of {tuple(smooth.shape)}. Pass as {name} a function "
            "that returns the same shape."
        )
    smooth = ops.cast(smooth, values.dtype)
    # The difference is zero to the last bit.
    return ops.stop_gradient(values) + (smooth - ops.stop_gradient(smooth))
