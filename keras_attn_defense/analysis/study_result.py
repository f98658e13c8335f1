"""The result of an attention study."""

from typing import Any

import numpy as np

from .. import _files
from .._typing import Figure
from .._typing import Path
from ..pages import is_page
from ..pages import study_page
from ..pages import write_page
from .groups import compare_groups
from .groups import compare_shares
from .groups import share
from .groups import verdict
from .measurements import STEP_MEASURES
from .study_table import NAMES
from .study_table import OBSERVATIONS
from .study_table import print_study
from .study_table import text_of_study

_FORMAT = "keras_attn_defense attention study 1"
_BINS = np.arange(11) / 10
_INTEGERS = ("index", "label", "prediction")
#: The paper calls images of a smaller completeness vulnerable.
_INCOMPLETE = 0.5
#: The sign of the difference that the paper's observations predict, between
#: the images where the attack succeeds and the others.
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
    """The numbers of a study, for each image and compared.

    Made by `AttentionStudy.run`. `str(result)` is the text of the summary.

    Args:
        columns: A dict of arrays with one row for each image; NaN for images
            that the model classifies wrongly before the attack.
        settings: A dict of plain values that describe the study.

    Example:

    ```python
    result = kad.analysis.AttentionStudy(model).run(x, y, boxes)
    result.summary()  # prints the table
    result.statistics["success"]  # share of images where the attack succeeded
    result.per_sample["completeness"]  # (8,)
    result.steps["iou"]  # (8, 11), after each step of the attack
    result.save("study.json")
    result.save("study.html")  # for a browser
    ```
    """

    def __init__(
        self, columns: dict[str, np.ndarray], settings: dict[str, Any]
    ) -> None:
        self._columns = columns
        self.settings = settings

    def __len__(self) -> int:
        return len(self._columns["index"])

    @property
    def correct(self) -> np.ndarray:
        """Booleans `(N,)`: images classified correctly before the attack."""
        return self._columns["label"] == self._columns["prediction"]

    @property
    def steps(self) -> dict[str, np.ndarray]:
        """The measures after each step, a dict of arrays `(N, steps + 1)`.

        The first column is the clean image. `fallen` is 1 where the image is
        classified wrongly.
        """
        return {name: self._columns[name] for name in STEP_MEASURES}

    @property
    def per_sample(self) -> dict[str, np.ndarray]:
        """The measures of each image, a dict of arrays `(N,)`.

        Its keys are `index`, `label`, `prediction`; `brightness`, the mean of
        the image as a share of its range; `success` of the attack;
        `completeness` (with boxes) and `confidence_drop` of the clean image;
        `iou`, `rank_correlation` and `centroid_shift` between the maps before
        and after; `components`, `entropy` and `spread` of the clean map, and
        their change by the attack, with the suffix `_rise`. The measures of a
        second method have the prefix `other_`. NaN where the model is wrong
        on the clean image.
        """
        # Columns with an axis of steps are reduced: to the last step, or to
        # the first step and the change until the last.
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
    def statistics(self) -> dict[str, Any]:
        """The comparisons and their verdicts, a dict of plain values."""
        samples, correct = self.per_sample, self.correct
        success = samples["success"] == 1
        measures = {}
        for name, values in samples.items():
            kind = name.removeprefix("other_")
            if kind in _EXPECTED:
                compared = compare_groups(values[correct], success[correct])
                outcome = verdict(compared, _EXPECTED[kind])
                measures[name] = {**compared, "verdict": outcome}
        statistics = {
            "images": len(self),
            "correct": int(correct.sum()),
            "success": share((success & correct).sum(), correct.sum()),
            "measures": measures,
            "steps": self._mean_steps(correct, success),
        }
        for prefix in ("", "other_"):
            if f"{prefix}completeness" in samples:
                values = samples[f"{prefix}completeness"][correct]
                statistics[f"{prefix}bins"] = _bins(values, success[correct])
                statistics[f"{prefix}incomplete"] = compare_shares(
                    success[correct], values < _INCOMPLETE
                )
        return statistics

    def summary(self) -> None:
        """Prints the comparisons and their verdicts."""
        print_study(self)

    def to_dict(self) -> dict[str, Any]:
        """Returns settings, statistics and all numbers as plain values."""
        return {
            "format": _FORMAT,
            "settings": self.settings,
            "summary": self.statistics,
            "columns": {name: _listed(v) for name, v in self._columns.items()},
        }

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
        """Writes `to_dict` to a JSON file, or a page for a browser.

        Args:
            path: The file. Its name ends in `.json`, which `load_study` reads,
                or in `.html`: one file that loads nothing from elsewhere.

        Raises:
            ValueError: If the file's name has another ending.
            ImportError: If a page is asked for and its packages are missing.
        """
        if is_page(path):
            write_page(path, study_page, self, NAMES, OBSERVATIONS)
            return
        reason = "as a study is written as JSON, or in .html for a page"
        _files.check_suffix(path, ".json", reason)
        _files.write_json(path, self.to_dict())

    def _mean_steps(self, correct, success):
        """Returns the mean of each group after each step; None for NaN."""
        steps = {}
        for name, values in self.steps.items():
            steps[name] = {
                group: [None if np.isnan(v) else float(v) for v in means]
                for group, means in (
                    ("chosen", _means(values[correct & success])),
                    ("others", _means(values[correct & ~success])),
                )
            }
        return steps


