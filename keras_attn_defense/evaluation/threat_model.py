"""The limits of an adversary, and whether an attack kept to them."""

import warnings
from typing import NamedTuple

import numpy as np

from .._arguments import check_number
from .._typing import Tensor
from ..attacks import perturbation_sets

# Rounding of float32: a share of epsilon, and a share of the value range.
_RELATIVE_SLACK = 1e-4
_ABSOLUTE_SLACK = 1e-6
_NORMS = {
    "linf": lambda change: abs(change).max(-1),
    "l2": lambda change: np.sqrt((change**2).sum(-1)),
    "l1": lambda change: abs(change).sum(-1),
}


class ThreatModel(NamedTuple):
    """Perturbations within a radius, images within their value range.

    Args:
        norm: `"linf"`, `"l2"` or `"l1"`.
        epsilons: The radii, ascending, in the units of the images.
        value_range: `(lower, upper)` bounds of the images.

    Example:

    ```python
    threat_model = kad.evaluation.ThreatModel("l2", (0.5,), (0.0, 1.0))
    distances = threat_model.distances(x + 0.1, x)
    np.testing.assert_allclose(distances, 0.1 * (16 * 16 * 3) ** 0.5, rtol=1e-5)
    ```
    """

    norm: str
    epsilons: tuple
    value_range: tuple

    @property
    def width(self) -> float:
        """The width of the value range."""
        return self.value_range[1] - self.value_range[0]

    def distances(self, adversarial: Tensor, images: Tensor) -> np.ndarray:
        """The norm of each image's change, in float64."""
        change = np.asarray(adversarial, "float64") - images
        return _NORMS[self.norm](change.reshape(len(change), -1))

    def without_rounding(self, distances: np.ndarray) -> np.ndarray:
        """Distances that exceed a radius by rounding only, as that radius."""
        for epsilon in self.epsilons:
            close = distances <= self._tolerated(epsilon)
            over = (distances > epsilon) & close
            distances = np.where(over, epsilon, distances)
        return distances

    def huge_epsilon(self, image_shape: tuple[int, ...]) -> float:
        """A radius whose ball holds the mid-gray image, whatever the image."""
        corner = np.full((1, *image_shape), self.width / 2)
        return float(self.distances(corner, np.zeros_like(corner))[0])

    def check(
        self, adversarial: Tensor, images: Tensor, epsilon: float, name: str
    ) -> None:
        """Raises a `ValueError` if an attack broke the rules.

        Args:
            adversarial: What the attack returned.
            images: The clean images.
            epsilon: The radius, or None for an attack without one.
            name: The attack's name.
        """
        if adversarial.shape != images.shape:
            raise ValueError(
                f"The attack '{name}' returned images of shape "
                f"{adversarial.shape} for images of shape {images.shape}."
            )
        if not np.isfinite(adversarial).all():
            raise ValueError(f"The attack '{name}' returned NaN or infinity.")
        lower, upper = self.value_range
        slack = _ABSOLUTE_SLACK * self.width
        lowest, highest = adversarial.min(), adversarial.max()
        if lowest < lower - slack or highest > upper + slack:
            raise ValueError(
                f"The attack '{name}' left the value range ({lower}, {upper}): "
                f"its images go from {lowest} to {highest}."
            )
        if epsilon is None:
            return
        distance = self.distances(adversarial, images).max()
        if distance > self._tolerated(epsilon):
            raise ValueError(
                f"The attack '{name}' left the {self.norm} ball: it moved an "
                f"image by {distance:.6g}, more than epsilon={epsilon:.6g}. "
                "Its success would not count; mend the attack."
            )

    def _tolerated(self, epsilon):
        slack = _ABSOLUTE_SLACK * self.width
        return epsilon * (1 + _RELATIVE_SLACK) + slack

    def label(self, epsilon: float) -> str:
        """Writes a radius as `8/255`, or as a plain number."""
        levels = epsilon * 255
        if self.norm == "linf" and self.width == 1 and round(levels) >= 1:
            if abs(levels - round(levels)) < 1e-6:
                return f"{round(levels)}/255"
        return f"{epsilon:.6g}"


def check_norm(norm):
    """Returns the name of a norm."""
    return perturbation_sets.get(norm).name


def check_epsilons(epsilons, norm, value_range):
    """Returns the radii in ascending order, each once.

    Args:
        epsilons: A number, several, or None for the usual radius of the norm.
        norm: The norm.
        value_range: `(lower, upper)` bounds of the images.
    """
    width = value_range[1] - value_range[0]
    if epsilons is None:
        return (perturbation_sets.get(norm).default_epsilon * width,)
    try:
        values = sorted(
            {
                check_number("epsilons", each, above=True)
                for each in np.ravel(epsilons)
            }
        )
    except (TypeError, ValueError):
        values = []
    if not values:
        raise ValueError(
            "`epsilons` should be numbers above 0, in the units of the images, "
            f"such as [4 / 255, 8 / 255]. Received: epsilons={epsilons!r}"
        )
    if norm == "linf" and values[-1] > width:
        raise ValueError(
            f"An epsilon of {values[-1]:g} lets every image in value_range="
            f"{value_range} become any other. Epsilons are in the units of "
            f"the images: did you mean {values[-1]:g} / 255?"
        )
    if norm == "linf" and values[-1] < width / 255 / 10:
        warnings.warn(
            f"epsilons={values} change images in value_range={value_range} by "
            "less than a tenth of a gray level. Epsilons are in the units of "
            f"the images; the usual one here is {8 / 255 * width:g}.",
            stacklevel=3,
        )
    return tuple(values)
