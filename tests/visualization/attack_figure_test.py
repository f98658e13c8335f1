"""Tests of the figures of an attack and of its steps."""

import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.attacks import BIM
from keras_attn_defense.attacks import FGSM
from tests import networks
from tests.models.helpers import defended
from tests.testing import assert_same_state
from tests.testing import state
from tests.testing import to_numpy
from tests.visualization.helpers import assert_legible
from tests.visualization.helpers import captions
from tests.visualization.helpers import frames
from tests.visualization.helpers import pictures
from tests.visualization.helpers import titles

pytestmark = pytest.mark.once

# One size of batches: few compilations.
IMAGES, LABELS = networks.images_and_labels(2)
BOXES = [(0, 0, 0.5, 0.5)] * 2
BYTES = (255 * IMAGES).astype("uint8")


def victim():
    return networks.sharpened(networks.functional("softmax"), 10)


def predicted(model, images, labels):
    """Returns the captions of predictions, from the output of `predict`."""
    scores = model.predict(images, verbose=0)
    return [
        [f"{'✓' if i == label else '✗'} class {i}", f"{100 * row[i]:.0f} %"]
        for row, label in zip(scores, labels, strict=True)
        for i in [row.argmax()]
    ]


def overlap(maps, maps_adv):
    """Computes the IoU of the areas above the mean of each map."""
    areas = [m > m.mean((1, 2), keepdims=True) for m in (maps, maps_adv)]
    both, either = (f(*areas).sum((1, 2)) for f in (np.minimum, np.maximum))
    return both / either


@pytest.fixture(scope="module")
def grid():
    model = victim()
    before = state(model)
    figure = kad.visualization.attack_figure(
        model, IMAGES, LABELS, FGSM(0.05), boxes=BOXES
    )
    assert_same_state(before, state(model))
    return model, figure


def test_grid(grid):
    model, figure = grid
    adversarial = to_numpy(FGSM(0.05)(model, IMAGES, LABELS))
    grad_cam = kad.attention.GradCAM(
        normalization="max", upsample=True, model=model
    )
    maps, maps_adv = (
        to_numpy(grad_cam(images, LABELS)) for images in (IMAGES, adversarial)
    )
    area = (maps > maps.mean((1, 2), keepdims=True))[..., None]
    hidden = np.where(area, 0.5, IMAGES).astype("float32")
    expected = [
        IMAGES,
        adversarial,
        0.5 + (adversarial - IMAGES) / 0.1,
        kad.visualization.overlay(IMAGES, maps),
        kad.visualization.overlay(adversarial, maps_adv),
        hidden,
    ]
    for column, images in enumerate(expected):
        drawn = np.array(pictures(figure)[column::6])
        assert abs(drawn - images).mean() < 1e-4
        np.testing.assert_allclose(drawn, images, rtol=0, atol=0.02)

    below = captions(figure)
    names = [[f"true: class {label}"] for label in LABELS]
    answers = predicted(model, IMAGES, LABELS)
    joined = [a + b for a, b in zip(names, answers, strict=True)]
    assert below[0::6] == joined
    assert below[1::6] == predicted(model, adversarial, LABELS)
    assert below[1::6] != answers
    assert below[2::6] == [["at most 0.05", "shown 10-fold"]] * 2
    assert below[3::6] == [[f"for class {label}"] for label in LABELS]
    ious = overlap(maps, maps_adv)
    assert below[4::6] == [[f"IoU {iou:.2f}"] for iou in ious]
    assert below[5::6] == predicted(model, hidden, LABELS)
    assert [len(each) for each in frames(figure)] == [0, 0, 0, 1, 1, 0] * 2
    assert titles(figure)[3:] == [
        "attention before",
        "attention after",
        "attention hidden",
    ]
    assert_legible(figure)


def test_steps_of_an_attack():
    model, attack = victim(), BIM(0.05, steps=3)
    arguments = {"class_names": ["a" * 50, "b" * 50, "c", "d"]}
    figure = kad.visualization.attack_steps_figure(
        model, IMAGES, LABELS, attack, [0, 1, 3], **arguments
    )
    path = attack.trajectory(model, IMAGES, LABELS)
    grad_cam = kad.attention.GradCAM(
        normalization="max", upsample=True, model=model
    )
    maps = [to_numpy(grad_cam(images, LABELS)) for images in path]
    assert titles(figure) == ["clean", "step 1", "step 3"]
    below = captions(figure)
    for column, step in enumerate((0, 1, 3)):
        drawn = np.array(pictures(figure)[column::3])
        overlaid = kad.visualization.overlay(path[step], maps[step])
        np.testing.assert_allclose(drawn, overlaid, rtol=0, atol=0.02)
        for index, lines in enumerate(below[column::3]):
            name, confidence = predicted(model, path[step], LABELS)[index]
            assert lines[0][0] == name[0]
            assert lines[1] == confidence
            iou = overlap(maps[0], maps[step])[index]
            assert lines[2] == f"IoU {iou:.2f}"
    assert below[0][2] == "IoU 1.00"
    assert_legible(figure)

    plain = kad.visualization.attack_steps_figure(
        model, IMAGES, LABELS, attack, overlays=False, max_images=1
    )
    np.testing.assert_array_equal(pictures(plain), path[:, 0])


