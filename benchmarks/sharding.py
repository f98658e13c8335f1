"""What dividing an evaluation costs, and what two workers gain.

    KERAS_BACKEND=torch python benchmarks/sharding.py

Two measurements of a robust network on digit scenes, which take part in each
round, one after the other:

- cost: CPU time of eight shards and their merge, over that of one evaluation of
  the whole, in one process. The start of a process is not in it.
- speed-up: wall time of a worker pinned to one core, over that of two workers,
  each with half of the images and a core of its own, who begin together. It
  needs two idle cores.

`--only-cost` leaves out the second. The reports are compared: each image has to
have the same outcome.
"""

import argparse
import functools
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np

_FOLDER = pathlib.Path(__file__).parent
sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]

import report  # noqa: E402

import keras_attn_defense as kad  # noqa: E402

SHARDS = 8
ATTACKS = {"pgd": kad.attacks.PGD(steps=10)}
BATCH = 32


def evaluate(options, **arguments):
    """Evaluates the network; `arguments` say which part of the data."""
    return kad.evaluate_robustness(
        *subject(options.images),
        attacks=ATTACKS,
        batch_size=BATCH,
        checks=False,
        verbose=0,
        **arguments,
    )


@functools.cache
def subject(images):
    """Returns model, images and labels."""
    _, test = kad.datasets.load_digit_scenes(1, images, seed=5)
    return kad.zoo.load("digit_scenes"), test.images, test.labels


def cost(options, folder):
    """Returns the CPU seconds of the whole, and of shards with their merge."""
    start = time.process_time()
    whole = evaluate(options)
    middle = time.process_time()
    files = [folder / f"{index}.npz" for index in range(SHARDS)]
    for index, state in enumerate(files):
        state.unlink(missing_ok=True)
        evaluate(options, shard=(index, SHARDS), state=state)
    merged = kad.evaluation.merge(
        files,
        *subject(options.images),
        attacks=ATTACKS,
        checks=False,
        verbose=0,
    )
    end = time.process_time()
    for name, values in whole.per_sample.items():
        np.testing.assert_array_equal(merged.per_sample[name], values)
    return middle - start, end - middle


def seconds(options, folder, count):
    """Returns the wall seconds of workers who divide the images."""
    workers = []
    for core in range(count):
        command = [sys.executable, __file__, "--worker", str(core), str(count)]
        command += ["--images", str(options.images), "--folder", str(folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        workers.append(subprocess.Popen(command, text=True, **pipes))
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    start = time.monotonic()
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        assert worker.stdout.readline() == "done\n"
    elapsed = time.monotonic() - start
    for worker in workers:
        worker.communicate()
    return elapsed


def work(options):
    """What a worker does: waits until all are ready, then evaluates."""
    core, count = options.worker
    os.sched_setaffinity(0, {core})
    # The start of a process is not measured.
    evaluate(options, limit=BATCH)
    print("ready", flush=True)
    sys.stdin.readline()
    state = options.folder / f"{core}-of-{count}.npz"
    state.unlink(missing_ok=True)
    evaluate(options, shard=(core, count), state=state)
    print("done", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only-cost", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", type=int, nargs=2, help="internal")
    parser.add_argument("--folder", type=pathlib.Path, help="internal")
    options = parser.parse_args()
    if options.worker:
        return work(options)
    options.backend = keras.backend.backend()
    rounds = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        few = argparse.Namespace(images=4 * BATCH * SHARDS)
        cost(few, folder)  # Warms up.
        for _ in range(options.repeats):
            whole, shards = cost(options, folder)
            rounds.append(
                {
                    "whole_cpu_s": whole,
                    "shards_cpu_s": shards,
                    "cost": shards / whole - 1.0,
                }
            )
            if not options.only_cost:
                one, two = (seconds(options, folder, count) for count in (1, 2))
                rounds[-1] |= {
                    "one_worker_s": one,
                    "two_workers_s": two,
                    "speed_up": one / two,
                }
            print(rounds[-1], flush=True)
    medians = {
        name: statistics.median(each[name] for each in rounds)
        for name in ("cost", "speed_up")
        if name in rounds[0]
    }
    print(medians)
    measured = "sharding_cost" if options.only_cost else "sharding"
    report.write(
        _FOLDER / "results" / f"{measured}_{options.backend}.json",
        options,
        images=options.images,
        shards=SHARDS,
        medians=medians,
        rounds=rounds,
    )


if __name__ == "__main__":
    main()
