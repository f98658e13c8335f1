"""Do the tests notice an error that nobody would see?

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/mutants.py
    python benchmarks/mutants.py --check

Puts one error at a time, out of the list mutants.toml, into a copy of the
package, and runs the tests which ought to notice. An error that they do not
notice has survived: a test is missing, unless the list says why the changed
code does the same. Each result is saved at once to benchmarks/results/, and
what is there is not run again without `--again`. `--check` only looks whether
every entry still fits the code.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import tomllib

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = "keras_attn_defense"
LIST = pathlib.Path(__file__).with_suffix(".toml")
OUTCOMES = {0: "survived", 1: "killed"}


def main():
    options = _options()
    mutants = tomllib.loads(LIST.read_text())["mutants"]
    _check(mutants)
    if options.check:
        print(f"{len(mutants)} mutants fit the code.")
        return
    # Here once instead of in every fork.
    import keras
    import pytest  # noqa: F401

    options.backend = keras.backend.backend()
    path = options.output or (
        LIST.parent / "results" / f"mutants_{options.backend}.json"
    )
    before = json.loads(path.read_text()) if path.exists() else {}
    results = before.get("results", {})
    results = {m["name"]: results.get(m["name"]) for m in mutants}
    wanted = [m for m in mutants if _is_wanted(m, options)]
    passing = set(before.get("passing", []))
    if options.again:
        passing.difference_update(*(m["tests"] for m in wanted))
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        _copy(scratch)
        passing = _unchanged(scratch, wanted, passing, options)
        for mutant in wanted:
            if not options.again and _is_known(mutant, results[mutant["name"]]):
                continue
            results[mutant["name"]] = found = _run(scratch, mutant, options)
            _save(path, results, passing, options)
            print(f"{found['outcome']:9} {found['seconds']:6.1f} s", end=" ")
            print(mutant["name"], flush=True)
    for mutant in mutants:
        if found := results[mutant["name"]]:
            found["equivalent"] = mutant.get("equivalent")
    _save(path, results, passing, options)
    for name, found in results.items():
        if found and found["outcome"] != "killed":
            print(f"{found['outcome']}: {name}. {found['equivalent'] or ''}")
    print(score(results))


def score(results):
    """How many of the mutants that change anything were noticed."""
    counted = [r for r in results.values() if r and not r["equivalent"]]
    killed = sum(r["outcome"] != "survived" for r in counted)
    equivalent = len([r for r in results.values() if r]) - len(counted)
    return f"{killed} of {len(counted)} noticed, {equivalent} equivalent"


def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", nargs="+", help="parts of names or files")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--timeout", type=float, default=600.0)
    parser.add_argument("--output", type=pathlib.Path)
    parser.set_defaults(seed=0)  # What every test sets.
    return parser.parse_args()


def _check(mutants):
    """Raises a `ValueError` if an entry does not fit the code."""
    names = [mutant["name"] for mutant in mutants]
    if len(set(names)) < len(names):
        raise ValueError("Two mutants have one name.")
    for mutant in mutants:
        text = (ROOT / PACKAGE / mutant["file"]).read_text()
        count = text.count(mutant["old"])
        if count != 1 or mutant["old"] == mutant["new"]:
            raise ValueError(
                f"The mutant '{mutant['name']}' should change one place of "
                f"{mutant['file']}, but its old text is there {count} times."
            )
        for test in mutant["tests"]:
            if not (ROOT / "tests" / test.partition("::")[0]).exists():
                raise ValueError(f"'{mutant['name']}': there is no {test}.")


def _is_wanted(mutant, options):
    place = f"{mutant['name']} {mutant['file']}"
    return not options.only or any(part in place for part in options.only)


def _is_known(mutant, result):
    keys = ("file", "old", "new", "tests")
    return result is not None and all(result[k] == mutant[k] for k in keys)


def _copy(scratch):
    for name in (PACKAGE, "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, scratch / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", scratch)


def _unchanged(scratch, mutants, passing, options):
    """The tests that pass on the code as it is; all should.

    Raises a `RuntimeError` if one does not.
    """
    tests = {test for mutant in mutants for test in mutant["tests"]}
    tests = sorted(tests - passing)
    if tests and _pytest(scratch, tests, len(tests) * options.timeout):
        log = (scratch / "log").read_text()
        raise RuntimeError(f"Tests fail without a mutant:\n{log[-4000:]}")
    return sorted(passing.union(tests))


def _run(scratch, mutant, options):
    source = scratch / PACKAGE / mutant["file"]
    original = source.read_text()
    _write(source, original.replace(mutant["old"], mutant["new"]))
    start = time.monotonic()
    status = _pytest(scratch, mutant["tests"], options.timeout)
    seconds = time.monotonic() - start
    _write(source, original)
    outcome = "timeout" if status is None else OUTCOMES.get(status, "broken")
    return {
        "outcome": outcome,
        "seconds": round(seconds, 1),
        "equivalent": mutant.get("equivalent"),
        "noticed_by": _failed_test(scratch),
        **{key: mutant[key] for key in ("file", "old", "new", "tests")},
    }


def _write(source, text):
    source.write_text(text)
    # Python knows compiled code by second and size, which may be equal.
    cached = importlib.util.cache_from_source(source)
    pathlib.Path(cached).unlink(missing_ok=True)


def _pytest(scratch, tests, timeout):
    """The exit status of pytest, or None if it takes too long."""
    # In a fork, which need not import Keras and its backend again.
    child = os.fork()
    if child == 0:
        os.setsid()
        os.chdir(scratch)
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.path[:0] = [str(scratch)]
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        import pytest

        paths = [f"tests/{test}" for test in tests]
        options = ["-x", "-q", "-p", "no:cacheprovider"]
        os._exit(int(pytest.main([*options, *paths])))
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.1)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _failed_test(scratch):
    lines = (scratch / "log").read_text(errors="replace").splitlines()
    failed = [x for x in lines if x.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0].partition(" ")[2] if failed else None


def _save(path, results, passing, options):
    # Imported late: `--check` needs no Keras.
    import report

    results = {name: found for name, found in results.items() if found}
    written = path.with_suffix(".tmp")
    content = {"score": score(results), "passing": passing, "results": results}
    report.write(written, options, **content)
    written.replace(path)


if __name__ == "__main__":
    main()
