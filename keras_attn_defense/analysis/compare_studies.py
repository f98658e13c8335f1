"""Comparison of the studies of several models."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy
from rich import box
from rich.table import Table

from .._files import write_json
from .._text import as_text
from .._text import show
from .._typing import Figure
from .._typing import Path
from .study_result import StudyResult

_MEASURES = {
    "success": "attack success",
    "completeness": "completeness",
    "iou": "IoU of the areas before and after",
    "rank_correlation": "rank correlation of the maps",
    "centroid_shift": "shift of the centroid",
    "components_rise": "rise in components",
    "entropy_rise": "rise in entropy",
    "spread_rise": "rise in spread",
}

# The mean brightness of one image in two sizes differs by less than this.
_SAME_IMAGE = 0.01
# Settings that do not change the strength of an attack; the radius is compared
# separately.
_UNIMPORTANT = ("name", "seed", "value_range", "epsilon")


def compare_studies(results: Mapping[str, StudyResult]) -> "StudyComparison":
    """Compares models on the images that all of them classify correctly.

    Args:
        results: A dict of `StudyResult` by the name of the model. All studies
            must use the same images in the same order.

    Returns:
        A `StudyComparison`.

    Raises:
        ValueError: If the studies differ in their images or attacks.

    Example:

    ```python
    other = keras.models.clone_model(model)
    results = {
        name: kad.analysis.AttentionStudy(each).run(x, y)
        for name, each in {"first": model, "second": model}.items()
    }
    kad.analysis.compare_studies(results).summary()
    ```
    """
    if not isinstance(results, Mapping):
        raise ValueError(
            "`results` should be a dict of studies by the name of their "
            f"model. Received: {type(results).__name__}."
        )
    if len(results) < 2:
        raise ValueError(
            "Expected at least two studies by name, such as {'plain': first, "
            f"'defended': second}}. Received: {list(results)}"
        )
    labels = [result.per_sample["label"] for result in results.values()]
    for name, each in zip(results, labels, strict=True):
        if not np.array_equal(each, labels[0]):
            raise ValueError(
                f"The study '{name}' does not use the images of the first "
                f"study: it has {len(each)} labels, the first "
                f"{len(labels[0])}, and they differ. Run all studies on the "
                "same data, in the same order."
            )
    _check_images(results)
    _check_attacks(results)
    return StudyComparison(results)


def _check_images(results):
    """Checks by their brightness that all studies use the same images.

    Labels alone do not tell, as two sorted data sets may have equal ones.
    """
    means = {
        name: r.per_sample.get("brightness") for name, r in results.items()
    }
    known = {name: each for name, each in means.items() if each is not None}
    for name, each in known.items():
        apart = abs(each - next(iter(known.values()))) > _SAME_IMAGE
        if apart.any():
            raise ValueError(
                f"The study '{name}' does not use the images of the first "
                f"study: image {int(apart.argmax())} differs in its mean "
                "brightness. Run all studies on the same data, in the same "
                "order."
            )


def _check_attacks(results):
    """Checks that all studies use an attack of the same strength."""

    def attack(result):
        """Describes all settings that decide the strength of an attack."""
        settings = result.settings
        kind, epsilon = settings["attack"]["name"], settings["epsilon"]
        steps = result.steps["iou"].shape[1] - 1
        radius = "any distance" if epsilon is None else f"epsilon {epsilon:.3g}"
        config = {
            key: value
            for key, value in settings["attack"].get("config", {}).items()
            if key not in _UNIMPORTANT
        }
        return f"{kind}, {radius}, {steps} steps, {config}"

    attacks = {name: attack(result) for name, result in results.items()}
    if len(set(attacks.values())) > 1:
        listed = "; ".join(f"{k}: {about}" for k, about in attacks.items())
        raise ValueError(
            f"The studies differ in their attack: {listed}. Run all of them "
            "with the same attack."
        )


class StudyComparison:
    """The studies of several models on common images.

    Made by `compare_studies`. `str(comparison)` is the text of the summary.

    Args:
        results: A dict of `StudyResult` by name.

    Example:

    ```python
    result = kad.analysis.AttentionStudy(model).run(x, y, boxes)
    results = {"first": result, "again": result}
    comparison = kad.analysis.compare_studies(results)
    assert comparison.rows["iou"]["again"]["p"] is None  # no image differs
    comparison.plot("comparison.png")
    ```
    """

    def __init__(self, results: Mapping[str, StudyResult]) -> None:
        self.results = dict(results)
        correct = [result.correct for result in self.results.values()]
        # Models are compared on images that none of them gets wrong at first.
        self.common = np.logical_and.reduce(correct)

    @property
    def rows(self) -> dict[str, Any]:
        """Means and standard errors, a dict by measure and by model.

        `p` is the p-value of Wilcoxon's paired test against the first model.
        It is None for the first model, and where no image differs.
        """
        samples = {k: v.per_sample for k, v in self.results.items()}
        rows = {}
        for measure in _MEASURES:
            # A study without boxes has no completeness.
            if all(measure in each for each in samples.values()):
                values = [
                    each[measure][self.common] for each in samples.values()
                ]
                rows[measure] = {
                    name: _statistics(each, values[0])
                    for name, each in zip(samples, values, strict=True)
                }
        return rows

    def summary(self) -> None:
        """Prints the comparison."""
        show(lambda console: console.print(self._table()))

    def to_dict(self) -> dict[str, Any]:
        """Returns the comparison as a dict of plain values."""
        return {
            "models": list(self.results),
            "images": int(self.common.sum()),
            "rows": self.rows,
        }

    def save(self, path: Path) -> None:
        """Writes `to_dict` to a JSON file.

        Args:
            path: The file.
        """
        write_json(path, self.to_dict())

    def __str__(self) -> str:
        return as_text(lambda console: console.print(self._table()))

    def plot(self, path: Path | None = None) -> Figure:
        """Draws how attention changes along the attack, for each model.

        Args:
            path: An image file to write, if any.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        from ..visualization.study_figure import comparison_figure

        figure = comparison_figure(self)
        if path is not None:
            figure.savefig(path)
        return figure

    def _table(self):
        table = Table(
            title=f"{int(self.common.sum())} images that all classify "
            "correctly: mean ± standard error",
            caption="* differs from the first, p < 0.05 (Wilcoxon, paired)",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        table.add_column("")
        for name in self.results:
            table.add_column(name, justify="right", no_wrap=True)
        for measure, cells in self.rows.items():
            table.add_row(_MEASURES[measure], *map(_cell, cells.values()))
        return table


def _statistics(values, first):
    """Returns mean and standard error, and compares with the first model."""
    n = len(values)
    # Wilcoxon's test is not defined if all differences are zero.
    p = None
    if n and (values != first).any():
        p = float(scipy.stats.wilcoxon(values, first).pvalue)
    return {
        "n": n,
        "mean": float(values.mean()) if n else None,
        "standard_error": float(values.std(ddof=1) / n**0.5) if n > 1 else None,
        "p": p,
    }


def _cell(cell):
    """Formats the statistics of one measure and model."""
    if cell["mean"] is None:
        return ""
    star = "*" if cell["p"] is not None and cell["p"] < 0.05 else " "
    error = cell["standard_error"]
    return f"{cell['mean']:.3f}" + (
        "" if error is None else f" ± {error:.3f}{star}"
    )
