"""Tests of the command `explain`: maps of the chosen class and layer."""

import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.datasets.sampling import stratified_sample
from tests import networks
from tests.cli.helpers import fails
from tests.cli.helpers import run
from tests.testing import to_numpy

pytestmark = pytest.mark.once

COMMAND = "explain net.keras --data images.npz --out maps.npz "
IMAGES, LABELS = networks.images_and_labels(5)


@pytest.fixture(autouse=True)
def network(folder):
    model = networks.sequential()
    model.save("net.keras")
    np.savez("images.npz", images=IMAGES)
    np.savez("labeled.npz", x_test=IMAGES, y_test=LABELS[:, None])
    return model


def expected(model, labels, layer=None):
    grad_cam = kad.attention.GradCAM(layer, "max", upsample=True, model=model)
    return to_numpy(grad_cam(IMAGES, labels))


def test_predicted_class(network, capsys, folder):
    assert run(COMMAND + "--batch-size 2 --png maps.png") == 0
    predicted = to_numpy(network(IMAGES)).argmax(-1)
    with np.load("maps.npz") as file:
        np.testing.assert_array_equal(file["classes"], predicted)
        np.testing.assert_array_equal(file["predictions"], predicted)
        maps = expected(network, predicted)
        np.testing.assert_allclose(file["maps"], maps, rtol=1e-4, atol=1e-6)
        assert file["maps"].shape == (5, 8, 8)
        assert file["maps"].max() == pytest.approx(1.0, abs=1e-3)
    assert "5 attention maps. Written to maps.npz" in capsys.readouterr().out
    assert (folder / "maps.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.everywhere
def test_true_class_at_a_layer(network):
    command = COMMAND.replace("images.npz", "labeled.npz")
    assert run(command + "--labels true --layer first --limit 3") == 0
    rows = stratified_sample(LABELS, 3)
    with np.load("maps.npz") as file:
        np.testing.assert_array_equal(file["classes"], LABELS[rows])
        maps = expected(network, LABELS, "first")[rows]
        np.testing.assert_allclose(file["maps"], maps, rtol=1e-4, atol=1e-6)
    assert abs(maps - expected(network, LABELS)[rows]).max() > 0.01


def test_a_picture_alone(capsys, folder):
    assert run(COMMAND.replace("--out maps.npz", "--png maps.png")) == 0
    assert (folder / "maps.png").read_bytes().startswith(b"\x89PNG")
    assert "Written to maps.png." in capsys.readouterr().out
    assert not (folder / "maps.npz").exists()


def test_a_folder_of_images_without_classes(network, capsys, folder):
    Image = pytest.importorskip("PIL.Image")
    (folder / "flat").mkdir()
    pictures = (255 * IMAGES).round().astype("uint8")
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"flat/{number}.png")
    assert run(COMMAND.replace("images.npz", "flat")) == 0
    with np.load("maps.npz") as file:
        predicted = to_numpy(network(pictures / np.float32(255))).argmax(-1)
        np.testing.assert_array_equal(file["classes"], predicted)
    command = COMMAND.replace("images.npz", "flat")
    message = fails(command + "--labels true", capsys)
    assert "contains no folders. Expected one for each class" in message


def test_defended_model(network):
    kad.AttentionDefendedModel(network).save("net.keras")
    assert run(COMMAND) == 0
    with np.load("maps.npz") as file:
        maps = expected(network, file["classes"])
        np.testing.assert_allclose(file["maps"], maps, rtol=1e-4, atol=1e-6)


def test_layers_of_a_defended_model_are_named_as_in_its_base(network, capsys):
    kad.AttentionDefendedModel(network).save("net.keras")
    assert run(COMMAND + "--layer first") == 0
    with np.load("maps.npz") as file:
        maps = expected(network, file["classes"], "first")
        np.testing.assert_allclose(file["maps"], maps, rtol=1e-4, atol=1e-6)
    message = fails(COMMAND + "--layer lst", capsys)
    assert "nearest names" in message and "'last'" in message


def test_another_method_of_merged_layers(network):
    command = COMMAND + "--method layer-cam --layer first last "
    assert run(command + "--labels runner_up") == 0
    runner_up = np.argsort(to_numpy(network(IMAGES)), axis=-1)[:, -2]
    method = kad.attention.LayerCAM(
        ["first", "last"], "max", True, model=network
    )
    with np.load("maps.npz") as file:
        np.testing.assert_array_equal(file["classes"], runner_up)
        maps = to_numpy(method(IMAGES, runner_up))
        np.testing.assert_allclose(file["maps"], maps, rtol=1e-4, atol=1e-6)


def test_bad_input(capsys, folder):
    assert "no labels" in fails(COMMAND + "--labels true", capsys)
    message = fails(COMMAND + "--layer nowhere", capsys)
    assert "nowhere" in message and "last" in message
    assert "Exception encountered" not in message
    message = fails(COMMAND.replace("--out maps.npz", ""), capsys)
    assert "Pass --out FILE.NPZ, --png SHEET.PNG" in message
    command = COMMAND + "--method occlusion --layer last"
    assert "does not use layers" in fails(command, capsys)
    assert not (folder / "maps.npz").exists()
