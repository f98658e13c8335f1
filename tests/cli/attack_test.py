"""Tests of the command `attack` and of the file that it writes."""

import numpy as np
import pytest

from keras_attn_defense.datasets.sampling import stratified_sample
from tests.cli.helpers import IMAGES
from tests.cli.helpers import LABELS
from tests.cli.helpers import MEANS
from tests.cli.helpers import fails
from tests.cli.helpers import run

pytestmark = pytest.mark.once

COMMAND = "attack model.keras --data test.npz --out adversarial.npz "


def test_adversarial_images_in_closed_form(capsys, folder):
    command = COMMAND + "--attack fgsm --epsilon 20/255 --batch-size 9 "
    assert run(command + "--png sheet.png") == 0
    with np.load("adversarial.npz") as file:
        arrays = dict(file)
    # The gradient points to the other class's brightness, in every pixel.
    toward = np.where(LABELS == 1, -1, 1)[:, None, None, None]
    expected = IMAGES + toward * 20 / 255
    np.testing.assert_array_equal(arrays["x"], IMAGES)
    np.testing.assert_allclose(arrays["x_adv"], expected, atol=1e-6)
    np.testing.assert_array_equal(arrays["y"], LABELS)
    np.testing.assert_array_equal(arrays["predictions"], LABELS)
    fallen = abs(MEANS - 0.5) < 20 / 255
    np.testing.assert_array_equal(arrays["predictions_adv"] != LABELS, fallen)
    output = capsys.readouterr().out
    assert f"{100 * (1 - fallen.mean()):.1f} % after" in output
    assert "distance 0.07843" in output
    assert (folder / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_its_file_is_data_for_another_command():
    assert run(COMMAND + "--attack fgsm --limit 5") == 0
    again = COMMAND.replace("test.npz", "adversarial.npz")
    assert run(again.replace("out adv", "out more_adv") + "--attack fgsm") == 0
    with np.load("more_adversarial.npz") as file:
        rows = stratified_sample(LABELS, 5)
        np.testing.assert_array_equal(file["x"], IMAGES[rows])


@pytest.mark.everywhere
def test_other_value_range_and_norm(capsys):
    np.savez("wide.npz", images=IMAGES * 2 - 1, labels=LABELS)
    command = COMMAND.replace("test.npz", "wide.npz")
    arguments = "--attack pgd --norm l2 --epsilon 0.5 --value-range -1 1"
    assert run(f"{command}{arguments}") == 0
    with np.load("adversarial.npz") as file:
        change = (file["x_adv"] - file["x"]).reshape(24, -1)
    lengths = np.linalg.norm(change.astype("float64"), axis=1)
    assert lengths.max() == pytest.approx(0.5, rel=1e-4)
    assert "mean l2 distance" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("--attack nonsense", "'nonsense'"),
        ("--epsilon 8", "did you mean 8 / 255"),
    ],
)
def test_bad_input(arguments, message, capsys, folder):
    assert message in fails(COMMAND + arguments, capsys)
    assert not (folder / "adversarial.npz").exists()


def test_labels_are_needed(capsys):
    np.savez("unlabeled.npz", x=IMAGES)
    command = COMMAND.replace("test.npz", "unlabeled.npz")
    assert "contains images but no labels" in fails(command, capsys)


def test_labels_of_other_classes(capsys):
    np.savez("other.npz", x=IMAGES, y=LABELS + 7)
    command = COMMAND.replace("test.npz", "other.npz")
    assert "Labels should lie in 0 to 1" in fails(command, capsys)


def test_interrupted(capsys, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_attn_defense.attacks.FGSM.run", interrupt)
    assert run(COMMAND + "--attack fgsm") == 130
    assert capsys.readouterr().err == "\nInterrupted.\n"
