"""A SavedModel behind KServe's ModelServer, for a separate environment.

python kserve_server.py <saved model> <port>
"""

import sys

import kserve
import tensorflow as tf


class Defended(kserve.Model):
    """Answers `{"instances": ..., "signature_name": ...}`."""

    def __init__(self, folder):
        super().__init__("defended")
        self._loaded = tf.saved_model.load(folder)
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        name = payload.get("signature_name", "serving_default")
        signature = self._loaded.signatures[name]
        (spec,) = signature.structured_input_signature[1].values()
        answer = signature(tf.constant(payload["instances"], spec.dtype))
        lists = {key: value.numpy().tolist() for key, value in answer.items()}
        rows = zip(*lists.values(), strict=True)
        return {
            "predictions": [dict(zip(lists, row, strict=True)) for row in rows]
        }


if __name__ == "__main__":
    kserve.ModelServer(http_port=int(sys.argv[2]), enable_grpc=False).start(
        [Defended(sys.argv[1])]
    )
