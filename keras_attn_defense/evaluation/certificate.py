"""The result of a certification."""

import functools
from typing import Any

import numpy as np
import scipy
from rich import box
from rich.table import Table

from .._files import check_suffix
from .._files import read_json
from .._files import write_json
from .._text import as_text
from .._text import show
from .._typing import Figure
from .._typing import Path
from ..visualization import certificate_figure
from .confidence import accuracy_interval

_FORMAT = "keras_attn_defense certificate 1"
_COLUMNS = ("index", "label", "class", "votes")
_SETTINGS = ("model", "sigma", "n0", "n", "alpha", "confidence", "images")


class Certificate:
    """Certified l2 radii of images, and accuracy against them.

    Made by `certify`. `str(result)` is the text of the summary.

    Args:
        columns: A dict of integer arrays `(N,)`: `index`, `label`, `class`
            (chosen by the first noisy copies) and `votes` (for that class, of
            the `n` others).
        settings: A dict of plain values that describe the certification.

    Example:

    ```python
    result = kad.evaluation.certify(model, x, y, n=200, verbose=0)
    result.per_sample["radius"]  # (8,)
    result.certified_accuracy(0.25), result.certified_interval(0.25)
    result.abstained  # share of images without an answer
    result.save("certificate.json")
    result.plot("certificate.png")
    ```
    """

    def __init__(
        self, columns: dict[str, np.ndarray], settings: dict[str, Any]
    ) -> None:
        self._columns = columns
        self.settings = settings
        self._share = lower_bound(
            columns["votes"], settings["n"], settings["alpha"]
        )
        self._radius = certified_radius(self._share, settings["sigma"])
        #: Booleans `(N,)`: images whose class is certified, and right.
        self.correct: np.ndarray = ~np.isnan(self._radius) & (
            columns["class"] == columns["label"]
        )

    def __len__(self) -> int:
        return len(self._columns["index"])

    @property
    def per_sample(self) -> dict[str, np.ndarray]:
        """A dict of arrays with one entry an image.

        `index` (the position in the data), `label`, `prediction` (-1 where the
        smoothed classifier abstains), `votes` for the chosen class,
        `p_lower`, the lower bound of its probability, and the certified
        `radius`, NaN where it abstains.
        """
        prediction = np.where(
            np.isnan(self._radius), -1, self._columns["class"]
        )
        return {
            "index": self._columns["index"].copy(),
            "label": self._columns["label"].copy(),
            "prediction": prediction,
            "votes": self._columns["votes"].copy(),
            "p_lower": self._share.copy(),
            "radius": self._radius.copy(),
        }

    @property
    def abstained(self) -> float:
        """The share of images without an answer."""
        return float(np.isnan(self._radius).mean())

    @property
    def average_radius(self) -> float:
        """The mean certified radius, 0 where the class is wrong."""
        return float(np.where(self.correct, self._radius, 0.0).mean())

    @property
    def largest_radius(self) -> float:
        """The radius of an image of which all noisy copies are one class."""
        n, alpha = self.settings["n"], self.settings["alpha"]
        share = lower_bound(n, n, alpha)
        return float(np.nan_to_num(self._certified(share)))

    def certified_accuracy(self, radius: float) -> float:
        """Returns the share of images that are right, up to an l2 radius.

        Args:
            radius: The l2 length of a perturbation, in the units of the
                images.
        """
        return self._count(radius) / len(self)

    def certified_interval(self, radius: float) -> tuple[float, float]:
        """Returns the confidence interval of `certified_accuracy`.

        It is exact (Clopper-Pearson). That each image's radius may be wrong
        with the probability `alpha` is not in it.

        Args:
            radius: As in `certified_accuracy`.
        """
        return accuracy_interval(
            self._count(radius), len(self), self.settings["confidence"]
        )

    def summary(self) -> None:
        """Prints certified accuracies and their intervals, by radius."""
        show(functools.partial(_write, self))

    def to_dict(self) -> dict[str, Any]:
        """Returns settings, accuracies and votes as plain values."""
        return {
            "format": _FORMAT,
            "settings": self.settings,
            "abstained": self.abstained,
            "average_radius": self.average_radius,
            "results": [
                {
                    "radius": radius,
                    "accuracy": self.certified_accuracy(radius),
                    "interval": list(self.certified_interval(radius)),
                }
                for radius in _shown(self)
            ],
            "columns": {
                name: values.tolist() for name, values in self._columns.items()
            },
        }

    def __str__(self) -> str:
        return as_text(functools.partial(_write, self))

    def plot(self, path: Path | None = None) -> Figure:
        """Draws certified accuracy against the radius.

        Args:
            path: An image file to write, if any.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        figure = certificate_figure(self)
        if path is not None:
            figure.savefig(path)
        return figure

    def save(self, path: Path) -> None:
        """Writes `to_dict` to a JSON file, which `load_certificate` reads.

        Args:
            path: The file. Its name ends in `.json`.

        Raises:
            ValueError: If the file's name has another ending.
        """
        check_suffix(path, ".json", "as a certificate is written as JSON")
        write_json(path, self.to_dict())

    def _count(self, radius):
        return int((self.correct & (self._radius >= radius)).sum())

    def _certified(self, share):
        return certified_radius(share, self.settings["sigma"])


def load_certificate(path: Path) -> Certificate:
    """Reads a certificate that `Certificate.save` wrote.

    Args:
        path: The file.

    Returns:
        The `Certificate` as it was saved, with all of its numbers.

    Raises:
        ValueError: If the file is damaged or does not hold a certificate.

    Example:

    ```python
    result = kad.evaluation.certify(model, x, y, n=200, verbose=0)
    result.save("certificate.json")
    loaded = kad.evaluation.load_certificate("certificate.json")
    assert loaded.to_dict() == result.to_dict()
    ```
    """
    content = read_json(path, "certificate")
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(
            f"'{path}' is not a certificate of this version. Expected a file "
            "that `Certificate.save` has written."
        )
    try:
        settings = content["settings"]
        _ = [settings[name] for name in _SETTINGS]
        columns = {
            name: np.array(content["columns"][name], "int64")
            for name in _COLUMNS
        }
        if len({each.shape for each in columns.values()}) > 1:
            raise ValueError("columns of different lengths")
        return Certificate(columns, settings)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"The certificate '{path}' lacks some of its settings or numbers: "
            f"{error!r}. Save it again."
        ) from None


def lower_bound(votes, n, alpha):
    """Computes the exact one-sided (Clopper-Pearson) bound of a probability.

    Args:
        votes: How often it was so, of `n`; an array or a number.
        n: The number of trials.
        alpha: The probability that the bound is too high.
    """
    votes = np.asarray(votes)
    bound = scipy.special.betaincinv(np.maximum(votes, 1), n - votes + 1, alpha)
    return np.where(votes > 0, bound, 0.0)


def certified_radius(share, sigma):
    """Computes the radius that a probability certifies; NaN below one half.

    Args:
        share: Lower bound of the probability of the class; array or number.
        sigma: The standard deviation of the noise.
    """
    return np.where(share >= 0.5, sigma * scipy.special.ndtri(share), np.nan)


def _shown(result):
    """Radii of the table: every half of the noise, as far as there are any."""
    half = result.settings["sigma"] / 2
    return [half * i for i in range(1 + int(result.largest_radius / half))]


def _write(result, console):
    settings = result.settings
    table = Table(
        title=f"{settings['model']}: {settings['images']}, noise of sigma "
        f"{settings['sigma']:g}",
        caption=f"{settings['n']} noisy copies an image; each radius is right "
        f"with a probability of at least {1 - settings['alpha']:g}. Abstained: "
        f"{100 * result.abstained:.1f} %. Mean radius: "
        f"{result.average_radius:.3g}.",
        box=box.SIMPLE_HEAD,
    )
    for heading in (
        "l2 radius",
        "certified accuracy %",
        f"{100 * settings['confidence']:g} % interval",
    ):
        table.add_column(heading, no_wrap=True, justify="right")
    for radius in _shown(result):
        interval = result.certified_interval(radius)
        table.add_row(
            f"{radius:.4g}",
            f"{100 * result.certified_accuracy(radius):.1f}",
            " - ".join(f"{100 * bound:.1f}" for bound in interval),
        )
    console.print(table)
