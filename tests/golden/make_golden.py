"""Writes `golden.npz`, the values that every backend has to reproduce.

    KERAS_BACKEND=tensorflow python -m tests.golden.make_golden

Run it again only when values change on purpose, and say so in the changelog.
"""

import pathlib

import keras
import numpy as np

from tests.golden import golden

PATH = pathlib.Path(__file__).parent / "golden.npz"


def main():
    if keras.backend.backend() != "tensorflow":
        raise SystemExit("Golden values come from KERAS_BACKEND=tensorflow.")
    weights, images, labels = golden.draw()
    results = golden.compute(weights, images, labels)
    arrays = {f"weight_{i}": weight for i, weight in enumerate(weights)}
    np.savez_compressed(PATH, images=images, labels=labels, **arrays, **results)
    print(f"{PATH}: {PATH.stat().st_size} bytes, {len(results)} results")


if __name__ == "__main__":
    main()
