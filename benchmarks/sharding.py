"""What dividing an evaluation costs, and what two workers gain.

    KERAS_BACKEND=torch python benchmarks/sharding.py

Three measurements of a robust network on digit scenes, which take part in each
round, one after the other:

- cost: CPU time of eight shards and their merge, over that of one evaluation of
  the whole, in one process. The start of a process is not in it. Which of the
  two comes first alternates, since a machine's speed drifts.
- own: what eight shards and their merge do besides the attack. It is the
  difference of the same two where the attack takes a single step, so that there
  is less noise, over the CPU time of the whole with all steps.
- speed-up: wall time of a worker pinned to one core, over that of two workers,
  each with half of the images and a core of its own, who begin together. It
  needs two idle cores.

`--only-cost` leaves out the last. The reports are compared: each image has to
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
STEPS = 10
BATCH = 32


def attacks(steps):
    return {"pgd": kad.attacks.PGD(steps=steps)}


def evaluate(options, steps=STEPS, **arguments):
    """Evaluates the network; `arguments` say which part of the data."""
    return kad.evaluate_robustness(
        *subject(options.images),
        attacks=attacks(steps),
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


def in_shards(options, folder, steps):
    """Evaluates shard after shard, and merges them."""
    files = [folder / f"{index}.npz" for index in range(SHARDS)]
    for index, state in enumerate(files):
        state.unlink(missing_ok=True)
        evaluate(options, steps, shard=(index, SHARDS), state=state)
    return kad.evaluation.merge(
        files,
        *subject(options.images),
        attacks=attacks(steps),
        checks=False,
        verbose=0,
    )


def cost(options, folder, steps=STEPS, shards_first=False):
    """Returns the CPU seconds of the whole, and of shards with their merge."""
    ways = {
        "whole": lambda: evaluate(options, steps),
        "shards": lambda: in_shards(options, folder, steps),
    }
    reports, seconds = {}, {}
    for way in sorted(ways, reverse=not shards_first):
        start = time.process_time()
        reports[way] = ways[way]()
        seconds[way] = time.process_time() - start
    for name, values in reports["whole"].per_sample.items():
        np.testing.assert_array_equal(
            reports["shards"].per_sample[name], values
        )
    return seconds["whole"], seconds["shards"]


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
        cost(few, folder)  # Compiles both.
        for index in range(options.repeats):
            swapped = bool(index % 2)
            whole, shards = cost(options, folder, shards_first=swapped)
            least, its_shards = cost(options, folder, 1, shards_first=swapped)
            rounds.append(
                {
                    "whole_cpu_s": whole,
                    "shards_cpu_s": shards,
                    "cost": shards / whole - 1.0,
                    "own_cpu_s": its_shards - least,
                    "own": (its_shards - least) / whole,
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
        for name in ("cost", "own", "speed_up")
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