@pytest.mark.everywhere
def test_defended_model_draws_with_its_own_attention():
    base = networks.sequential()
    model = defended(
        base,
        mask=kad.attention.AttentionMask("area", 0.25, value_range=(-1, 1)),
        attention=kad.attention.LayerCAM("first", normalization="l2"),
        value_range=(-1, 1),
    )
    images = 2 * IMAGES - 1
    figure = kad.visualization.attack_figure(model, images, None, model.attack)
    assert len(figure.axes) == 12
    labels = model.predict(images, verbose=0).argmax(-1)
    maps = to_numpy(model.attention_map(images, labels))
    overlaid = kad.visualization.overlay(images, maps, value_range=(-1, 1))
    drawn = np.array(pictures(figure))
    np.testing.assert_allclose(drawn[3::6], overlaid, rtol=0, atol=0.02)
    # A quarter of each image lies in its attention area, and is mid-gray.
    gray = (drawn[5::6] == 0.5).all(-1).mean((1, 2))
    np.testing.assert_allclose(gray, 0.25, atol=0.02)
    assert captions(figure)[0][0] == f"class {labels[0]}"


def test_bounds_of_images_are_those_of_the_attack():
    attack = FGSM(0.1, value_range=(-1, 1))
    figure = kad.visualization.attack_figure(
        victim(), 2 * IMAGES - 1, LABELS, attack
    )
    np.testing.assert_allclose(pictures(figure)[::6], IMAGES, atol=1e-6)
    assert captions(figure)[2] == ["at most 0.1", "shown 10-fold"]


def test_methods_of_many_passes():
    model = victim()
    attention = kad.attention.Occlusion(model=model)
    figure = kad.visualization.attack_figure(
        model, IMAGES, LABELS, lambda model, x, y: x, attention, max_images=1
    )
    overlaid = kad.visualization.overlay(
        IMAGES[:1], attention(IMAGES[:1], LABELS[:1])
    )
    np.testing.assert_allclose(
        pictures(figure)[3], overlaid[0], rtol=0, atol=0.02
    )
    assert captions(figure)[4] == ["IoU 1.00"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"y": LABELS[:1]}, "`y`.*each of the 2 images"),
        ({"y": LABELS + 9}, "Labels should lie in 0 to 3"),
        ({"x": IMAGES * 2}, "should lie in value_range"),
        ({"steps": [4]}, r"from 0, the clean image, to 3.*\[4\]"),
        ({"steps": []}, "from 0, the clean image"),
        ({"attack": kad.attacks.DeepFool()}, "fixed number of gradient steps"),
    ],
)
def test_bad_input(arguments, message):
    arguments = {
        "model": victim(),
        "x": IMAGES,
        "y": LABELS,
        "attack": BIM(0.05, steps=3),
        **arguments,
    }
    with pytest.raises(ValueError, match=message):
        kad.visualization.attack_steps_figure(**arguments)


@pytest.mark.parametrize("images", [BYTES, BYTES.astype("float32")])
def test_the_attack_knows_the_range_of_the_figure(images):
    value_range = None if images.dtype == "uint8" else (0.0, 255.0)
    attack = FGSM(20.0)
    for draw, more in (
        (kad.visualization.attack_figure, {}),
        (kad.visualization.attack_steps_figure, {"overlays": False}),
    ):
        figure = draw(
            victim(), images, LABELS, attack, value_range=value_range, **more
        )
        attacked = pictures(figure)[1]
        change = abs(attacked * 255.0 - images[0]).max()
        assert change == pytest.approx(20.0, abs=0.01)
    assert attack.value_range is None
    with pytest.raises(ValueError, match="attack is for images in"):
        kad.visualization.attack_figure(
            victim(),
            images,
            LABELS,
            FGSM(20.0, value_range=(-255.0, 255.0)),
            value_range=(0.0, 255.0),
        )
