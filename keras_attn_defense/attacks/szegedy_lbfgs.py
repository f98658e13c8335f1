"""Box-constrained L-BFGS: the first attack, on the host, image by image."""

from typing import Any

import numpy as np
import scipy
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Norm
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import ClassifierView
from .arguments import check_norm
from .attack import Attack
from .engine.attack_result import AttackResult
from .engine.draws import over_draws
from .engine.image_gradient import image_gradient
from .objectives import cross_entropy
from .objectives.margin import others


@register
class SzegedyLBFGS(Attack):
    """Box-constrained L-BFGS, the attack that discovered adversarial examples.

    Minimizes `|r|^2 + constant * CE(x + r, target)` over all `r` that keep
    `x + r` in the value range, and looks for the smallest constant for which
    the image is misclassified. Lengths count as shares of the value range.
    (The paper writes `|r|`, which has a kink at the clean image; the square has
    the same stationary points, for other constants.)

    Without a target, the class to reach is the strongest wrong class of the
    clean image, and any wrong class is a success.

    It runs SciPy on the host, one image after the other: it is slow, cannot
    run inside a training step, and is meant as a reference.

    Args:
        epsilon: None returns the perturbation found, however large; a number
            projects it to the ball of that radius, in the units of the images.
        steps: Largest number of iterations for one constant.
        binary_search_steps: Number of constants that are tried.
        initial_const: The first constant. It grows tenfold until the image is
            misclassified; then the interval between failure and success is
            halved.
        norm: `"l2"`.
        **kwargs: Arguments of every attack: `targeted`, `value_range`, `name`;
            see `Attack`.

    Example:

    ```python
    attack = kad.attacks.SzegedyLBFGS(
        targeted=True, steps=10, binary_search_steps=3
    )
    x_adv = attack(model, x[:1], (y[:1] + 1) % 4)
    ```

    Reference:
        [Szegedy et al., 2014](https://arxiv.org/abs/1312.6199), section 4.1.
    """

    minimal = True

    def __init__(
        self,
        epsilon: float | None = None,
        steps: int = 50,
        *,
        binary_search_steps: int = 9,
        initial_const: float = 1e-2,
        norm: Norm = "l2",
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, norm=norm, **kwargs)
        check_norm(self, ("l2",))
        if self.restarts > 1:
            raise ValueError(
                "SzegedyLBFGS begins at the clean image and draws nothing, so "
                "that a second run would find the same. Leave `restarts` out. "
                f"Received: restarts={self.restarts}"
            )
        self.steps = check_count("steps", steps)
        self.binary_search_steps = check_count(
            "binary_search_steps", binary_search_steps
        )
        self.initial_const = check_number("initial_const", initial_const)
        self._compiled = self._compiles(_functions)

    def perturb(
        self,
        victim: ClassifierView,
        images: Tensor,
        labels: Tensor,
        value_range: ValueRange,
        start: Tensor | None = None,
        steps: int | None = None,
    ) -> Tensor:
        raise ValueError(
            "SzegedyLBFGS runs SciPy on the host and cannot run inside a "
            "compiled or a training step. Call it with arrays, or use "
            "`CarliniWagner` there."
        )

    def run_batches(
        self,
        victim: ClassifierView,
        value_range: ValueRange,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
    ) -> Any:
        functions = self._compiled(self, victim, value_range)
        found = np.empty_like(images)
        passes = np.zeros(len(images), "int64")
        for row, image in enumerate(images):
            search = _Search(self, functions, value_range, image, labels[row])
            found[row], passes[row] = search.run(), search.passes
        project = self.ball.projection(
            ops.convert_to_tensor(images), self.radius(value_range), value_range
        )
        found = project(ops.convert_to_tensor(found))
        passes *= victim.draws
        # One forward pass more: that of the clean image.
        return AttackResult(ops.convert_to_numpy(found), passes + 1, passes)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "steps": self.steps,
            "binary_search_steps": self.binary_search_steps,
            "initial_const": self.initial_const,
        }


class _Search:
    """The search for one image; what SciPy sees is flat and in float64."""

    def __init__(self, attack, functions, value_range, image, label):
        self._attack = attack
        self._evaluate = functions["evaluate"]
        self._lower, self._upper = value_range
        self._width = self._upper - self._lower
        self._image = image
        logits, strongest = functions["begin"](
            ops.convert_to_tensor(image[None]), ops.convert_to_tensor([label])
        )
        self._label = label
        self._target = ops.convert_to_tensor([label])
        if not attack.targeted:
            self._target = strongest
        self._success_at_once = self._is_success(logits)
        self.passes = 0

    def run(self):
        """The nearest misclassified image, or else the clean one."""
        best, best_size = self._image, np.inf
        if self._success_at_once:
            return best
        # The constant weighs the loss against the size of the change. The
        # smallest that still fools the model gives the smallest change: first
        # ten times as large until one succeeds, then halved between the
        # largest that failed and the smallest that succeeded.
        lower, constant, upper = 0.0, self._attack.initial_const, np.inf
        for _ in range(self._attack.binary_search_steps):
            x, success = self._minimum(constant)
            # A larger constant does not always mean a larger change, as each
            # minimum is only a local one: keep the smallest success.
            size = np.linalg.norm(x - self._image)
            if success and size < best_size:
                best, best_size = x, size
            if success:
                upper = constant
            else:
                lower = constant
            constant = (lower + upper) / 2 if upper < np.inf else 10 * constant
        return best

    def _minimum(self, constant):
        """The image of least cost, and whether it is misclassified."""
        clean = self._image.astype("float64").ravel()

        # Equation (1) of the paper, with the change in units of the range, so
        # that a constant means the same for bytes and for numbers up to one.
        def cost(x):
            loss, slope, _ = self._at(x)
            change = (x - clean) / self._width
            cost = change @ change + constant * loss
            return cost, 2.0 * change / self._width + constant * slope

        x = scipy.optimize.minimize(
            cost,
            clean,
            jac=True,
            method="L-BFGS-B",
            bounds=[(self._lower, self._upper)] * clean.size,
            options={"maxiter": self._attack.steps},
        ).x
        # What counts is the image in float32, not what SciPy saw.
        logits = self._at(x)[2]
        return self._as_image(x)[0], self._is_success(logits)

    def _at(self, x):
        self.passes += 1
        image = ops.convert_to_tensor(self._as_image(x))
        loss, slope, logits = (
            ops.convert_to_numpy(value)
            for value in self._evaluate(image, self._target)
        )
        slope = slope.astype("float64").ravel()
        return float(loss[0]), slope, logits

    def _as_image(self, x):
        return x.reshape((1, *self._image.shape)).astype("float32")

    def _is_success(self, logits):
        predicted = ops.convert_to_numpy(logits)[0].argmax()
        # A target has to be reached, a label has to be left.
        return (predicted == self._label) == self._attack.targeted


def _functions(attack, victim, value_range):
    def begin(x, labels):
        logits = victim.frozen_logits(x)
        strongest = ops.argmax(others(logits, labels), axis=-1)
        return logits, ops.cast(strongest, "int32")

    def evaluate(x, target):
        return over_draws(
            victim,
            lambda view: image_gradient(
                view.frozen_logits, lambda z: cross_entropy(z, target), x
            ),
        )

    return {"begin": begin, "evaluate": evaluate}
