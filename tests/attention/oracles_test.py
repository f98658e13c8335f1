"""Tests of the maps against pytorch-grad-cam, on PyTorch."""

import sys
import types

import numpy as np
import pytest

from keras_attn_defense import attention
from tests import networks
from tests.attention.helpers import positive_network
from tests.testing import to_numpy
from tests.torch_oracles import as_torch
from tests.torch_oracles import channels_first_module

pytestmark = pytest.mark.backend("torch")

X, Y = networks.images_and_labels()
METHODS = {
    "GradCAM": ("grad-cam", {"scale_gradients": False}),
    "GradCAMPlusPlus": ("grad-cam++", {}),
    "XGradCAM": ("xgrad-cam", {}),
    "HiResCAM": ("hires-cam", {}),
    "LayerCAM": ("layer-cam", {}),
    "EigenCAM": ("eigen-cam", {}),
    "ScoreCAM": ("score-cam", {}),
}


@pytest.fixture(scope="module")
def library():
    """Imports pytorch-grad-cam without torchvision, which maps do not need."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("", ".transforms", ".transforms.functional"):
            module = types.ModuleType(f"torchvision{name}")
            for part in ("Compose", "Normalize", "ToTensor", "resize"):
                setattr(module, part, None)
            patch.setitem(sys.modules, module.__name__, module)
        yield pytest.importorskip("pytorch_grad_cam", exc_type=ImportError)


def raw_maps(library, name, model, layer):
    """Returns the maps of pytorch-grad-cam before they are resized."""
    target_of = library.utils.model_targets.ClassifierOutputTarget
    images, labels = as_torch(X, Y)
    targets = [target_of(int(label)) for label in labels]
    cam = getattr(library, name)(
        channels_first_module(model),
        [layer],
        reshape_transform=lambda features: features.permute(0, 3, 1, 2),
    )
    cam(images, targets)
    kept = cam.activations_and_grads
    features = kept.activations[0].numpy()
    slopes = kept.gradients[0].numpy() if kept.gradients else None
    return cam.get_cam_image(images, layer, targets, features, slopes, False)


@pytest.mark.filterwarnings("ignore")  # Their own.
@pytest.mark.parametrize("name", METHODS)
def test_pytorch_grad_cam(library, name):
    # Gradients are large, next to what they add to denominators; features have
    # the size of the image, as Score-CAM upsamples in another way.
    model = networks.sharpened(positive_network(), 300.0)
    ours, arguments = METHODS[name]
    expected = raw_maps(library, name, model, model.get_layer("early"))
    method = attention.get(
        ours, layer="early", normalization=None, model=model, **arguments
    )
    actual = to_numpy(method(X, Y))
    if name == "EigenCAM":  # Its sign is arbitrary there.
        sign = np.sign((expected * actual).sum((1, 2), keepdims=True))
        expected = expected * sign
    expected = np.maximum(expected, 0)

    # They add numbers to denominators, and decompose where we iterate.
    share = 1e-2 if name in ("GradCAMPlusPlus", "EigenCAM") else 1e-4
    np.testing.assert_allclose(actual, expected, atol=share * expected.max())
    assert expected.max() > 0
