"""Reads and prints what `recipes.py` found."""

import pathlib

import numpy as np
import report

# From the weakest to the strongest.
_NAMES = {
    "clean": "clean",
    "fgsm": "FGSM",
    "pgd_50_10": "PGD-50-10",
    "autoattack": "AutoAttack",
    "adaptive": "adaptive",
    "worst": "all attacks",
}


def results_of(path, options):
    """Returns what a file has so far, which is of the same settings."""
    settings = settings_of(options)
    unsaid = {"data": settings["data"], "teacher": "digits"}
    unsaid |= {"warm_up": 0, "ramp": 0, "fork": None, "adaptive": 0}
    return report.read(path, settings, unsaid).get("results", [])


def settings_of(options):
    """Returns what all rows of a file have in common."""
    names = "network epsilon epochs batch rate sgd images test_images".split()
    names += ["auto_attack", "warm_up", "ramp", "teacher", "fork", "adaptive"]
    found = {name: getattr(options, name) for name in names}
    return {**found, "data": pathlib.Path(options.data).stem}


def show(row):
    values = {k: v for k, v in row.items() if isinstance(v, float)}
    text = "  ".join(
        f"{name} {value:.0f}" if name == "cpu_s" else f"{name} {value:.1%}"
        for name, value in values.items()
    )
    print(f"{row['recipe']:<30} seed {row['seed']}  {text}", flush=True)


def table(rows, against):
    """Prints means over the seeds, and their standard errors, in percent.

    Differences are those under the strongest attack, paired by the seed.
    """
    names = {k: v for k, v in _NAMES.items() if all(k in row for row in rows)}
    *_, key = names
    baseline = {r["seed"]: r[key] for r in rows if r["recipe"] == against}
    heads = ["seeds", *names.values(), f"less {against}", "CPU s"]
    print("|", "", *(f"| {head}" for head in heads), "|")
    print("|", "--- | " * len(heads) + "--- |")
    for name in dict.fromkeys(row["recipe"] for row in rows):
        own = [row for row in rows if row["recipe"] == name]
        pairs = [
            row[key] - baseline[row["seed"]]
            for row in own
            if row["seed"] in baseline and name != against
        ]
        cells = [str(len(own))]
        cells += [_mean([row[each] for row in own]) for each in names]
        cells += [_mean(pairs, "+")]
        cells += [f"{np.median([row['cpu_s'] for row in own]):.0f}"]
        print(f"| {name} | {' | '.join(cells)} |")


def _mean(values, sign=""):
    """Formats the mean in percent, with its standard error if it has one."""
    if not values:
        return ""
    text = f"{100 * np.mean(values):{sign}.1f}"
    if len(values) > 1:
        error = np.std(values, ddof=1) / len(values) ** 0.5
        text += f" ± {100 * error:.1f}"
    return text
