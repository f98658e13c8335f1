"""Sizes, fonts and colors that all figures share."""

import bisect

import numpy as np

#: Inches. A README is about 900 pixels wide: 100 pixels per inch.
WIDTH = 9.0
#: Font sizes in points.
TITLE, CAPTION = 9.5, 8.5
RIGHT, WRONG, GRAY, BLACK = "#1a7f37", "#c62828", "#57606a", "#1f2328"
#: For attention: perceptually uniform, and dark where there is none.
COLORMAP = "inferno"


def check_matplotlib(purpose="Drawing"):
    """Checks that matplotlib is installed.

    Args:
        purpose: What needs matplotlib, the first words of the error message.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError(
            f"{purpose} needs matplotlib, which is not installed. Install it "
            "with `pip install matplotlib` or `pip install "
            "keras-attn-defense[viz]`."
        ) from None


def new_figure(width=WIDTH, height=3.5, layout="constrained"):
    """Makes an empty figure without a window and without global state.

    Args:
        width: Width in inches.
        height: Height in inches.
        layout: The layout engine of matplotlib; None if axes are placed by
            hand.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    check_matplotlib()
    from .notebook_figure import NotebookFigure

    return NotebookFigure(
        (width, height), dpi=150, facecolor="white", layout=layout
    )


def pixels(figure):
    """Renders a figure as an image: bytes `(height, width, 3)`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def label_axes(axes, title=None, x=None, y=None):
    """Writes title and labels of axes, and draws a light grid.

    Args:
        axes: The `matplotlib.axes.Axes`.
        title: The title.
        x: Label of the horizontal axis.
        y: Label of the vertical axis.
    """
    axes.set_title(title or "", fontsize=TITLE, parse_math=False)
    axes.set_xlabel(x or "", fontsize=CAPTION)
    axes.set_ylabel(y or "", fontsize=CAPTION)
    axes.tick_params(labelsize=CAPTION)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)


def curve_name(name):
    """Returns a name that a legend shows even if it begins with `_`."""
    return f" {name}" if name.startswith("_") else name


def add_legend(owner, *handles, **settings):
    """Adds a legend that shows names literally, `$` included.

    Args:
        owner: The `matplotlib` axes or figure.
        *handles: Curves and their names. Without them, all curves that have
            names.
        **settings: Further arguments of `legend`.
    """
    legend = owner.legend(*handles, fontsize=CAPTION, **settings)
    for text in legend.get_texts():
        text.set_parse_math(False)


def fitted(text, inches, size):
    """Shortens a text so that it does not overlap with its neighbor.

    Args:
        text: The text.
        inches: Width of its place.
        size: Its font size in points.

    Returns:
        The text, or as much of it as there is room for and an ellipsis.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=size)

    def fits(line):
        width, _, _ = text_to_path.get_text_width_height_descent(
            line, font, ismath=False
        )
        return width <= 72 * inches

    def shortened(length):
        return text[:length].rstrip() + "…"

    if fits(text):
        return text
    # Shorter texts are narrower, so bisection finds the longest one that fits.
    lengths = range(1, len(text))
    kept = bisect.bisect(lengths, False, key=lambda n: not fits(shortened(n)))
    return shortened(kept)
