"""Tests of the choice among restarts, on images that are their own logits."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks.engine.task import Task
from keras_attn_defense.attacks.gradient_attack import worst_case
from keras_attn_defense.classifier import as_classifier
from tests.testing import to_numpy

# Of the class 0, in rising order of harm: sure; unsure, with the higher loss;
# wrong, with the lower one; wrong, with the highest.
SURE, UNSURE, WRONG, LOST = (
    [9.0, 0.0, 0.0],
    [1.0, 0.99, 0.99],
    [1.0, 1.1, -9.0],
    [0.0, 9.0, 0.0],
)


def chosen(candidates, label, sign):
    """The one of `candidates`, lists of logits, that is chosen."""
    candidates = np.array(candidates, "float32")[:, None, None, None, :]
    tensors = [ops.convert_to_tensor(each) for each in candidates]
    victim = as_classifier(lambda x: x[:, 0, 0, :])
    labels = ops.convert_to_tensor(np.array([label], "int32"))
    task = Task(victim, tensors[0], labels, 1.0, (0, 1), sign)
    return to_numpy(worst_case(tensors, task)).ravel().tolist()


@pytest.mark.parametrize("order", [1, -1])
def test_success_counts_before_the_loss(order):
    pairs = [(SURE, UNSURE), (UNSURE, WRONG), (WRONG, LOST)]
    for weaker, stronger in pairs:
        pair = [weaker, stronger][::order]
        assert chosen(pair, 0, 1.0) == pytest.approx(stronger)
        # To reach the class 0 it is the other way round.
        assert chosen(pair, 0, -1.0) == pytest.approx(weaker)


def test_the_best_of_several_wherever_it_is():
    others = [UNSURE, SURE, WRONG, UNSURE]
    for place in range(5):
        candidates = [*others[:place], LOST, *others[place:]]
        assert chosen(candidates, 0, 1.0) == pytest.approx(LOST)
