"""Versions of a SavedModel, and how a request becomes an answer."""

import pathlib

import numpy as np
import tensorflow as tf


class BadRequest(Exception):
    """The client's mistake: the statuses of HTTP and of gRPC, and a reason."""

    def __init__(self, reason, http=400, grpc="INVALID_ARGUMENT"):
        super().__init__(reason)
        self.http = http
        self.grpc = grpc


class Version:
    """One loaded SavedModel."""

    def __init__(self, folder):
        self.number = int(folder.name)
        self._loaded = tf.saved_model.load(str(folder))

    def signature(self, name):
        """A signature by its name; an empty name is the default one."""
        signatures = self._loaded.signatures
        name = name or "serving_default"
        if name not in signatures:
            raise BadRequest(
                f"No signature {name!r}. There are {sorted(signatures)}."
            )
        return signatures[name]

    def inputs(self, name):
        """`tf.TensorSpec` of a signature's inputs, by name."""
        return self.signature(name).structured_input_signature[1]

    def run(self, name, inputs):
        """Arrays by name in, arrays by name out."""
        specs = self.inputs(name)
        if set(inputs) != set(specs):
            raise BadRequest(
                f"Expected inputs {sorted(specs)}. Received: {sorted(inputs)}"
            )
        tensors = {key: _tensor(specs[key], inputs[key]) for key in specs}
        try:
            answer = self.signature(name)(**tensors)
        except tf.errors.InvalidArgumentError as error:
            raise BadRequest(error.message) from error
        return {key: value.numpy() for key, value in answer.items()}


def _tensor(spec, value):
    wanted = spec.dtype.as_numpy_dtype
    if isinstance(value, np.ndarray):
        array, fits = value, value.dtype == wanted
    else:
        array, fits = _from_json(spec, value)
    if not fits:
        raise BadRequest(f"{spec.name}: expected values of {spec.dtype.name}.")
    return tf.constant(array.astype(wanted))


def _from_json(spec, value):
    """An array of whatever type, and whether it can have the right one."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise BadRequest(f"{spec.name}: rows of unequal length.") from error
    if array.dtype.kind not in "iuf":
        return array, False
    if not spec.dtype.is_integer:
        return array, True
    bounds = np.iinfo(spec.dtype.as_numpy_dtype)
    inside = (array >= bounds.min) & (array <= bounds.max)
    return array, bool(np.all(inside & (array == np.floor(array))))


class Repository:
    """The newest version under a folder; older ones stay for who asks."""

    def __init__(self, folder, name):
        self.name = name
        self._folder = pathlib.Path(folder)
        self._versions = {}
        self.refresh()
        if not self._versions:
            raise SystemExit(f"No version, such as '{folder}/1', in '{folder}'")

    def refresh(self):
        """Loads what has appeared."""
        for path in self._folder.iterdir():
            if path.name.isdigit() and int(path.name) not in self._versions:
                version = Version(path)
                # A new dict: requests go on reading the old one.
                self._versions = {**self._versions, version.number: version}

    def version(self, name, number=None):
        """A version by its number; None means the newest."""
        versions = self._versions
        found = versions.get(max(versions) if number is None else int(number))
        if name != self.name or found is None:
            raise BadRequest(
                f"No servable {name!r}, version {number or 'any'}.",
                404,
                "NOT_FOUND",
            )
        return found


def _from_rows(version, signature, rows):
    """The inputs by name of `instances`."""
    if not isinstance(rows, list) or not rows:
        raise BadRequest("`instances` should be a list that is not empty.")
    if not all(isinstance(row, dict) for row in rows):
        (name, *others) = version.inputs(signature)
        if others:
            raise BadRequest("Instances should be objects: several inputs.")
        return {name: rows}
    if any(row.keys() != rows[0].keys() for row in rows):
        raise BadRequest("Instances should have the same keys.")
    return {name: [row[name] for row in rows] for name in rows[0]}


def _to_rows(answer):
    """`predictions`: bare values if there is only one output."""
    lists = {name: value.tolist() for name, value in answer.items()}
    if len(lists) == 1:
        return next(iter(lists.values()))
    columns = zip(*lists.values(), strict=True)
    return [dict(zip(lists, row, strict=True)) for row in columns]


def predict(version, request):
    """Answers a parsed REST request."""
    if not isinstance(request, dict):
        raise BadRequest("The request should be a JSON object.")
    signature = request.get("signature_name")
    if ("instances" in request) == ("inputs" in request):
        raise BadRequest("Expected either `instances` or `inputs`.")
    if "instances" in request:
        inputs = _from_rows(version, signature, request["instances"])
        return {"predictions": _to_rows(version.run(signature, inputs))}
    inputs = request["inputs"]
    if not isinstance(inputs, dict):
        inputs = dict.fromkeys(version.inputs(signature), inputs)
    answer = {k: v.tolist() for k, v in version.run(signature, inputs).items()}
    if len(answer) == 1:
        (answer,) = answer.values()
    return {"outputs": answer}


def status(version):
    """What a GET of the model says."""
    fine = {"error_code": "OK", "error_message": ""}
    number, state = str(version.number), "AVAILABLE"
    return {
        "model_version_status": [
            {"version": number, "state": state, "status": fine}
        ]
    }
