"""What a study found."""

from typing import Any

import numpy as np

from .. import _files
from .._typing import Figure
from .._typing import Path
from .groups import compare_groups
from .groups import compare_shares
from .groups import share
from .groups import verdict
from .measurements import STEP_MEASURES
from .study_table import print_study
from .study_table import text_of_study

_FORMAT = "keras_attn_defense attention study 1"
_BINS = np.arange(11) / 10
_INTEGERS = ("index", "label", "prediction")
#: The paper calls images vulnerable whose completeness is below it.
_INCOMPLETE = 0.5
#: Measures of the observations, and the sign expected where attacks succeed.
_EXPECTED = {
    "completeness": -1,
    "confidence_drop": -1,
    "iou": -1,
    "rank_correlation": -1,
    "centroid_shift": 1,
    "components_rise": 1,
    "entropy_rise": 1,
    "spread_rise": 1,
}


class StudyResult:
    """The numbers of a study, for each image and in summary.

    Made by `AttentionStudy.run`. `str(result)` is the text of the table.

    Args:
        columns: A dict of arrays, one row an image; NaN for images that the
            model classifies wrongly as they are.
        settings: A dict of what was studied, of plain values.

    Example:

    ```python
    result = kad.analysis.AttentionStudy(model).run(x, y, boxes)
    result.summary["success"]  # share of the images that fell
    result.per_sample["completeness"]  # (8,)
    result.steps["iou"]  # (8, 11), after each step of the attack
    result.save("study.json")
    ```
    """

    def __init__(
        self, columns: dict[str, Any], settings: dict[str, Any]
    ) -> None:
        self._columns = columns
        self.settings = settings

    def __len__(self) -> int:
        return len(self._columns["index"])

    @property
    def correct(self) -> np.ndarray:
        """Which images are classified correctly as they are, `(N,)`."""
        return self._columns["label"] == self._columns["prediction"]

    @property
    def steps(self) -> dict[str, np.ndarray]:
        """Measures after each step, a dict of arrays `(N, steps + 1)`.

        The first column is the clean image. `fallen` is 1 where the image is
        classified wrongly.
        """
        return {name: self._columns[name] for name in STEP_MEASURES}

    @property
    def per_sample(self) -> dict[str, Any]:
        """A flat dict of arrays with one entry an image.

        `index`, `label`, `prediction`; `brightness`, the mean of the image as
        a share of its range; `success` of the attack;
        `completeness` (with boxes) and `confidence_drop` of the clean image;
        `iou`, `rank_correlation` and `centroid_shift` between the maps before
        and after; `components`, `entropy` and `spread` of the clean map and
        their `_rise`; with a second method the same, begun with `other_`. NaN
        where the model is wrong on the clean image.
        """
        samples = {}
        for name, values in self._columns.items():
            if values.ndim == 1:
                samples[name] = values.copy()
            elif name == "fallen":
                samples["success"] = values[:, -1].copy()
            elif name in ("components", "entropy", "spread"):
                samples[name] = values[:, 0].copy()
                samples[f"{name}_rise"] = values[:, -1] - values[:, 0]
            else:
                samples[name] = values[:, -1].copy()
        return samples

    @property
    def summary(self) -> dict[str, Any]:
        """The comparisons and the two verdicts, a dict of plain values."""
        samples, correct = self.per_sample, self.correct
        fallen = samples["success"] == 1
        measures = {}
        for name, values in samples.items():
            kind = name.removeprefix("other_")
            if kind in _EXPECTED:
                compared = compare_groups(values[correct], fallen[correct])
                found = verdict(compared, _EXPECTED[kind])
                measures[name] = {**compared, "verdict": found}
        summary = {
            "images": len(self),
            "correct": int(correct.sum()),
            "success": share((fallen & correct).sum(), correct.sum()),
            "measures": measures,
            "steps": self._mean_steps(correct, fallen),
        }
        for prefix in ("", "other_"):
            if f"{prefix}completeness" in samples:
                values = samples[f"{prefix}completeness"][correct]
                summary[f"{prefix}bins"] = _bins(values, fallen[correct])
                summary[f"{prefix}incomplete"] = compare_shares(
                    fallen[correct], values < _INCOMPLETE
                )
        return summary

    def table(self) -> None:
        """Prints the comparisons and what they say."""
        print_study(self)

    def __str__(self) -> str:
        return text_of_study(self)

    def plot(self, path: Path | None = None) -> Figure:
        """Draws the study.

        Args:
            path: An image file to write, if any.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        from ..visualization.study_figure import study_figure

        figure = study_figure(self)
        if path is not None:
            figure.savefig(path)
        return figure

    def save(self, path: Path) -> None:
        """Writes settings, summary and all numbers to a JSON file.

        Args:
            path: The file, `.json`. `load_study` reads it.

        Raises:
            ValueError: If the file's name ends otherwise.
        """
        _files.check_suffix(path, ".json", "as a study is written as JSON")
        columns = {name: _listed(v) for name, v in self._columns.items()}
        content = {
            "format": _FORMAT,
            "settings": self.settings,
            "summary": self.summary,
            "columns": columns,
        }
        _files.write_json(path, content)

    def _mean_steps(self, correct, fallen):
        steps = {}
        for name, values in self.steps.items():
            steps[name] = {
                group: [None if np.isnan(v) else float(v) for v in means]
                for group, means in (
                    ("chosen", _means(values[correct & fallen])),
                    ("others", _means(values[correct & ~fallen])),
                )
            }
        return steps


def load_study(path: Path) -> StudyResult:
    """Reads what `StudyResult.save` wrote.

    Args:
        path: The file.

    Returns:
        A `StudyResult`.

    Raises:
        ValueError: If the file is damaged or something else.

    Example:

    ```python
    result = kad.analysis.AttentionStudy(model).run(x, y, boxes)
    result.save("study.json")
    loaded = kad.analysis.load_study("study.json")
    assert loaded.summary == result.summary
    ```
    """
    content = _files.read_json(path, "study")
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(
            f"'{path}' is no study of this version. Expected a file that "
            "`StudyResult.save` has written."
        )
    try:
        settings = content["settings"]
        _ = settings["model"], settings["epsilon"], settings["attack"]["name"]
        columns = _read_columns(content["columns"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"The study '{path}' lacks some of its settings or numbers: "
            f"{error!r}. Save it anew."
        ) from None
    return StudyResult(columns, settings)


def _read_columns(listed):
    """Columns as `StudyResult` takes them, of lists by name."""
    columns = {}
    for name, values in listed.items():
        kind = "int64" if name in _INTEGERS else "float64"
        columns[name] = np.array(values, kind)
    for name in (*_INTEGERS, "confidence_drop", *STEP_MEASURES):
        if name not in columns:
            raise ValueError(f"'{name}' is missing")
    steps = columns["fallen"].shape[-1:]
    for name, values in columns.items():
        its_steps = steps if name in STEP_MEASURES else ()
        if values.shape != (len(columns["index"]), *its_steps):
            raise ValueError(f"'{name}' has the shape {values.shape}")
    return columns


def _bins(completeness, fallen):
    """Success for each interval of completeness; the last one is closed."""
    places = np.clip(np.digitize(completeness, _BINS) - 1, 0, len(_BINS) - 2)
    rows = []
    for index in range(len(_BINS) - 1):
        here = places == index
        bounds = [float(_BINS[index]), float(_BINS[index + 1])]
        rows.append(
            {"from_to": bounds, **share(fallen[here].sum(), here.sum())}
        )
    return rows


def _means(values):
    if not len(values):
        return np.full(values.shape[1], np.nan)
    return values.mean(0)


def _listed(values):
    if values.dtype.kind in "iu":
        return values.tolist()
    return np.where(np.isnan(values), None, values.astype(object)).tolist()
