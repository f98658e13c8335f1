"""Runs a guide on a little data: `python tests/run_guide.py guides/x.py`.

The guides themselves know nothing of this. Everything happens as they say it,
but with fewer images and epochs, so that it takes seconds.
"""

import ast
import contextlib
import functools
import pathlib
import sys
from unittest import mock

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
    with contextlib.ExitStack() as shrunk:
        changes = []
        for statement in ast.parse(path.read_text()).body:
            piece = ast.Module([statement], type_ignores=[])
            exec(compile(piece, path, "exec"), namespace)
            # Not before: a guide chooses the backend, and sometimes the number
            # of devices, before it imports Keras.
            if "kad" in namespace and not changes:
                num_test = NUM_TEST_OF.get(path.stem, NUM_TEST)
                changes = shrink(namespace["kad"], num_test)
                for change in changes:
                    shrunk.enter_context(change)


def shrink(kad, num_test):
    """Makes data small and training short, and checks one report of all.

    Args:
        kad: The library.
        num_test: The number of test images.

    Returns:
        What to enter for that.
    """
    import keras

    few_scenes = functools.partial(
        kad.datasets.load_digit_scenes, NUM_TRAIN, num_test
    )
    reports = []
    fit, evaluate = keras.Model.fit, kad.evaluate_robustness

    @functools.wraps(fit)
    def fit_briefly(*args, **kwargs):
        return fit(*args, **{**kwargs, "epochs": 1})

    def evaluate_little(model, x, y, **kwargs):
        few = slice(NUM_EVALUATED)
        kwargs["attacks"] = weaker(kad.attacks, kwargs.get("attacks"))
        kwargs.setdefault("checks", not reports)
        reports.append(model)
        return evaluate(model, x[few], y[few], **kwargs)

    return [
        mock.patch.object(kad.datasets, "load_digit_scenes", few_scenes),
        mock.patch.object(keras.Model, "fit", fit_briefly),
        mock.patch.object(kad, "evaluate_robustness", evaluate_little),
    ]


def weaker(attacks, chosen):
    """Returns the attacks of an evaluation with fewer steps.

    Args:
        attacks: The module of attacks.
        chosen: What the guide chose: None, a name, a list or a dict.
    """
    if chosen is None:
        return [attacks.FGSM(), attacks.PGD(steps=3), attacks.Square(queries=9)]
    if chosen == "autoattack":
        return [attacks.APGD(steps=3), attacks.Square(queries=9)]
    if isinstance(chosen, dict):
        return dict(
            zip(chosen, weaker(attacks, list(chosen.values())), strict=True)
        )
    if isinstance(chosen, list):
        return [
            attacks.PGD(steps=3) if type(attack) is attacks.PGD else attack
            for attack in chosen
        ]
    return chosen


if __name__ == "__main__":
    run(pathlib.Path(sys.argv[1]))
