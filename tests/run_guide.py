"""Runs a guide on a little data: `python tests/run_guide.py guides/x.py`.

The guides themselves know nothing of this. Everything happens as they say it,
but with fewer images and epochs, so that it takes seconds.
"""

import ast
import functools
import pathlib
import sys

NUM_TRAIN, NUM_TEST = 256, 64
# It measures on the test images from 256 on.
NUM_TEST_OF = {"defend_your_classifier_in_ten_minutes": 264}
NUM_EVALUATED = 8


def run(path):
    """Runs a guide, statement by statement.

    Args:
        path: The path of the `.py` file.
    """
    namespace = {"__name__": "__main__"}
    shrunk = False
    for statement in ast.parse(path.read_text()).body:
        piece = ast.Module([statement], type_ignores=[])
        exec(compile(piece, path, "exec"), namespace)
        # Not before: a guide chooses the backend, and sometimes the number
        # of devices, before it imports Keras.
        if "kad" in namespace and not shrunk:
            num_test = NUM_TEST_OF.get(path.stem, NUM_TEST)
            shrink(namespace["kad"], num_test)
            shrunk = True


def shrink(kad, num_test):
    """Makes the data small, the training short, and checks one report."""
    import keras

    datasets = kad.datasets
    datasets.load_digit_scenes = functools.partial(
        datasets.load_digit_scenes, NUM_TRAIN, num_test
    )
    reports = []
    fit, evaluate = keras.Model.fit, kad.evaluate_robustness

    def fit_briefly(*args, **kwargs):
        return fit(*args, **{**kwargs, "epochs": 1})

    def evaluate_little(model, x, y, **kwargs):
        few = slice(NUM_EVALUATED)
        kwargs["attacks"] = weaker(kad.attacks, kwargs.get("attacks"))
        kwargs.setdefault("checks", not reports)
        reports.append(model)
        return evaluate(model, x[few], y[few], **kwargs)

    keras.Model.fit = functools.wraps(fit)(fit_briefly)
    kad.evaluate_robustness = evaluate_little


def weaker(attacks, chosen):
    """The attacks of an evaluation: sets of them by name are cut short."""
    if chosen is None:
        return [attacks.FGSM(), attacks.PGD(steps=3), attacks.Square(queries=9)]
    if chosen == "autoattack":
        return [attacks.APGD(steps=3), attacks.Square(queries=9)]
    return chosen


if __name__ == "__main__":
    run(pathlib.Path(sys.argv[1]))
