"""A figure that a notebook shows."""

import io

from matplotlib.figure import Figure

# The width of a page is about 900 pixels.
_DPI = 100


class NotebookFigure(Figure):
    """A figure that Jupyter shows where a cell ends with it.

    Other figures are shown only once pyplot was imported.
    """

    def _repr_png_(self):
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=_DPI)
        return picture.getvalue()
