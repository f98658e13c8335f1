"""What an evaluation refuses, and what it says then."""

import keras
import numpy as np
import pytest

from keras_attn_defense.attacks import APGD
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import FMN
from keras_attn_defense.attacks import AttackResult
from tests.evaluation.helpers import IMAGES
from tests.evaluation.helpers import LABELS
from tests.evaluation.helpers import brightness
from tests.evaluation.helpers import evaluate

pytestmark = pytest.mark.once


class Cheat(FGSM):
    """Leaves the ball, or the value range."""

    def __init__(self, offset, **kwargs):
        super().__init__(**kwargs)
        self.offset = offset

    def run_batches(self, victim, value_range, images, labels, batch_size):
        passes = np.ones(len(images), "int64")
        return AttackResult(images + np.float32(self.offset), passes, passes)


@pytest.mark.parametrize(
    "offset, message",
    [
        (0.1001, "'cheat' left the linf ball: it moved an image by 0.1001"),
        (0.5, "'cheat' left the value range"),
        (np.nan, "'cheat' returned NaN"),
    ],
)
def test_attack_that_breaks_the_rules_is_named(offset, message):
    with pytest.raises(ValueError, match=message):
        evaluate(attacks=Cheat(offset))


def test_success_is_judged_by_the_model():
    # Allowed, but it changes no prediction: nobody fell.
    report = evaluate(attacks=Cheat(0.01))
    assert report.robust_accuracy == {0.1: 1.0}


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"y": None}, "Pass `y`"),
        ({"y": LABELS[:5]}, "24 images and 5 labels"),
        ({"y": LABELS + 1}, "images 0 to 23 of the data: Labels should lie"),
        ({"x": IMAGES * 255}, "In images 0 to 23.*value_range"),
        ({"x": IMAGES[..., :1]}, "but the model takes \\(4, 4, 3\\)"),
        ({"x": IMAGES[:0], "y": LABELS[:0]}, "no images"),
        ({"x": iter([IMAGES]), "y": None}, "should be \\(images, labels\\)"),
        ({"x": iter([(IMAGES, LABELS)])}, "`y` is given"),
        ({"x": 3}, "`x` should be images"),
        ({"epsilons": 8}, "did you mean 8 / 255"),
        ({"epsilons": [0.0]}, "numbers above 0"),
        ({"epsilons": "8/255"}, "numbers above 0"),
        ({"attacks": []}, "`attacks` is empty"),
        ({"attacks": 3}, "`attacks` should be"),
        ({"attacks": "no-such-attack"}, "no-such-attack"),
        ({"attacks": FGSM(norm="l2")}, "Pass norm='l2'"),
        ({"attacks": FMN(norm="l0")}, "'fmn' counts changed values"),
        ({"attacks": FGSM(targeted=True)}, "is targeted"),
        ({"attacks": FGSM(value_range=(0, 255))}, "value_range"),
        ({"attacks": APGD(objective="dlr")}, "classes"),
        ({"norm": "l7"}, "`norm` should be"),
        ({"limit": 0}, "`limit`"),
        ({"batch_size": 0.5}, "`batch_size`"),
        ({"confidence": 95}, "`confidence`"),
        ({"verbose": 7}, "`verbose`"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluate(**arguments)


def test_position_of_bad_images_is_named():
    images = np.concatenate([IMAGES, IMAGES])
    images[30, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="images 16 to 31 of the data: .*NaN"):
        evaluate(x=images, y=np.tile(LABELS, 2), batch_size=4)


def test_epsilon_in_the_wrong_units_is_noticed():
    model = brightness(scale=0.1, middle=127.5)
    with pytest.warns(UserWarning, match="the usual one here is 8"):
        evaluate(model, IMAGES * 255, epsilons=8 / 255, value_range=(0, 255))


def test_function_that_returns_probabilities_is_refused():
    model = brightness()
    with pytest.raises(ValueError, match="returns probabilities"):
        evaluate(lambda images: keras.ops.softmax(model(images)))


def test_nan_of_the_model_is_no_prediction():
    def model(images):
        bright = keras.ops.mean(images, axis=(1, 2, 3))[:, None]
        logits = 20.0 * keras.ops.concatenate([0.5 - bright, bright - 0.5], 1)
        return logits + keras.ops.where(bright > 0.68, float("nan"), 0.0)

    with pytest.raises(ValueError, match="answers NaN for the clean image 5"):
        evaluate(model)
