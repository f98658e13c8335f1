"""CPU time of a training step, as a multiple of a plain one.

    python benchmarks/step_cost.py --backend tensorflow

Every round runs each variant once, so that a machine whose speed drifts is
the same for all of them; the table shows medians of the rounds' ratios.
Times are CPU seconds of the whole process, all threads, of a step inside
`fit`, without the start and the end of `fit`.
"""

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

_VARIANTS = [
    "plain",
    "averaged",
    "attack",
    "both",
    "preservation",
    "rectification",
    "defended",
    "every_fourth",
]
_FOLDER = pathlib.Path(__file__).parent


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend
    # Threads that wait for work would count as working.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]
    if options.peak_of:
        print(_peak_memory(options))
        return
    # First: a subprocess inherits the peak of the process that starts it.
    names = options.variants if options.memory else []
    peaks = {name: _in_subprocess(name) for name in names}
    # Imported here: Keras reads its backend when it is imported.
    import report
    import variants

    runs = {name: variants.build(name, options) for name in options.variants}
    results = {name: _first_call(run) for name, run in runs.items()}
    times = {name: [] for name in runs}
    for _ in range(options.repeats):
        for name, run in runs.items():
            times[name].append(statistics.mean(run()))
    for name, run in runs.items():
        results[name] |= _ratios(name, times, variants.PASSES, options)
        results[name]["traces"] = run.traces
    for name in runs:
        results[name]["forwards"] = variants.forwards(name, options)
        if options.memory:
            results[name]["peak_mib"] = peaks[name]
    _print(results)
    path = options.output or (
        _FOLDER / "results" / f"step_cost_{options.backend}.json"
    )
    report.write(path, options, results=results, cpu_seconds=times)


def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--backend",
        choices=["tensorflow", "jax", "torch"],
        default=os.environ.get("KERAS_BACKEND", "tensorflow"),
    )
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--attack-steps", type=int, default=7)
    parser.add_argument("--steps", type=int, default=4, help="per round")
    parser.add_argument("--repeats", type=int, default=15, help="rounds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--memory", action="store_true", help="peak memory, in subprocesses"
    )
    parser.add_argument("--peak-of", choices=_VARIANTS, help="internal")
    parser.add_argument(
        "--variants", nargs="+", choices=_VARIANTS, default=_VARIANTS
    )
    parser.add_argument("--output", type=pathlib.Path)
    return parser.parse_args()


def _first_call(run):
    wall = time.perf_counter()
    first = run()[0]
    run()
    return {
        "first_step_cpu_s": first,
        "warm_up_wall_s": time.perf_counter() - wall,
    }


def _ratios(name, times, formulas, options):
    passes = formulas[name](options.attack_steps)
    both = formulas["both"](options.attack_steps)
    found = {
        "passes": passes,
        "floor": passes / formulas["plain"](options.attack_steps),
        "floor_of_both": passes / both,
        "cpu_s": statistics.median(times[name]),
    }
    # Those that were left out are compared with nothing.
    for key, other in {"ratio": "plain", "ratio_of_both": "both"}.items():
        if other in times:
            found[key] = _median_ratio(times[name], times[other])
    return found


def _median_ratio(times, references):
    pairs = zip(times, references, strict=True)
    return statistics.median(a / b for a, b in pairs)


def _peak_memory(options):
    import variants

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run = variants.build(options.peak_of, options)
    for _ in range(3):
        run()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (after - before) / 1024


def _in_subprocess(name):
    command = [sys.executable, *sys.argv, "--peak-of", name]
    output = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(output.stdout.splitlines()[-1])


def _print(results):
    columns = list(next(iter(results.values())))
    print("variant".ljust(15), *columns)
    for name, row in results.items():
        cells = (f"{row[c]:.4g}".rjust(len(c)) for c in columns)
        print(name.ljust(15), *cells)


if __name__ == "__main__":
    main()
