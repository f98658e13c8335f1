"""What all figures share: sizes, fonts, colours."""

import bisect

import numpy as np

#: Inches. A README shows about 900 pixels, so 100 of them an inch.
WIDTH = 9.0
#: Font sizes in points.
TITLE, CAPTION = 9.5, 8.5
RIGHT, WRONG, GRAY, BLACK = "#1a7f37", "#c62828", "#57606a", "#1f2328"
#: Attention: perceptually even, and dark where there is none.
COLORMAP = "inferno"


def check_matplotlib(purpose="Drawing"):
    """Raises an `ImportError` if figures cannot be drawn.

    Args:
        purpose: What needs matplotlib, as the message's first word.
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
    """An empty figure that no window and no global state knows of.

    Args:
        width: Width in inches.
        height: Height in inches.
        layout: What places the axes; None if they are placed by hand.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    check_matplotlib()
    from .notebook_figure import NotebookFigure

    return NotebookFigure(
        (width, height), dpi=150, facecolor="white", layout=layout
    )


def pixels(figure):
    """The figure as an image: bytes `(height, width, 3)`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def label_axes(axes, title=None, x=None, y=None):
    """Writes what axes of curves show, over a light grid.

    Args:
        axes: The `matplotlib.axes.Axes`.
        title: The title.
        x: What runs along the horizontal axis.
        y: What runs along the vertical axis.
    """
    axes.set_title(title or "", fontsize=TITLE, parse_math=False)
    axes.set_xlabel(x or "", fontsize=CAPTION)
    axes.set_ylabel(y or "", fontsize=CAPTION)
    axes.tick_params(labelsize=CAPTION)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)


def curve_name(name):
    """A name for a legend, which leaves out those that begin with `_`."""
    return f" {name}" if name.startswith("_") else name


def add_legend(owner, *handles, **settings):
    """Explains curves; names are shown as they are, `$` included.

    Args:
        owner: The `matplotlib` axes or figure.
        *handles: Curves and their names. Without them, all that have names.
        **settings: Further arguments of `legend`.
    """
    legend = owner.legend(*handles, fontsize=CAPTION, **settings)
    for text in legend.get_texts():
        text.set_parse_math(False)


def fitted(text, inches, size):
    """Shortens a text, so that it does not run into its neighbour.

    Args:
        text: The text.
        inches: The room it has.
        size: Its font size in points.

    Returns:
        As much of the text as there is room for.
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
    lengths = range(1, len(text))
    kept = bisect.bisect(lengths, False, key=lambda n: not fits(shortened(n)))
    return shortened(kept)
