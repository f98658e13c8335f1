"""Momentum, with what makes adversarial images transfer to other networks."""

from typing import Any

import numpy as np
from keras import ops
from keras import random

from .._arguments import check_count
from .._arguments import check_number
from .._backend import total
from .._registration import register
from .._typing import Tensor
from ..classifier import ClassifierView
from ..classifier import frozen
from ..data import from_channels_last
from ..data import to_channels_last
from ..preprocessing.resampling import resampled
from ..preprocessing.resampling import shrunk
from .engine.image_gradient import through
from .engine.task import Task
from .momentum_bim import MomentumBIM


@register
class TransferAttack(MomentumBIM):
    """Momentum iterative method whose images also fool other networks.

    An attack that sees one network only follows what is peculiar to it. Each
    of these switches averages some of that away; all of them off is
    `MomentumBIM`, and any of them go together:

    - `diversity` (DI): each step shrinks an image, with this probability, to a
      random size at a random place; the rest has the lower bound of the value
      range.
    - `smoothing` (TI): the gradient is convolved with a Gaussian kernel, about
      the mean gradient of images that are moved by a few pixels.
    - `scales` (SI): the mean gradient of copies of the image, their values
      divided by 1, 2, 4, ...
    - `neighbors` (VT): each gradient is corrected by how much that of random
      neighbors differed from it, one step before.
    - `nesterov` (NI): the gradient is taken one step ahead, where momentum
      alone would lead.

    A step takes `scales * (1 + neighbors)` forward and backward passes. On four
    small networks DI and TI helped most, SI and NI did not
    (`benchmarks/transfer.py`).

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` drawn from for each batch. None means 8/255
            of the value range.
        step_size: Length of one step; None means `2.5 * epsilon / steps`.
        steps: Number of steps.
        diversity: Probability from 0, never, to 1, in each step.
        smallest: The smallest side of an image that is shrunk, as a share of
            its side.
        smoothing: Side `k` of the kernel in pixels, an odd number; its
            standard deviation is `(k - 1) / 6`. 1 leaves gradients as they
            are. The paper's 15 is for images of 299x299.
        scales: Number of copies; the paper has 5.
        neighbors: Number of neighbors; the paper has 20.
        neighborhood: Radius of the ball that neighbors are drawn from, as a
            multiple of epsilon.
        nesterov: Whether to look ahead, in the norm `"linf"`.
        **kwargs: Arguments of `MomentumBIM` and of every attack: `decay`,
            `objective`, `norm`, `targeted`, `value_range`, `seed`, `name` and
            more; see `GradientAttack`.

    Example:

    ```python
    source, target = model, keras.models.clone_model(model)
    attack = kad.attacks.TransferAttack(epsilon=16 / 255, smoothing=7, seed=0)
    x_adv = attack(source, x, y)  # the target was not asked
    success = np.argmax(target.predict(x_adv), -1) != y

    # The same as a row of a report:
    transfer = kad.attacks.EnsembleAttack([source], attack)
    report = kad.evaluate_robustness(target, x, y, attacks=[transfer])
    ```

    Reference:
        DI: [Xie et al., 2019](https://arxiv.org/abs/1803.06978), equation 3.
        TI: [Dong et al., 2019](https://arxiv.org/abs/1904.02884), equation 9.
        NI, SI: [Lin et al., 2020](https://arxiv.org/abs/1908.06281), equations
        6 and 8. VT: [Wang and He, 2021](https://arxiv.org/abs/2103.15571),
        equation 4 and algorithm 1.
    """

    def __init__(
        self,
        epsilon: float | None = None,
        step_size: float | None = None,
        steps: int = 10,
        *,
        diversity: float = 0.5,
        smallest: float = 0.9,
        smoothing: int = 1,
        scales: int = 1,
        neighbors: int = 0,
        neighborhood: float = 1.5,
        nesterov: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, step_size, steps, **kwargs)
        self.diversity = check_number("diversity", diversity, 0.0, 1.0)
        self.smallest = check_number("smallest", smallest, 0.0, 1.0, above=True)
        self.smoothing = _odd("smoothing", smoothing)
        self.scales = check_count("scales", scales)
        self.neighbors = check_count("neighbors", neighbors, lowest=0)
        self.neighborhood = check_number("neighborhood", neighborhood)
        self.nesterov = bool(nesterov)
        if self.nesterov and self.norm != "linf":
            raise ValueError(
                "nesterov=True is a step of the norm 'linf'. Received: "
                f"norm={self.norm!r}. Leave one of them out."
            )

    def memory(self, images: Tensor) -> Any:
        # The accumulated gradient, and the correction of the next one.
        return super().memory(images), ops.zeros_like(images)

    def reference(self, task: Task) -> Any:
        # What steps draw is ahead of the seed, which goes on from run to run.
        random.uniform((), seed=self.seed_generator)
        return super().reference(task)

    def _step(self, task, step_size, reference, i, state):
        x, (memory, correction) = state
        task = task._replace(victim=task.victim.with_draw(i))
        ahead = x
        if self.nesterov:
            ahead = x + step_size * self.decay * memory
        gradient = task.sign * self.gradient(task, ahead, reference, i)
        ball = self.perturbation_set(reference)
        direction, memory = self.direction(
            ball.restrict(gradient + correction, x, task.value_range), memory
        )
        if self.neighbors:
            around = self._gradient_around(task, ahead, reference, i)
            correction = task.sign * around - gradient
        x = self._project(task, reference, x + step_size * direction)
        return x, (memory, correction)

    def gradient(self, task: Task, x: Any, reference: Any, i: int) -> Tensor:
        lower, _ = task.value_range

        def at_scale(number):
            victim = task.victim
            if self.scales > 1:
                victim = victim.with_draw(number)
            share = ops.power(0.5, ops.cast(number, x.dtype))

            def copy(x):
                return self._diversified((x - lower) * share, victim) + lower

            return through(
                copy, self.objective, victim, x, task.labels, reference
            )[1]

        gradient = total(self.scales, at_scale) / self.scales
        return gradient if self.smoothing == 1 else self._smoothed(gradient)

    def _diversified(self, x, victim):
        """Shrinks images whose lower bound is zero."""
        if not self.diversity:
            return x
        x = to_channels_last(x)
        with self._drawing(victim):
            chances = random.uniform(
                (4, ops.shape(x)[0]), seed=self.seed_generator
            )
        scale = self.smallest + (1.0 - self.smallest) * chances[0]
        scale = ops.where(chances[3] < self.diversity, scale, 1.0)
        return from_channels_last(shrunk(x, scale, chances[1:3]))

    def _smoothed(self, gradient):
        gradient = to_channels_last(gradient)
        rows, columns = (
            _blur(side, self.smoothing) for side in gradient.shape[1:3]
        )
        return from_channels_last(resampled(gradient, rows, columns))

    def _gradient_around(self, task, x, reference, i):
        """The mean gradient of random neighbors of the images."""
        radius = self.neighborhood * task.epsilon

        def at_neighbor(number):
            # What the gradient draws must not be what the noise is made of.
            with self._drawing(task.victim.with_draw(self.neighbors + number)):
                noise = self.ball.sample(
                    ops.shape(x), radius, self.seed_generator
                )
            there = task._replace(victim=task.victim.with_draw(number))
            return self.gradient(there, x + noise, reference, i)

        return total(self.neighbors, at_neighbor) / self.neighbors

    def _drawing(self, victim):
        """A scope of random numbers that belong to one draw."""
        return frozen([self.seed_generator.state], victim.draw)

    def passes_of_step(self, victim: ClassifierView) -> tuple[int, int]:
        forward, backward = super().passes_of_step(victim)
        times = self.scales * (1 + self.neighbors)
        return times * forward, times * backward

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "diversity": self.diversity,
            "smallest": self.smallest,
            "smoothing": self.smoothing,
            "scales": self.scales,
            "neighbors": self.neighbors,
            "neighborhood": self.neighborhood,
            "nesterov": self.nesterov,
        }


def _odd(name, value):
    number = check_count(name, value)
    if number % 2 == 0:
        raise ValueError(
            f"`{name}` should be an odd number, so that the kernel has a "
            f"middle. Received: {name}={value}. Use {number + 1}."
        )
    return number


def _blur(side, width):
    """Weights `(1, side, side)` that convolve a side with a Gaussian."""
    # As its authors do: values of the density from -3 to 3 standard deviations.
    kernel = np.exp(-0.5 * np.linspace(-3.0, 3.0, width) ** 2)
    kernel = np.r_[kernel / kernel.sum(), 0.0]
    place = np.arange(side)
    # Outside of the kernel, the zero behind it.
    index = place[None] - place[:, None] + width // 2
    index = np.where((index < 0) | (index >= width), width, index)
    return ops.convert_to_tensor(kernel[index][None], dtype="float32")
