"""A stand-in for TensorFlow Serving: the same requests, the same answers.

It serves the versions of a SavedModel over the REST and (with grpcio and
tensorflow-serving-api installed) the gRPC interface of TensorFlow Serving, and
switches to a new version when its folder appears (older ones stay for clients
that name them). It is for trying clients and exported models where the server
itself is not at hand, not for production: no
batching, no limits, no encryption.

    python examples/serving/twin.py defended --port 8501 --grpc-port 8500
"""

import argparse
import concurrent.futures
import http.server
import importlib.util
import json
import pathlib
import re
import threading
import time

import tensorflow as tf
from servables import BadRequest
from servables import Repository
from servables import predict
from servables import status

_ROUTE = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?")


def rest_server(repository, port):
    """An HTTP server; port 0 chooses a free one."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self._answer(self.path, status)

        def do_POST(self):
            size = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(size)
            path, _, verb = self.path.rpartition(":")
            path = path if verb == "predict" else ""
            self._answer(path, lambda found: predict(found, _parsed(body)))

        def _answer(self, path, function):
            code = 200
            try:
                match = _ROUTE.fullmatch(path)
                if match is None:
                    raise BadRequest(f"Malformed request: {self.path}", 404)
                answer = function(repository.version(match[1], match[2]))
            except BadRequest as error:
                code, answer = error.http, {"error": str(error)}
            payload = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *args):
            """Quiet."""

    return http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)


def _parsed(body):
    try:
        return json.loads(body)
    except ValueError as error:
        raise BadRequest(f"JSON Parse error: {error}") from error


def grpc_server(repository, port):
    """A gRPC server and its port; port 0 chooses a free one."""
    import grpc
    from tensorflow_serving.apis import predict_pb2
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            spec = request.model_spec
            number = spec.version.value if spec.HasField("version") else None
            try:
                version = repository.version(spec.name, number)
                answer = version.run(
                    spec.signature_name,
                    {k: tf.make_ndarray(v) for k, v in request.inputs.items()},
                )
            except BadRequest as error:
                context.abort(getattr(grpc.StatusCode, error.grpc), str(error))
            response = predict_pb2.PredictResponse()
            response.model_spec.CopyFrom(spec)
            response.model_spec.version.value = version.number
            for key, value in answer.items():
                response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
            return response

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Service(), server
    )
    return server, server.add_insecure_port(f"127.0.0.1:{port}")


def main():
    """Serves until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    option = parser.add_argument
    option("folder", type=pathlib.Path, help="with versions: 1, 2, ...")
    option("--name", help="of the model (default: the folder's)")
    option("--port", type=int, default=8501, help="of REST; 0: a free one")
    option("--grpc-port", type=int, default=8500, help="0: a free one")
    options = parser.parse_args()
    name = options.name or options.folder.resolve().name
    repository = Repository(options.folder, name)
    rest = rest_server(repository, options.port)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    addresses = {"rest": f"http://127.0.0.1:{rest.server_address[1]}"}
    if importlib.util.find_spec("tensorflow_serving"):
        server, port = grpc_server(repository, options.grpc_port)
        server.start()
        addresses["grpc"] = f"127.0.0.1:{port}"
    print(json.dumps(addresses), flush=True)
    while True:
        time.sleep(0.2)
        repository.refresh()


if __name__ == "__main__":
    main()
