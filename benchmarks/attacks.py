"""CPU time of PGD for each image, beside other libraries.

    python benchmarks/attacks.py --backend torch

Every round runs each library once, so that a machine whose speed drifts is
the same for all of them; the table shows medians of the rounds' ratios of our
time to theirs. CPU seconds of the whole process, all threads. That all of them
do the same work is seen from the accuracy that they leave.
"""

import argparse
import os
import pathlib
import statistics
import sys
import time

_FOLDER = pathlib.Path(__file__).parent


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend
    # Threads that wait for work would count as working.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]
    # Imported here: Keras reads its backend when it is imported.
    import keras
    import networks
    import peers
    import report

    from keras_attn_defense.datasets import load_digit_scenes

    model = networks.NETWORKS[options.network](seed=options.seed)
    if options.weights:
        model = keras.saving.load_model(options.weights)
    images, labels = _images(options, load_digit_scenes)
    settings = {
        "epsilon": 8 / 255,
        "step_size": 2 / 255,
        "steps": options.steps,
        "batch_size": options.batch_size,
    }
    runs, results = {}, {}
    for name, build in peers.PEERS.items():
        try:
            runs[name] = build(model, settings)
            crafted = runs[name](images, labels)  # Compiles what it compiles.
        except ImportError as error:
            print(f"{name}: not run ({error})")
            runs.pop(name, None)
            continue
        predicted = model.predict(crafted, verbose=0).argmax(-1)
        results[name] = {"accuracy": float((predicted == labels).mean())}
    times = {name: [] for name in runs}
    for _ in range(options.repeats):
        for name, run in runs.items():
            start = time.process_time()
            run(images, labels)
            times[name].append(time.process_time() - start)
    own = times["keras_attn_defense"]
    for name, seconds in times.items():
        ratios = [a / b for a, b in zip(own, seconds, strict=True)]
        results[name] |= {
            "cpu_ms_per_image": 1e3 * statistics.median(seconds) / len(images),
            "ours_over_theirs": statistics.median(ratios),
        }
        print(name.ljust(22), *(f"{v:9.4g}" for v in results[name].values()))
    path = _FOLDER / "results" / f"attacks_{options.backend}.json"
    report.write(path, options, results=results, settings=settings)


def _images(options, load_digit_scenes):
    if options.data:
        import numpy as np

        with np.load(options.data) as file:
            images, labels = file["x_test"], file["y_test"]
        images = images[: options.batch_size].astype("float32") / 255
        return images, labels[: options.batch_size].reshape(-1).astype("int64")
    scenes = load_digit_scenes()[1]
    count = options.batch_size
    return scenes.images[:count], scenes.labels[:count].astype("int64")


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--backend",
        choices=["tensorflow", "jax", "torch"],
        default=os.environ.get("KERAS_BACKEND", "tensorflow"),
    )
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--weights", help="a .keras file to attack instead")
    parser.add_argument("--data", help="a .npz file instead of digit scenes")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=8, help="rounds")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
