"""The page of a study of attention."""

from typing import Any

from .chart import Chart
from .chart import Curve
from .chart import Point
from .page import interval
from .page import percent
from .page import render

_GROUPS = {"chosen": "attack succeeded", "others": "attack failed"}
#: The measures whose course along the attack is drawn.
_COURSES = {
    "iou": "overlap with the clean area (IoU)",
    "centroid_shift": "shift of the centroid",
    "entropy": "entropy of the map",
    "components": "parts of the area",
}
#: The measures of the first observation. The others belong to the second.
_FIRST = ("completeness", "confidence_drop")
_MARKS = {
    "holds": "passed",
    "the opposite holds": "raised",
    "cannot be told": "unchecked",
}


def study_page(
    result: Any, names: dict[str, str], observations: dict[str, str]
) -> str:
    """Returns the page of a study.

    Args:
        result: The `StudyResult`.
        names: What each measure is called, a dict.
        observations: What each measure is expected to show, a dict.
    """
    statistics = result.statistics
    rows = [
        _row(name, measure, names, observations)
        for name, measure in statistics["measures"].items()
    ]
    return render(
        "study.html",
        title=f"Attention of {result.settings['model']} under attack",
        verdict=_verdict(result.settings, statistics),
        first=[row for row in rows if row["kind"] in _FIRST],
        second=[row for row in rows if row["kind"] not in _FIRST],
        rows=rows,
        shares=_shares(statistics),
        success=_success(statistics.get("bins", [])),
        courses=_courses(statistics["steps"]),
        facts=_facts(result.settings),
    )


def _row(name, measure, names, observations):
    """One measure: its means, its test and what that says."""
    kind = name.removeprefix("other_")
    other = " (second method)" if kind != name else ""
    return {
        **measure,
        "kind": kind,
        "name": names[kind] + other,
        "observation": observations[kind] + other,
        "mark": _MARKS[measure["verdict"]],
    }


def _verdict(settings, statistics):
    success, epsilon = statistics["success"], settings["epsilon"]
    radius = "at any distance" if epsilon is None else f"at {epsilon:.3g}"
    return (
        f"Of {statistics['images']} images, {statistics['correct']} are "
        f"classified correctly. {settings['attack']['name']} {radius} succeeds "
        f"on {success['count']} of these, {percent(success['share'])} (95 % "
        f"interval: {interval(success['interval'])})."
    )


def _shares(statistics):
    """Attack success where attention is incomplete, and elsewhere."""
    found = {"": "incomplete", " (second method)": "other_incomplete"}
    return [
        {"method": method, **statistics[name]}
        for method, name in found.items()
        if name in statistics
    ]


def _success(bins):
    """Draws attack success by completeness; None without boxes."""
    points = [
        Point(
            sum(row["from_to"]) / 2,
            100 * row["share"],
            tuple(100 * bound for bound in row["interval"]),
            f"{percent(row['share'])} ({interval(row['interval'])}), "
            f"n = {row['n']}",
        )
        for row in bins
        if row["n"]
    ]
    if not points:
        return None
    return Chart(
        "Attack success by completeness. The sentences beside it say what it "
        "shows.",
        [Curve("attack success", points, main=True)],
        [(tenth / 10, f"{tenth / 10:g}") for tenth in range(0, 11, 2)],
        "completeness: IoU with the object",
        "attack success in %",
        (0, 100),
    )


def _courses(steps):
    """Draws how attention changes along the attack, a chart a measure."""
    charts = {}
    for name, title in _COURSES.items():
        curves = [
            Curve(group, _course(steps[name][key]))
            for key, group in _GROUPS.items()
            if None not in steps[name][key]
        ]
        if curves:
            last = len(curves[0].points) - 1
            charts[name] = Chart(
                f"{title} after each step of the attack, where it succeeded "
                "and where it failed. The table below has the last step.",
                curves,
                [(step, str(step)) for step in range(last + 1)],
                "step",
                title,
            )
    return charts


def _course(means):
    return [
        Point(step, mean, None, f"{mean:.3f}")
        for step, mean in enumerate(means)
    ]


def _facts(settings):
    """Returns what one needs to know to judge the study, by its name."""
    lower, upper = settings.get("value_range", (0, 1))
    facts = {"Model": settings["model"]}
    for title, name in (
        ("Attack", "attack"),
        ("Attention", "attention"),
        ("Second attention", "other_attention"),
        ("Attention area", "mask"),
    ):
        if settings.get(name):
            facts[title] = _described(settings[name])
    return {**facts, "Value range": f"{lower:g} to {upper:g}"}


def _described(part):
    config = part.get("config", {})
    known = [
        f"{key} {value}"
        for key, value in config.items()
        if value is not None and key not in ("name", "dtype", "trainable")
    ]
    return f"{part['name']}: {', '.join(known)}" if known else part["name"]
