"""The picture of `quickstart.py`: what networks look at under attack."""

import keras
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

import keras_attn_defense as kad

RIGHT, WRONG, GRAY = "#1a7f37", "#c62828", "#57606a"
COLUMNS = ("attacked", "attention", "attention,\nattacked")
NOTE = (
    "Attention: Grad-CAM for the true class, from none (dark) to most (yellow)."
)
BOX_NOTE = " White: the box of the object."


def draw_attention(networks, captions, data, path, rows=5):
    """Draws the first test images, attacked, and the attention to them.

    Args:
        networks: Dict of classifiers by name.
        captions: Dict of a line under each name.
        data: Test data, an `ImageSplit`.
        path: Where to save the picture.
        rows: Number of images.
    """
    data = type(data)(*(part if part is None else part[:rows] for part in data))
    figure = Figure(figsize=(10, rows + 1.25), dpi=200, facecolor="white")
    ratios = [1.3] + [3.2] * len(networks)
    sides = figure.subfigures(1, len(ratios), width_ratios=ratios)
    _draw_images(sides[0], data)
    for side, name in zip(sides[1:], networks, strict=True):
        _draw_heading(side, name, captions[name])
        _draw_network(side, networks[name], data)
    note = NOTE if data.boxes is None else NOTE + BOX_NOTE
    figure.text(0.5, 0.018, note, ha="center", fontsize=8, color=GRAY)
    figure.savefig(path)


def _draw_heading(figure, name, caption):
    center, top = 0.5, 0.985
    figure.text(center, top, name, ha="center", va="top", weight="bold")
    figure.text(
        center, top - 0.035, caption, ha="center", va="top", fontsize=8.5
    )
    line = Line2D([0.04, 0.96], [top - 0.068] * 2, color=GRAY, linewidth=0.8)
    figure.add_artist(line)


def _draw_images(figure, data):
    axes = _grid(figure, len(data.images), ("image",), left=0.1)
    for row, label in enumerate(data.labels):
        _show(axes[row, 0], data.images[row])
        axes[row, 0].set_xlabel(f"class {label}", fontsize=8, labelpad=2)


def _draw_network(figure, network, data):
    attack = kad.attacks.PGD(steps=20, seed=0)
    grad_cam = kad.attention.GradCAM(model=network, normalization="max")
    attacked = _numpy(attack(network, data.images, data.labels))
    clean_lit, attacked_lit = (
        kad.visualization.overlay(images, grad_cam(images, data.labels))
        for images in (data.images, attacked)
    )
    predictions = network.predict(attacked, verbose=0)
    axes = _grid(figure, len(data.images), COLUMNS, left=0.04)
    for row, label in enumerate(data.labels):
        _show(axes[row, 0], attacked[row])
        _predicted(axes[row, 0], predictions[row], label)
        _show(axes[row, 1], clean_lit[row])
        _show(axes[row, 2], attacked_lit[row])
        if data.boxes is not None:
            _outline(axes[row, 1], data.boxes[row])
            _outline(axes[row, 2], data.boxes[row])


def _grid(figure, rows, titles, left):
    axes = figure.subplots(rows, len(titles), squeeze=False)
    figure.subplots_adjust(left, 0.075, 1 - left, 0.855, 0.06, 0.28)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=8.5, pad=4)
    return axes


def _show(axis, image):
    axis.imshow(image, cmap="gray", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def _predicted(axis, prediction, label):
    predicted = int(prediction.argmax())
    mark, color = ("✓", RIGHT) if predicted == label else ("✗", WRONG)
    text = f"{mark} {predicted} ({prediction[predicted]:.0%})"
    axis.set_xlabel(text, color=color, fontsize=8, labelpad=2)


def _outline(axis, box):
    """A frame around `box`, which is in fractions of the image."""
    left, top, right, bottom = box
    frame = Rectangle(
        (left, 1 - bottom),
        right - left,
        bottom - top,
        transform=axis.transAxes,
        fill=False,
        edgecolor="white",
        linewidth=0.8,
    )
    axis.add_patch(frame)


def _numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)
