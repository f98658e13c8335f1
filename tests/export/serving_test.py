"""Tests of the requests of TensorFlow Serving, with client and server.

The server is `examples/serving/twin.py`, a process without Keras. The client
knows JSON and the request protos only.
"""

import concurrent.futures
import json
import pathlib
import shutil
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from .conftest import CLASSES
from .conftest import IMAGES

pytest.importorskip("tensorflow")
TWIN = pathlib.Path(__file__).parents[2] / "examples/serving/twin.py"
# Version 1 takes them for floats, version 2 for bytes.
NUMBERS = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3))


@pytest.fixture(scope="module")
def folder(served, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "defended"
    shutil.copytree(served / "1", folder / "1")
    return folder


@pytest.fixture(scope="module")
def addresses(folder, start):
    return start(TWIN, folder, "--port", 0, "--grpc-port", 0)


@pytest.fixture(scope="module")
def post(addresses):
    """Sends a request; returns the status and the answer."""

    def send(request, route="/v1/models/defended:predict"):
        data = request if isinstance(request, bytes) else json.dumps(request)
        data = data if isinstance(data, bytes) else data.encode()
        try:
            with urllib.request.urlopen(addresses["rest"] + route, data) as it:
                return it.status, json.load(it)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    return send


def check(answer, expected):
    assert sorted(answer) == sorted(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(answer[key], value, atol=1e-5)


def test_status(addresses):
    with urllib.request.urlopen(
        addresses["rest"] + "/v1/models/defended"
    ) as answer:
        (status,) = json.load(answer)["model_version_status"]
    assert status["version"] == "1"
    assert status["state"] == "AVAILABLE"


@pytest.mark.parametrize("rows", [1, 5])
def test_rows_and_columns(post, expected, rows):
    images = IMAGES[:rows].tolist()
    values = {
        name: {key: value[:rows] for key, value in answer.items()}
        for name, answer in expected.items()
    }

    status, answer = post({"instances": images})
    assert status == 200
    check(answer, values["serving_default"])
    status, answer = post({"instances": [{"images": each} for each in images]})
    check(answer, values["serving_default"])
    status, answer = post({"inputs": images})
    check({"predictions": answer["outputs"]}, values["serving_default"])
    status, answer = post({"signature_name": "explain", "inputs": images})
    check(answer["outputs"], values["explain"])


def test_two_inputs(post, expected):
    rows = [
        {"images": image.tolist(), "classes": int(index)}
        for image, index in zip(IMAGES, CLASSES, strict=True)
    ]

    status, answer = post(
        {"signature_name": "explain_class", "instances": rows}
    )

    assert status == 200
    rows = answer["predictions"]
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    check(columns, expected["explain_class"])


BAD = {
    "shape": ({"instances": [[1.0, 2.0]]}, "shape"),
    "size": ({"instances": IMAGES[:, :7].tolist()}, "shape"),
    "fewer classes": (
        {
            "signature_name": "explain_class",
            "inputs": {"images": IMAGES.tolist(), "classes": [0, 1]},
        },
        "shape",
    ),
    "ragged": ({"instances": [[1.0], [2.0, 3.0]]}, "unequal length"),
    "type": ({"instances": ["a picture"]}, "expected values of float32"),
    "classes": (
        {
            "signature_name": "explain_class",
            "inputs": {"images": IMAGES[:1].tolist(), "classes": [0.5]},
        },
        "expected values of int32",
    ),
    "keys": ({"instances": [{"picture": 1.0}]}, "Expected inputs"),
    "signature": ({"signature_name": "x", "inputs": 1}, "No signature 'x'"),
    "empty": ({"instances": []}, "not empty"),
    "neither": ({}, "Expected either"),
    "json": (b"{", "JSON Parse error"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(post, expected, name):
    request, message = BAD[name]

    status, answer = post(request)

    assert status == 400
    assert message in answer["error"]
    # Alive.
    status, answer = post({"instances": IMAGES.tolist()})
    check(answer, expected["serving_default"])


def test_what_is_not_there(post):
    for route in ("/v1/models/other:predict", "/v1/models/defended:walk"):
        assert post({"instances": IMAGES.tolist()}, route)[0] == 404
    route = "/v1/models/defended/versions/7:predict"
    assert post({"instances": IMAGES.tolist()}, route)[0] == 404


def test_grpc(addresses, expected):
    grpc = pytest.importorskip("grpc")
    pytest.importorskip("tensorflow_serving")
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    def request(signature, **inputs):
        message = predict_pb2.PredictRequest()
        message.model_spec.name = "defended"
        message.model_spec.signature_name = signature
        for key, value in inputs.items():
            message.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        return message

    with grpc.insecure_channel(addresses["grpc"]) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for signature, values in expected.items():
            inputs = {"images": IMAGES, "classes": CLASSES}
            if signature != "explain_class":
                del inputs["classes"]
            answer = stub.Predict(request(signature, **inputs), timeout=20)
            assert answer.model_spec.version.value == 1
            outputs = answer.outputs.items()
            check({k: tf.make_ndarray(v) for k, v in outputs}, values)
        for wrong in (IMAGES[:, :7], IMAGES.astype("float64")):
            with pytest.raises(grpc.RpcError) as caught:
                stub.Predict(request("", images=wrong), timeout=20)
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_swap_without_a_failed_request(post, folder, served):
    """Sends requests from four clients while version 2 appears."""
    request = {"instances": NUMBERS.tolist()}
    first_answer = post(request)[1]
    deadline = time.monotonic() + 60

    def ask():
        answers = []
        while len(answers) < 3 or answers[-3][1] == first_answer:
            answers.append(post(request))
            assert time.monotonic() < deadline, "no version 2"
        return answers

    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        running = [clients.submit(ask) for _ in range(4)]
        time.sleep(0.5)
        shutil.copytree(served / "2", folder / ".2.draft")
        (folder / ".2.draft").rename(folder / "2")
        answers = [answer for each in running for answer in each.result()]

    assert {status for status, _ in answers} == {200}
    first = first_answer["predictions"]
    second = post(request)[1]["predictions"]
    assert np.abs(np.subtract(first, second)).max() > 0.01
    predictions = np.array([answer["predictions"] for _, answer in answers])
    old, new = (
        np.abs(predictions - each).max((1, 2)) < 1e-5
        for each in (first, second)
    )
    assert np.all(old != new) and old.any() and new.any()
    # The old one is still there for who asks for it.
    route = "/v1/models/defended/versions/1:predict"
    np.testing.assert_allclose(
        post(request, route)[1]["predictions"], first, atol=1e-5
    )
