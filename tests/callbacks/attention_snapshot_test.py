"""Tests of pictures during training, which do not change the training."""

import io
import struct
import sys

import keras
import numpy as np
import pytest
from matplotlib.image import imread

import keras_attn_defense as kad
from keras_attn_defense.attacks import PGD
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended
from tests.testing import to_numpy

pytestmark = pytest.mark.once

IMAGES, LABELS = data(8)
SHOWN = IMAGES[:2], LABELS[:2]


def fit(model, *callbacks, epochs=3, **arguments):
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(
        IMAGES,
        LABELS,
        batch_size=4,
        epochs=epochs,
        verbose=0,
        callbacks=list(callbacks),
        **arguments,
    )


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def events(folder):
    """Yields step, tag and picture of the images in a folder of events."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.iterdir()
    file = io.BytesIO(path.read_bytes())
    while header := file.read(12):
        event = Event.FromString(file.read(*struct.unpack("<Q", header[:8])))
        file.read(4)  # The checksum.
        for value in event.summary.value:
            picture = imread(io.BytesIO(value.image.encoded_image_string))
            yield event.step, value.tag, picture


def test_pictures_show_the_weights_of_their_epoch(tmp_path):
    folder, log = tmp_path / "new" / "snapshots", tmp_path / "events"
    model, weights = networks.sequential(), []
    snapshot = kad.callbacks.AttentionSnapshot(
        folder, *SHOWN, every=2, tensorboard=log, boxes=[(0, 0, 1, 0.5)] * 2
    )
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: weights.append(model.get_weights())
    )
    fit(model, snapshot, keep, epochs=5)
    names = ["epoch_0001.png", "epoch_0002.png", "epoch_0004.png"]
    assert files(folder) == names

    reference = networks.sequential()
    logged = list(events(log))
    assert [(step, tag) for step, tag, _ in logged] == [
        (1, "attention"),
        (2, "attention"),
        (4, "attention"),
    ]
    saved = [imread(folder / name)[..., :3] for name in names]
    for epoch, picture, (*_, image) in zip(
        (0, 1, 3), saved, logged, strict=True
    ):
        reference.set_weights(weights[epoch])
        scores = keras.ops.softmax(reference(SHOWN[0]))
        grad_cam = kad.attention.GradCAM(
            normalization="max", upsample=True, model=reference
        )
        expected = kad.visualization.attention_figure(
            SHOWN[0],
            to_numpy(grad_cam(*SHOWN)),
            SHOWN[1],
            to_numpy(scores).argmax(-1),
            to_numpy(scores).max(-1),
            boxes=[(0, 0, 1, 0.5)] * 2,
        )
        expected.savefig(tmp_path / "expected.png")
        expected = imread(tmp_path / "expected.png")[..., :3]
        assert abs(picture - expected).mean() < 1e-3
        np.testing.assert_array_equal(image, picture)
    assert abs(saved[2] - saved[0]).mean() > 1e-3


@pytest.mark.everywhere
def test_training_is_the_same_with_and_without(tmp_path):
    def trained(*callbacks):
        keras.utils.set_random_seed(1)
        model = defended(
            networks.stateful(),
            attack=PGD(0.1, steps=2, seed=3),
            rectification_weight=0,  # Compiles faster.
            preservation_weight=0,
        )
        schedule = kad.callbacks.DefenseSchedule(epsilon_ramp=2)
        for callback in callbacks:
            callback.attack = model.attack
        fit(model, schedule, *callbacks, epochs=2)
        variables = [*model.variables, *model.optimizer.variables]
        return [to_numpy(v.value) for v in variables]

    snapshot = kad.callbacks.AttentionSnapshot(tmp_path, *SHOWN)
    pairs = zip(trained(), trained(snapshot), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)
    assert files(tmp_path) == ["epoch_0001.png", "epoch_0002.png"]


def test_attack_at_full_strength_with_the_same_numbers_each_time(tmp_path):
    crafted = []

    class Seen(PGD):
        def __call__(self, model, x, y=None):
            x_adv = super().__call__(model, x, y)
            crafted.append(to_numpy(x_adv))
            return x_adv

    attack = Seen(0.1, step_size=1e-30, steps=1, seed=5)
    attack.strength.assign(0.25)
    snapshot = kad.callbacks.AttentionSnapshot(tmp_path, *SHOWN, attack)
    fit(networks.sequential(), snapshot, epochs=4, initial_epoch=2)
    assert files(tmp_path) == ["epoch_0003.png", "epoch_0004.png"]
    np.testing.assert_array_equal(*crafted)
    change = abs(crafted[0] - SHOWN[0])
    assert 0.05 < change.max() <= 0.1 and (change > 0).mean() > 0.9
    assert float(to_numpy(attack.strength.value)) == 0.25


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"every": 0}, "`every` should be a whole number"),
        ({"max_images": 0}, "`max_images` should be a whole number"),
        ({"x": SHOWN[0] * 255}, "should lie in value_range"),
        ({"y": [0, 9]}, "Labels should lie in 0 to 3"),
    ],
)
def test_bad_input_is_told_before_training(tmp_path, arguments, message):
    model = networks.sequential()
    before = model.get_weights()
    arguments = {"x": SHOWN[0], "y": SHOWN[1], **arguments}
    with pytest.raises(ValueError, match=message):
        fit(model, kad.callbacks.AttentionSnapshot(tmp_path, **arguments))
    np.testing.assert_array_equal(before[0], model.get_weights()[0])


@pytest.mark.parametrize("library", ["matplotlib", "tensorboardX"])
def test_what_to_install(tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"{library}.*defense\[viz\]"):
        kad.callbacks.AttentionSnapshot(tmp_path, *SHOWN, tensorboard=tmp_path)


def test_a_users_attack_is_left_as_it_was(tmp_path):
    attack = PGD(0.1, steps=1, seed=3)
    attack.strength.assign(0.25)
    snapshot = kad.callbacks.AttentionSnapshot(tmp_path, *SHOWN, attack=attack)
    fit(networks.sequential(), snapshot, epochs=1)
    assert to_numpy(attack.seed_generator.state).tolist() == [3, 0]
    assert float(to_numpy(attack.strength.value)) == 0.25


def test_an_attack_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="`attack` should be an attack"):
        kad.callbacks.AttentionSnapshot(tmp_path, *SHOWN, attack="fgsm")
