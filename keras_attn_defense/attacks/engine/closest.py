"""The smallest perturbation so far, of attacks that look for the smallest."""

from keras import ops

from ..._typing import Tensor
from .task import Task


def nothing_yet(task: Task) -> dict:
    """The entries of a state that `keep_closest` reads, before any step.

    Args:
        task: The `Task`.
    """
    never = ops.zeros_like(task.labels, dtype="bool")
    worst = ops.zeros_like(task.labels, dtype="float32") - float("inf")
    return {
        "adversarial": task.images,
        "score": worst,
        "found": never,
        "done": never,
    }


def keep_closest(
    task: Task, state: dict, ball, x: Tensor, success: Tensor
) -> dict:
    """Keeps images that succeed, where their perturbation is the smallest.

    With a radius an image is done once its perturbation lies inside; a larger
    one is shortened to the border, and is no success then. Without one it is
    done only if it needs no perturbation.

    Args:
        task: The `Task`.
        state: The state of a search, with the entries of `nothing_yet`.
        ball: The `PerturbationSet` whose norm is to be small.
        x: Images `(batch, height, width, channels)`.
        success: Which of them are adversarial, `(batch,)`.

    Returns:
        The state, with these entries renewed.
    """
    change = x - task.images
    distance = ball.norm(change)
    lower, upper = task.value_range
    bound = max(abs(lower), abs(upper))
    radius = ball.margin(task.epsilon, ops.shape(change), bound)
    inside = distance <= radius
    # What is found outside of the ball is shortened to its border.
    shortened = task.images + ball.shortened(change, radius)
    closer = success & (-distance > state["score"])
    enough = ops.isfinite(task.epsilon) | (distance == 0.0)
    return {
        **state,
        "adversarial": ops.where(
            _spread(closer),
            ops.where(_spread(inside), x, shortened),
            state["adversarial"],
        ),
        "score": ops.where(closer, -distance, state["score"]),
        "found": ops.where(closer, inside, state["found"]),
        "done": ops.where(closer, inside & enough, state["done"]),
    }


def _spread(values):
    return values[:, None, None, None]
