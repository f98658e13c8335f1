"""Tests of Keras' own `model.export` of a defended model, in all formats."""

import keras
import numpy as np
import pytest

from tests.testing import BACKEND

from .conftest import IMAGES

# Deprecations in the converters and in their dependencies are not ours.
pytestmark = pytest.mark.filterwarnings("ignore")


def run_onnx(path):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path)
    (images,) = session.get_inputs()
    return lambda x: session.run(None, {images.name: x})[0]


def run_openvino(path):
    openvino = pytest.importorskip("openvino")
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", exact)
    return lambda x: compiled(x)[0]


def run_litert(path):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(model_path=path)
    (images,) = interpreter.get_input_details()
    (output,) = interpreter.get_output_details()

    def run(x):
        interpreter.resize_tensor_input(images["index"], x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(images["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])

    return run


def run_torch(path):
    torch = pytest.importorskip("torch")
    module = torch.export.load(path).module()
    return lambda x: module(torch.from_numpy(x)).detach().numpy()


def run_saved_model(path):
    tf = pytest.importorskip("tensorflow")
    loaded = tf.saved_model.load(path)
    return lambda x: loaded.serve(x).numpy()


# Format: the end of the file's name, what runs it, what writes it.
FORMATS = {
    "tf_saved_model": (
        "",
        run_saved_model,
        {"tensorflow": [], "jax": ["tensorflow"]},
    ),
    "onnx": (
        ".onnx",
        run_onnx,
        {
            "tensorflow": ["tf2onnx"],
            "jax": ["jax2onnx"],
            "torch": ["onnxscript"],
        },
    ),
    "openvino": (
        ".xml",
        run_openvino,
        {"tensorflow": ["openvino"], "torch": ["openvino"]},
    ),
    "litert": (".tflite", run_litert, {"tensorflow": []}),
    "torch": (".pt2", run_torch, {"torch": []}),
}


def options(name):
    if name != "torch":
        return {}
    import torch

    # By itself, PyTorch fixes the size of a batch.
    batch = torch.export.Dim("batch", min=1, max=128)
    return {"dynamic_shapes": (({0: batch},),)}


@pytest.mark.parametrize("name", FORMATS)
def test_answers_like_the_base(name, model, tmp_path):
    ending, run, writers = FORMATS[name]
    if BACKEND not in writers:
        pytest.skip(f"Keras does not write it on {BACKEND}")
    for package in writers[BACKEND]:
        pytest.importorskip(package)
    path = str(tmp_path / f"model{ending}")

    model.export(path, format=name, verbose=False, **options(name))

    answer = run(path)
    expected = keras.ops.convert_to_numpy(model.base(IMAGES, training=False))
    np.testing.assert_allclose(answer(IMAGES), expected, atol=1e-5)
    np.testing.assert_allclose(answer(IMAGES[:1]), expected[:1], atol=1e-5)
