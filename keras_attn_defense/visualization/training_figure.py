"""A figure of a training: losses, clean and robust accuracy."""

import os
from typing import Any

import keras
import numpy as np

from .._epoch_logs import read_epochs
from .._typing import Figure
from .._typing import Path
from .style import GRAY
from .style import TITLE
from .style import WIDTH
from .style import add_legend
from .style import curve_name
from .style import label_axes
from .style import new_figure

_COLUMNS = 3
_ACCURACY = "accuracy in %"


def training_figure(
    history: keras.callbacks.History | dict[str, Any] | Path,
    title: str | None = None,
) -> Figure:
    """Draws losses, clean accuracy and robust accuracy by epoch.

    All accuracies share one panel; each loss has its own, as their sizes
    differ. Curves of training are solid, those of validation dashed in the
    same color. Logs whose names contain neither "loss" nor "accuracy", such as
    learning rates, are not drawn.

    Args:
        history: The `History` that `fit` returned, its `history` dict, or the
            path of a file that `kad.callbacks.TrainingLog` or
            `keras.callbacks.CSVLogger` wrote.
        title: A title above all panels, such as the model's name.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If there is nothing to draw, or a log does not have one
            value for each epoch.
        ImportError: If matplotlib is not installed.

    Example:

    ```python
    history = model.fit(x, y, validation_data=(x, y), epochs=2)
    kad.visualization.training_figure(history).savefig("training.png")
    ```
    """
    epochs, logs = _read(history)
    panels = _panels(logs)
    if not panels or not len(epochs):
        raise ValueError(
            "`history` should have logs of at least one epoch whose names "
            f"contain 'loss' or 'accuracy'. Received: {sorted(logs)} of "
            f"{len(epochs)} epochs."
        )
    columns = min(len(panels), _COLUMNS)
    rows = -(-len(panels) // columns)
    figure = new_figure(WIDTH * columns / _COLUMNS, 2.6 * rows + 0.4)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    # The last row may have fewer panels than columns.
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes, (label, curves) in zip(grid, panels.items(), strict=False):
        _draw(axes, epochs, curves)
        label_axes(axes, label, "epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if label == _ACCURACY:
            axes.set_ylim(0, 100)
            add_legend(axes)
    _explain_styles(figure, logs)
    if title is not None:
        figure.suptitle(title, fontsize=TITLE, parse_math=False)
    return figure


def _panels(logs):
    """Groups the logs: all accuracies in one panel, each loss in its own."""
    panels = {}
    for name, values in logs.items():
        measured = name.removeprefix("val_")
        if "accuracy" in name:
            percent = 100 * np.asarray(values, "float64")
            panels.setdefault(_ACCURACY, {})[name] = percent
        elif "loss" in name:
            panels.setdefault(measured.replace("_", " "), {})[name] = values
    # Accuracy and total loss come first, in front of the other losses.
    first = (_ACCURACY, "loss")
    return dict(sorted(panels.items(), key=lambda item: item[0] not in first))


def _read(history):
    """Returns the epochs, counted from 1, and the logs by name."""
    if isinstance(history, (str, os.PathLike)):
        epochs, logs = _read_file(history)
    else:
        logs = getattr(history, "history", history)
        if not isinstance(logs, dict):
            raise ValueError(
                "`history` should be the `History` that `fit` returned, a dict "
                "of logs, or the path of a log file. Received an object of "
                f"type {type(history).__name__}."
            )
        for name, values in logs.items():
            if np.ndim(values) != 1:
                raise ValueError(
                    f"The log '{name}' should have a value for each epoch. "
                    f"Received: {values!r}."
                )
        longest = max(map(len, logs.values()), default=0)
        epochs = getattr(history, "epoch", range(longest))
    for name, values in logs.items():
        if len(values) != len(epochs):
            raise ValueError(
                f"The log '{name}' has {len(values)} values for {len(epochs)} "
                "epochs, so it is not known to which epochs they belong. "
                "Validate in every epoch (validation_freq=1), or pass a dict "
                "without this log."
            )
    return np.asarray(epochs) + 1, logs


def _read_file(path):
    """Reads epochs and logs; NaN where an epoch lacks a log."""
    rows = read_epochs(path)
    names = dict.fromkeys(name for row in rows for name in row)
    return [row["epoch"] for row in rows], {
        name: [row.get(name, np.nan) for row in rows]
        for name in names
        if name != "epoch"
    }


def _draw(axes, epochs, curves):
    """Draws the curves of one panel; validation has the color of training."""
    colors = {}
    for name, values in curves.items():
        measured = name.removeprefix("val_")
        is_new = measured not in colors
        axes.plot(
            epochs,
            values,
            "-" if name == measured else "--",
            color=colors.setdefault(measured, f"C{len(colors)}"),
            label=curve_name(measured.replace("_", " ")) if is_new else None,
            marker="o",
            markersize=3,
        )


def _explain_styles(figure, logs):
    """Adds a legend of line styles if there are validation logs."""
    from matplotlib.lines import Line2D

    styles = {"training": "-", "validation": "--"}
    if any(name.startswith("val_") for name in logs):
        lines = [
            Line2D([], [], color=GRAY, ls=style) for style in styles.values()
        ]
        add_legend(
            figure,
            lines,
            styles,
            loc="outside lower center",
            ncols=2,
            frameon=False,
        )
