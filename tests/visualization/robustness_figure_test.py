"""Tests of the figure of a report; its values are tested with the report."""

import pytest

import keras_attn_defense as kad
from tests.evaluation.helpers import evaluate
from tests.visualization.helpers import assert_legible

pytestmark = pytest.mark.once


def test_comparison_has_a_curve_for_each_model():
    reports = [evaluate(name=name) for name in ("first", "second")]
    comparison = kad.evaluation.compare(reports)
    (axes,) = comparison.plot().axes
    for line, report in zip(axes.lines, reports, strict=True):
        epsilons = [0.0, *report.robust_accuracy]
        shares = [report.clean_accuracy, *report.robust_accuracy.values()]
        assert list(line.get_xdata()) == epsilons
        assert list(line.get_ydata()) == [100 * share for share in shares]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "first",
        "second",
    ]
    assert_legible(axes.figure)


def test_labels_of_close_radii_keep_apart():
    radii = [0.25 / 255, 0.5 / 255, 1 / 255, 2 / 255, 4 / 255, 32 / 255]
    report = evaluate(epsilons=radii)
    figure = kad.visualization.robustness_figure(report)
    (axes,) = figure.axes
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["0", "", "", "", "", "4/255", "32/255"]
    assert list(axes.get_xticks()) == [0, *radii]
    assert_legible(figure)
