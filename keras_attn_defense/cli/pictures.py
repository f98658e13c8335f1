"""Sheets of pictures of the first images."""

import importlib.util

import keras
import numpy as np

_ROWS = 6


def check_matplotlib(option):
    """Raises an `ImportError` if pictures cannot be drawn.

    Args:
        option: The option that asks for a picture.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(
            f"{option} needs matplotlib, which is not installed. Install it "
            "with `pip install keras-attn-defense[viz]`, or leave it out."
        )


def draw_attack(path, inputs, x_adv, predictions):
    """Draws images before and after an attack, and what changed.

    Args:
        path: The file to write.
        inputs: The `Inputs`.
        x_adv: Adversarial images.
        predictions: The classes that the model takes them for.
    """
    rows = []
    for index in range(min(_ROWS, len(x_adv))):
        before, after = inputs.images[index], x_adv[index]
        change = after - before
        size = max(abs(change).max(), 1e-12)
        rows.append(
            [
                (
                    _shown(before, inputs.value_range),
                    f"class {inputs.labels[index]}, predicted "
                    f"{inputs.predictions[index]}",
                ),
                (
                    _shown(after, inputs.value_range),
                    f"predicted {predictions[index]}",
                ),
                (_shown(change, (-size, size)), f"at most {size:.3g}"),
            ]
        )
    _draw(path, rows, ("image", "attacked", "change, magnified"))


def draw_maps(path, inputs, maps, classes):
    """Draws images, and the same with their attention laid over.

    Args:
        path: The file to write.
        inputs: The `Inputs`.
        maps: Attention maps between 0 and 1.
        classes: The classes that they explain.
    """
    rows = []
    for index in range(min(_ROWS, len(maps))):
        image = _shown(inputs.images[index], inputs.value_range)
        rows.append(
            [
                (image, f"predicted {inputs.predictions[index]}"),
                (_overlay(image, maps[index]), f"for class {classes[index]}"),
            ]
        )
    _draw(path, rows, ("image", "attention"))


def _draw(path, rows, titles):
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(2.2 * len(titles), 2.4 * len(rows)), layout="constrained"
    )
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title(title, fontsize=9)
    for axes, row in zip(grid, rows, strict=True):
        for axis, (image, caption) in zip(axes, row, strict=True):
            axis.imshow(image, vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            axis.set_xlabel(caption, fontsize=8)
    figure.savefig(path, dpi=120)


def _shown(image, value_range):
    """An image of any number of channels as red, green and blue in [0, 1]."""
    if keras.config.image_data_format() == "channels_first":
        image = np.moveaxis(image, 0, -1)
    if image.shape[-1] != 3:
        image = np.repeat(image.mean(-1, keepdims=True), 3, axis=-1)
    lower, upper = value_range
    return np.clip((image - lower) / (upper - lower), 0, 1)


def _overlay(image, attention):
    """The image in grey, lit in colour where the attention lies."""
    from matplotlib import colormaps

    gray = image.mean(axis=-1, keepdims=True)
    color = colormaps["inferno"](attention)[..., :3]
    weight = 0.35 + 0.4 * attention[..., None]
    return (1 - weight) * gray + weight * color
