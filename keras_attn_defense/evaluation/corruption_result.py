"""The result of an evaluation on corrupted images."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from .._files import check_suffix
from .._files import read_json
from .._files import write_json
from .._text import as_text
from .._text import show
from .._typing import Path
from .confidence import accuracy_interval

_FORMAT = "keras_attn_defense corruptions 1"


class CorruptionResult:
    """Accuracy of a model by corruption and severity.

    Made by `evaluate_corruptions`. `str(result)` is the text of the summary.

    Args:
        num_images: The number of images.
        clean: How many of them are classified correctly as they are.
        severities: The severities, whole numbers from 1 to 5.
        correct: A dict by name of the corruption: how many images are
            classified correctly at each severity.
        settings: A dict of plain values that describe the evaluation.

    Example:

    ```python
    result = kad.evaluation.evaluate_corruptions(
        model, x, y, corruptions=["fog", "contrast"], verbose=0
    )
    result.clean_accuracy
    result.accuracy["fog"], result.interval["fog"]  # at each severity
    result.mean_corruption_error()
    result.save("corruptions.json")
    ```
    """

    def __init__(
        self,
        num_images: int,
        clean: int,
        severities: Sequence[int],
        correct: dict[str, list[int]],
        settings: dict[str, Any],
    ) -> None:
        self.num_images = num_images
        self.severities = list(severities)
        self.settings = settings
        self._clean = clean
        self._correct = correct

    @property
    def clean_accuracy(self) -> float:
        """The accuracy on images as they are."""
        return self._clean / self.num_images

    @property
    def clean_interval(self) -> tuple[float, float]:
        """The confidence interval of `clean_accuracy`."""
        return self._interval(self._clean)

    @property
    def accuracy(self) -> dict[str, list[float]]:
        """The accuracies at each severity, a dict by corruption."""
        return {
            name: [count / self.num_images for count in counts]
            for name, counts in self._correct.items()
        }

    @property
    def interval(self) -> dict[str, list[tuple[float, float]]]:
        """The exact (Clopper-Pearson) intervals of `accuracy`."""
        return {
            name: [self._interval(count) for count in counts]
            for name, counts in self._correct.items()
        }

    def mean_corruption_error(
        self,
        baseline: "CorruptionResult | None" = None,
        *,
        relative: bool = False,
    ) -> float:
        """Returns the mean over corruptions of their error.

        Without a baseline it is the mean error, from 0 to 1. With one, the
        errors of each corruption are summed over its severities, and divided
        by those of the baseline: 1.0 is as good as that, less is better. The
        paper's baseline is AlexNet, and it writes 1.0 as 100.

        Args:
            baseline: The result of another model on the same corruptions.
            relative: Whether to count only what errors rise above those on
                clean images.

        Raises:
            ValueError: If the baseline has other corruptions or severities, or
                makes no errors under one of them.
        """
        errors = self._errors(relative)
        if baseline is None:
            return float(np.mean(list(errors.values())))
        if (
            list(baseline._correct) != list(self._correct)
            or baseline.severities != self.severities
        ):
            raise ValueError(
                "The baseline was evaluated on other corruptions: "
                f"{list(baseline._correct)} at {baseline.severities}. Expected "
                f"{list(self._correct)} at {self.severities}."
            )
        theirs = baseline._errors(relative)
        without = [name for name, error in theirs.items() if error <= 0]
        if without:
            raise ValueError(
                f"The baseline makes no more errors under {without}, so "
                "nothing can be divided by them. Take a weaker baseline, or "
                "none."
            )
        return float(np.mean([errors[name] / theirs[name] for name in errors]))

    def summary(self) -> None:
        """Prints accuracies by corruption and severity."""
        show(functools.partial(write_corruptions, self))

    def to_dict(self) -> dict[str, Any]:
        """Returns settings, counts and accuracies as plain values."""
        return {
            "format": _FORMAT,
            "settings": self.settings,
            "num_images": self.num_images,
            "clean_correct": self._clean,
            "clean_accuracy": self.clean_accuracy,
            "clean_interval": list(self.clean_interval),
            "mean_corruption_error": self.mean_corruption_error(),
            "severities": self.severities,
            "correct": self._correct,
            "accuracy": self.accuracy,
            "interval": {
                name: [list(each) for each in intervals]
                for name, intervals in self.interval.items()
            },
        }

    def __str__(self) -> str:
        return as_text(functools.partial(write_corruptions, self))

    def save(self, path: Path) -> None:
        """Writes `to_dict` to a JSON file, which `load_corruptions` reads.

        Args:
            path: The file. Its name ends in `.json`.

        Raises:
            ValueError: If the file's name has another ending.
        """
        check_suffix(path, ".json", "as the result is written as JSON")
        write_json(path, self.to_dict())

    def _interval(self, count):
        confidence = self.settings["confidence"]
        return accuracy_interval(count, self.num_images, confidence)

    def _errors(self, relative):
        """Mean error of each corruption over its severities."""
        clean = 1 - self.clean_accuracy if relative else 0.0
        return {
            name: 1 - float(np.mean(shares)) - clean
            for name, shares in self.accuracy.items()
        }


def load_corruptions(path: Path) -> CorruptionResult:
    """Reads what `CorruptionResult.save` wrote.

    Args:
        path: The file.

    Returns:
        The `CorruptionResult` as it was saved, such as a baseline.

    Raises:
        ValueError: If the file is damaged or holds something else.

    Example:

    ```python
    result = kad.evaluation.evaluate_corruptions(
        model, x, y, corruptions=["fog"], verbose=0
    )
    result.save("corruptions.json")
    loaded = kad.evaluation.load_corruptions("corruptions.json")
    assert loaded.to_dict() == result.to_dict()
    ```
    """
    return corruptions_of(read_json(path, "result"), path)


def corruptions_of(content, source):
    """Returns the result whose `to_dict` is given.

    Args:
        content: What should be the dict.
        source: What to call it in an error.
    """
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(
            f"'{source}' holds no corruptions of this version. Expected what "
            "`CorruptionResult.save` has written."
        )
    try:
        result = CorruptionResult(
            content["num_images"],
            content["clean_correct"],
            content["severities"],
            content["correct"],
            content["settings"],
        )
        if result.to_dict() != content:
            raise ValueError("numbers that contradict each other")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"The result '{source}' lacks some of its settings or numbers: "
            f"{error!r}. Save it again."
        ) from None
    return result


def check_corruptions(result, name):
    """Returns a result if it is one of the model, or None.

    Args:
        result: What should be a `CorruptionResult`.
        name: The name of the model.
    """
    if result is None:
        return None
    if not isinstance(result, CorruptionResult):
        raise ValueError(
            "`corruptions` should be what `kad.evaluation.evaluate_corruptions`"
            f" returned, or None. Received: {type(result).__name__}"
        )
    if result.settings["model"] != name:
        raise ValueError(
            f"The corruptions were evaluated on '{result.settings['model']}', "
            f"the attacks on '{name}'. If that is one model, pass the same "
            "`name` to both."
        )
    return result


def write_corruptions(result, console):
    """Prints the table of a result to a `rich` console."""
    settings = result.settings
    low, high = (100 * bound for bound in result.clean_interval)
    table = Table(
        title=f"{settings['model']}: {settings['images']}, accuracy in %",
        caption=f"Clean: {100 * result.clean_accuracy:.1f} % "
        f"({100 * settings['confidence']:g} % interval {low:.1f} to "
        f"{high:.1f}). Mean corruption error: "
        f"{100 * result.mean_corruption_error():.1f} %.",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("corruption", no_wrap=True)
    for severity in result.severities:
        table.add_column(f"severity {severity}", justify="right")
    table.add_column("mean", justify="right")
    for name, shares in result.accuracy.items():
        values = [*shares, float(np.mean(shares))]
        table.add_row(name, *(f"{100 * share:.1f}" for share in values))
    console.print(table)
