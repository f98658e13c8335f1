"""The result of an evaluation."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._arguments import check_number
from .._files import write_json
from .._typing import Figure
from .._typing import Path
from ..pages import is_page
from ..pages import report_page
from ..pages import write_page
from ..visualization import robustness_figure
from .accuracy_rows import AccuracyRow
from .accuracy_rows import accuracy_rows
from .accuracy_rows import rows_by_class
from .card import make_card
from .corruption_result import CorruptionResult
from .corruption_result import check_corruptions
from .gallery import Gallery
from .red_flag import RedFlag
from .table import print_report
from .table import text_of_report


class RobustnessReport:
    """Robust accuracy of a model, with the evidence.

    Made by `evaluate_robustness`. `str(report)` is the text of the summary.

    Args:
        records: The finished `Records`.
        flags: The list of `RedFlag`.
        confidence: The probability that the intervals cover.
        about: A dict of what the card says of model, data and machine.
        rows: The positions of the images in the data.
        gallery: The `Gallery`, if one was asked for.

    Example:

    ```python
    report = kad.evaluate_robustness(model, x, y, attacks="pgd", epsilons=[0.1])
    report.clean_accuracy, report.clean_interval
    report.robust_accuracy[0.1], report.accuracy_at(0.05)
    report.per_sample["pgd_distance"]  # (8,)
    report.summary()  # prints the table
    report.save("card.json")
    report.save("report.html")  # for a browser
    ```

    What `kad.evaluation.evaluate_corruptions` returned may join it:

    ```python
    report = kad.evaluate_robustness(model, x, y, attacks="fgsm", verbose=0)
    report.corruptions = kad.evaluation.evaluate_corruptions(
        model, x, y, corruptions=["fog"], verbose=0
    )
    assert report.to_dict()["corruptions"] == report.corruptions.to_dict()
    ```
    """

    def __init__(
        self,
        records: Any,
        flags: list[RedFlag],
        confidence: float,
        about: dict[str, Any],
        rows: np.ndarray,
        gallery: Gallery | None = None,
    ) -> None:
        self._records = records
        self.threat_model = records.threat
        self.flags = flags
        self.confidence = confidence
        self.about = about
        #: The `Gallery` that `gallery=` asked for, or None.
        self.gallery = gallery
        self._rows = rows
        self._corruptions: CorruptionResult | None = None
        #: One `AccuracyRow` for clean images, then for each radius one for
        #: each attack and one for the worst case.
        self.rows: list[AccuracyRow] = accuracy_rows(records, confidence)

    @property
    def clean_accuracy(self) -> float:
        """The accuracy on clean images."""
        return self.rows[0].accuracy

    @property
    def clean_interval(self) -> tuple[float, float]:
        """The confidence interval of `clean_accuracy`."""
        return self.rows[0].interval

    @property
    def robust_accuracy(self) -> dict[float, float]:
        """The worst case over all attacks, a dict by epsilon."""
        return {row.epsilon: row.accuracy for row in self._worst()}

    @property
    def robust_interval(self) -> dict[float, tuple[float, float]]:
        """The confidence intervals of `robust_accuracy`, a dict by epsilon."""
        return {row.epsilon: row.interval for row in self._worst()}

    @property
    def distances(self) -> dict[str, float]:
        """The median smallest distance of attacks that look for it, by name.

        That is the radius at which half of the images have fallen; those that
        are misclassified without an attack count as 0. Infinite where half
        or more never fell. `per_sample` has the distance of each image.
        """
        records = self._records
        return {
            entry.name: float(np.median(records.distances[entry.name]))
            for entry in records.ran
            if records.measures(entry) and entry.group == entry.name
        }

    def accuracy_at(self, radius: float, attack: str | None = None) -> float:
        """Returns the share of images that are right up to any radius.

        Follows from the smallest distances at which attacks succeeded. With
        attacks that look for these, such as `FMN`, it is a curve over all
        radii; others say something new at the epsilons only.

        Args:
            radius: The size of a perturbation, in the norm of the evaluation.
            attack: The name of an attack. None is the worst case of all.

        Raises:
            ValueError: If the radius is negative, or no such attack has run.
        """
        radius = check_number("radius", radius)
        records = self._records
        if attack is None:
            return float(records.is_robust(radius).mean())
        entries = {each.name: each for each in records.ran}
        if attack not in entries:
            raise ValueError(
                f"`attack` should be None or one of {list(entries)}. Received: "
                f"attack={attack!r}"
            )
        fallen = records.min_distance(entries[attack]) <= radius
        return 1.0 - float(fallen.mean())

    @property
    def unreliable(self) -> bool | None:
        """Whether a flag is raised; None if none is, but not all were checked.

        What was not checked is not shown to be right.
        """
        raised = [flag.raised for flag in self.flags]
        if any(raised):
            return True
        return None if None in raised else False

    @property
    def skipped(self) -> dict[str, str]:
        """Attacks that could not work on the model, and why, by name."""
        return dict(self._records.skipped)

    @property
    def num_images(self) -> int:
        """The number of images."""
        return len(self._records)

    @property
    def per_sample(self) -> dict[str, Any]:
        """A flat dict of arrays with one entry an image.

        `index` (the position in the data), `label`, `prediction` (on the clean
        image); for each attack `<attack>_distance`, the smallest at which it
        succeeded (0 where the clean image is misclassified, NaN where it never
        succeeded), `<attack>_prediction`, the class at that distance (the
        clean prediction where it never succeeded, -1 where the model answers
        NaN), and `<attack>_success@<epsilon>`; `robust@<epsilon>`, whether all
        of them failed.
        """
        records = self._records
        samples = {
            "index": self._rows.copy(),
            "label": records.labels.copy(),
            "prediction": records.predictions.copy(),
        }
        for entry in records.ran:
            distance = records.min_distance(entry)
            samples[f"{entry.name}_distance"] = np.where(
                np.isinf(distance), np.nan, distance
            )
            samples[f"{entry.name}_prediction"] = records.nearest_classes(entry)
            for index, epsilon in enumerate(self.threat_model.epsilons):
                label = self.threat_model.label(epsilon)
                success = records.success(entry, index)
                samples[f"{entry.name}_success@{label}"] = success
        for epsilon in self.threat_model.epsilons:
            label = self.threat_model.label(epsilon)
            samples[f"robust@{label}"] = records.is_robust(epsilon)
        return samples

    @property
    def by_class(self) -> dict[int, list[AccuracyRow]]:
        """The accuracies of each class, a dict of rows by class index.

        Classes without images are left out, and so are times and distances.
        """
        return rows_by_class(self._records, self.confidence)

    @property
    def confusion(self) -> dict[float, np.ndarray]:
        """Counts of images by true class and by what they are taken for.

        A dict by epsilon of integers `(classes, classes)`, a row for each true
        class; epsilon 0 is the clean images. The others are the worst case: an
        image counts as what its nearest adversarial image is taken for, and as
        its true class where all attacks failed. Where the model answers NaN,
        it is not counted.
        """
        records = self._records
        taken_for = {0.0: records.predictions}
        for epsilon in self.threat_model.epsilons:
            taken_for[epsilon] = records.worst_case_classes(epsilon)
        seen = [records.labels, *taken_for.values()]
        count = 1 + max(int(classes.max()) for classes in seen)
        return {
            epsilon: _counted(records.labels, classes, count)
            for epsilon, classes in taken_for.items()
        }

    @property
    def corruptions(self) -> CorruptionResult | None:
        """Accuracy under corruptions, for summary, card and page; or None.

        Set it to what `evaluate_corruptions` returned for the same model.
        """
        return self._corruptions

    @corruptions.setter
    def corruptions(self, result: CorruptionResult | None) -> None:
        self._corruptions = check_corruptions(result, self.about["name"])

    @property
    def images(self) -> Any:
        """Adversarial images by `<attack>@<epsilon>`, with `keep_images`.

        Where an attack failed it is the last image that it tried; where the
        clean image is misclassified, the clean image.
        """
        return self._records.images

    def summary(self) -> None:
        """Prints accuracies, intervals, costs and flags."""
        print_report(self)

    def to_dict(self) -> dict[str, Any]:
        """Returns the card, a dict of plain values; `save` writes it."""
        return make_card(self)

    def __str__(self) -> str:
        return text_of_report(self)

    def plot(self, path: Path | None = None) -> Figure:
        """Draws accuracy against epsilon.

        Args:
            path: An image file to write, if any.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        figure = robustness_figure(self)
        if path is not None:
            figure.savefig(path)
        return figure

    def save(
        self, path: Path, *, class_names: Sequence[str] | None = None
    ) -> None:
        """Writes the card, a JSON file, or a page for a browser.

        The first fields of a card are those of RobustBench's model cards; the
        others say how the numbers came about. `load_card` reads it. A page is
        one file that shows the same numbers, and images if the evaluation was
        asked for a `gallery`; it loads nothing from elsewhere.

        Args:
            path: The file. A name that ends in `.html` is a page.
            class_names: Names of the classes, for a page. None shows their
                indices.

        Raises:
            ImportError: If a page is asked for and its packages are missing.
        """
        if is_page(path):
            write_page(path, report_page, self, class_names)
        else:
            write_json(path, self.to_dict())

    def _worst(self):
        return [row for row in self.rows if row.attack == "worst case"]


def _counted(labels, classes, count):
    """Counts pairs of a label and a class, which may be -1 for none."""
    counts = np.zeros((count, count), int)
    answered = classes >= 0
    np.add.at(counts, (labels[answered], classes[answered]), 1)
    return counts
