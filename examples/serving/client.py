"""A client of a served classifier: the standard library and NumPy, no Keras.

from client import ServingClient

client = ServingClient("http://localhost:8501")
answer = client.predict(images, "explain")
answer["predictions"], answer["attention_map"]
"""

import json
import time
import urllib.error
import urllib.request

import numpy as np


class ServingClient:
    """Asks TensorFlow Serving, or what speaks like it, over REST.

    Args:
        url: Of the server, such as `"http://localhost:8501"`.
        name: Of the model.
        timeout: Seconds to wait for an answer.
    """

    def __init__(self, url, name="defended", timeout=60):
        self._url = f"{url.rstrip('/')}/v1/models/{name}"
        self._timeout = timeout

    def predict(self, images, signature="serving_default", **inputs):
        """What a signature answers: arrays by name.

        Args:
            images: `(batch, height, width, channels)`, bytes or floats as the
                model was exported for.
            signature: `"serving_default"`, `"explain"` or `"explain_class"`.
            **inputs: Further inputs, such as `classes`.
        """
        inputs["images"] = images
        lists = {key: np.asarray(each).tolist() for key, each in inputs.items()}
        request = {"signature_name": signature, "inputs": lists}
        outputs = self._ask(":predict", request)["outputs"]
        if not isinstance(outputs, dict):
            # The name of an only output is left out.
            outputs = {"predictions": outputs}
        return {key: np.array(value) for key, value in outputs.items()}

    def versions(self):
        """Numbers of the versions that answer."""
        return [
            int(each["version"])
            for each in self._ask()["model_version_status"]
            if each["state"] == "AVAILABLE"
        ]

    def wait(self, version, seconds=60):
        """Waits until a version answers."""
        deadline = time.monotonic() + seconds
        while version not in self.versions():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._url} has no version {version}")
            time.sleep(0.1)

    def _ask(self, verb="", request=None):
        data = None if request is None else json.dumps(request).encode()
        try:
            with urllib.request.urlopen(
                self._url + verb, data, timeout=self._timeout
            ) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                reason = error.read().decode()
            raise ValueError(f"The server refused: {reason}") from error
