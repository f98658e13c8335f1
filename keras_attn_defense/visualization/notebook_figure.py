"""A figure that notebooks show."""

import io

from matplotlib.figure import Figure

# The width of a page is about 900 pixels.
_DPI = 100


class NotebookFigure(Figure):
    """A figure that Jupyter shows if it is the last value of a cell.

    Jupyter shows other figures only if pyplot was imported.
    """

    def _repr_png_(self):
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=_DPI)
        return picture.getvalue()
