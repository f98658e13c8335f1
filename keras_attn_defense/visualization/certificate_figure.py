"""A figure of certified accuracy against the radius."""

from typing import Any

import numpy as np

from .._typing import Figure
from .style import add_legend
from .style import curve_name
from .style import label_axes
from .style import new_figure

_POINTS = 201


def certificate_figure(certificate: Any) -> Figure:
    """Draws certified accuracy against the l2 radius.

    The band is the confidence interval. The curve ends at the largest radius
    that so many noisy copies can certify.

    Args:
        certificate: What `kad.evaluation.certify` returned.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If it is something else.
        ImportError: If matplotlib is not installed.

    Example:

    ```python
    result = kad.evaluation.certify(model, x, y, n=200, verbose=0)
    kad.visualization.certificate_figure(result).savefig("certificate.png")
    ```
    """
    if not hasattr(certificate, "certified_accuracy"):
        raise ValueError(
            "`certificate` should be what `kad.evaluation.certify` returned. "
            f"Received an object of type {type(certificate).__name__}."
        )
    settings = certificate.settings
    radii = np.linspace(0, certificate.largest_radius, _POINTS)
    shares = [100 * certificate.certified_accuracy(r) for r in radii]
    bounds = 100 * np.array([certificate.certified_interval(r) for r in radii])
    figure = new_figure(6, 4)
    axes = figure.subplots()
    axes.plot(
        radii,
        shares,
        color="black",
        label=curve_name(f"certified, sigma {settings['sigma']:g}"),
    )
    axes.fill_between(
        radii,
        *bounds.T,
        color="black",
        alpha=0.15,
        linewidth=0,
        label=f"{100 * settings['confidence']:g} % interval",
    )
    label_axes(
        axes,
        f"{settings['model']}, {len(certificate)} images",
        "l2 radius",
        "accuracy in %",
    )
    axes.set_ylim(0, 102)
    add_legend(axes)
    return figure