def load_study(path: Path) -> StudyResult:
    """Reads a study that `StudyResult.save` wrote.

    Args:
        path: The file.

    Returns:
        The `StudyResult` as it was saved, with all of its numbers.

    Raises:
        ValueError: If the file is damaged or does not hold a study.

    Example:

    ```python
    result = kad.analysis.AttentionStudy(model).run(x, y, boxes)
    result.save("study.json")
    loaded = kad.analysis.load_study("study.json")
    assert loaded.statistics == result.statistics
    ```
    """
    content = _files.read_json(path, "study")
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(
            f"'{path}' is not a study of this version. Expected a file that "
            "`StudyResult.save` has written."
        )
    try:
        settings = content["settings"]
        _ = settings["model"], settings["epsilon"], settings["attack"]["name"]
        columns = _read_columns(content["columns"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"The study '{path}' lacks some of its settings or numbers: "
            f"{error!r}. Save it again."
        ) from None
    return StudyResult(columns, settings)


def _read_columns(listed):
    """Converts lists by name to the columns of a `StudyResult`."""
    columns = {}
    for name, values in listed.items():
        kind = "int64" if name in _INTEGERS else "float64"
        columns[name] = np.array(values, kind)
    for name in (*_INTEGERS, "confidence_drop", *STEP_MEASURES):
        if name not in columns:
            raise ValueError(f"'{name}' is missing")
    steps = columns["fallen"].shape[-1:]
    for name, values in columns.items():
        expected_steps = steps if name in STEP_MEASURES else ()
        if values.shape != (len(columns["index"]), *expected_steps):
            raise ValueError(f"'{name}' has the shape {values.shape}")
    return columns


def _bins(completeness, success):
    """Returns the share of success for each interval of completeness."""
    # The last interval is closed: a completeness of 1 belongs to it.
    places = np.clip(np.digitize(completeness, _BINS) - 1, 0, len(_BINS) - 2)
    rows = []
    for index in range(len(_BINS) - 1):
        inside = places == index
        bounds = [float(_BINS[index]), float(_BINS[index + 1])]
        rows.append(
            {"from_to": bounds, **share(success[inside].sum(), inside.sum())}
        )
    return rows


def _means(values):
    """Returns the mean over images, NaN without any."""
    if not len(values):
        return np.full(values.shape[1], np.nan)
    return values.mean(0)


def _listed(values):
    """Converts an array to lists that JSON can hold, None for NaN."""
    if values.dtype.kind in "iu":
        return values.tolist()
    return np.where(np.isnan(values), None, values.astype(object)).tolist()
