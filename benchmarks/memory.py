"""Memory of attacks against their number of steps.

    python benchmarks/memory.py --backend torch

Each attack runs in a process of its own, on one batch of 64 images and a
ResNet-8. Printed is by how many MiB the peak of resident memory rises above
what the process held before the attack.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys

_FOLDER = pathlib.Path(__file__).parent
_STEPS = {
    "pgd": (10, 50, 250),
    "apgd-ce": (10, 50, 250),
    "square": (50, 250, 1250),
}


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend
    sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]
    if options.measure:
        print(_peak(options.measure, int(options.steps), options.seed))
        return
    rows = []
    for attack, counts in _STEPS.items():
        for steps in counts:
            rise = _in_a_process(options, attack, steps)
            rows.append({"attack": attack, "steps": steps, "mib": rise})
            print(f"{attack}, {steps} steps: {rise:.0f} MiB", flush=True)
    # Imported here: Keras reads its backend when it is imported.
    import report

    path = _FOLDER / "results" / f"memory_{options.backend}.json"
    report.write(path, options, results=rows)


def _in_a_process(options, attack, steps):
    command = [sys.executable, __file__, "--measure", attack]
    command += ["--steps", str(steps), "--backend", options.backend]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(run.stdout.split()[-1])


def _peak(name, steps, seed):
    import networks
    import numpy as np

    from keras_attn_defense import attacks

    rng = np.random.default_rng(seed)
    x = rng.random((64, 32, 32, 3), "float32")
    y = rng.integers(0, 10, 64).astype("int32")
    model = networks.NETWORKS["resnet8"]()
    model.predict(x, batch_size=64, verbose=0)
    attack = attacks.get(name, 8 / 255, seed=seed)
    attack.steps = steps
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    attack(model, x, y)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (after - before) / 1024


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--steps", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
