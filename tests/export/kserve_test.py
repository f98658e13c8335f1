"""Tests with another project's server and client: KServe and requests.

KServe pins protobuf and pandas, so that it needs a separate environment:

    python -m venv kserve && kserve/bin/pip install kserve==0.21.0 tensorflow
    KSERVE_PYTHON=kserve/bin/python pytest tests/export/kserve_test.py
"""

import concurrent.futures
import os
import pathlib
import socket
import subprocess
import time

import numpy as np
import pytest

from .conftest import IMAGES

requests = pytest.importorskip("requests")
PYTHON = os.environ.get("KSERVE_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="KSERVE_PYTHON is not set"),
]


@pytest.fixture(scope="module")
def url(served):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = pathlib.Path(__file__).with_name("kserve_server.py")
    server = subprocess.Popen(
        [PYTHON, program, served / "1", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/v1/models/defended"
    try:
        wait(url)
        yield url
    finally:
        server.kill()
        server.wait()


def wait(url, seconds=120):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"No answer from {url}")
        time.sleep(0.2)


def ask(url, images, **request):
    request["instances"] = np.asarray(images).tolist()
    return requests.post(f"{url}:predict", json=request, timeout=60)


def check(answer, expected):
    assert answer.status_code == 200
    rows = answer.json()["predictions"]
    assert sorted(rows[0]) == sorted(expected)
    for key, value in expected.items():
        actual = [row[key] for row in rows]
        np.testing.assert_allclose(actual, value[: len(rows)], atol=1e-5)


@pytest.mark.parametrize("signature", ["serving_default", "explain"])
def test_batch_and_one_image(url, expected, signature):
    for images in (IMAGES, IMAGES[:1]):
        answer = ask(url, images, signature_name=signature)
        check(answer, expected[signature])


def test_bad_input_is_refused(url, expected):
    for images in (IMAGES[:, :7], ["a picture"]):
        answer = ask(url, images)
        assert answer.status_code >= 400
        assert answer.json()["error"]
    check(ask(url, IMAGES), expected["serving_default"])


def test_many_clients(url, expected):
    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        for answer in clients.map(lambda _: ask(url, IMAGES), range(12)):
            check(answer, expected["serving_default"])
