"""Runs signatures with TensorFlow's C++ loader: a process without Python's.

    python c_loader.py <libraries> <saved model> <in.npz> <out.npz>

`TF_LoadSessionFromSavedModel` is the C name of the loader that TensorFlow
Serving links. Neither Keras nor the Python package of TensorFlow is imported.
"""

import ctypes
import pathlib
import sys

import numpy as np

_TYPES = {1: "float32", 3: "int32", 4: "uint8"}


class _Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class _Buffer(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    ]


def fields(message):
    """Yields the fields `(number, value)` of a serialized protocol buffer."""
    position = 0

    def varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
            continue
        length = {1: 8, 5: 4}.get(kind) or varint()
        yield number, message[position : position + length]
        position += length


def entries(message, number):
    """Returns the map in field `number`: names and serialized values."""
    pairs = (dict(fields(v)) for n, v in fields(message) if n == number)
    return {pair[1].decode(): pair[2] for pair in pairs}


def tensor_names(meta_graph, signature):
    """Returns the names of a signature's input and output tensors, by key."""
    definition = entries(meta_graph, 5)[signature]
    return (
        {
            key: dict(fields(info))[1].decode()
            for key, info in entries(definition, number).items()
        }
        for number in (1, 2)
    )


class Session:
    """A SavedModel in a C++ session."""

    def __init__(self, libraries, folder):
        for name in ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2"):
            library = ctypes.CDLL(
                str(pathlib.Path(libraries, name)), mode=ctypes.RTLD_GLOBAL
            )
        self._library = library
        self._status = self._new("TF_NewStatus")
        self._graph = self._new("TF_NewGraph")
        buffer = self._new("TF_NewBuffer")
        tags = (ctypes.c_char_p * 1)(b"serve")
        self._session = self._new(
            "TF_LoadSessionFromSavedModel",
            self._new("TF_NewSessionOptions"),
            None,
            str(folder).encode(),
            tags,
            1,
            self._graph,
            buffer,
            self._status,
        )
        self._check()
        content = ctypes.cast(buffer, ctypes.POINTER(_Buffer)).contents
        self.meta_graph = ctypes.string_at(content.data, content.length)

    def run(self, signature, inputs):
        """Runs a signature on arrays by key; returns arrays by key."""
        sources, targets = tensor_names(self.meta_graph, signature)
        values = [self._tensor(inputs[key]) for key in sources]
        answers = (ctypes.c_void_p * len(targets))()
        self._library.TF_SessionRun(
            self._session,
            None,
            self._outputs(sources.values()),
            (ctypes.c_void_p * len(values))(*(v.value for v in values)),
            len(values),
            self._outputs(targets.values()),
            answers,
            len(targets),
            None,
            0,
            None,
            self._status,
        )
        self._check()
        return dict(zip(targets, map(self._array, answers), strict=True))

    def _new(self, function, *arguments):
        """Calls a function that returns a pointer."""
        function = getattr(self._library, function)
        function.restype = ctypes.c_void_p
        return ctypes.c_void_p(function(*arguments))

    def _check(self):
        if self._library.TF_GetCode(self._status):
            message = self._library.TF_Message
            message.restype = ctypes.c_char_p
            raise RuntimeError(message(self._status).decode())

    def _outputs(self, names):
        outputs = []
        for name in names:
            operation, index = name.split(":")
            pointer = self._new(
                "TF_GraphOperationByName", self._graph, operation.encode()
            )
            outputs.append(_Output(pointer, int(index)))
        return (_Output * len(outputs))(*outputs)

    def _tensor(self, array):
        array = np.ascontiguousarray(array)
        (code,) = (c for c, name in _TYPES.items() if name == array.dtype)
        dimensions = (ctypes.c_int64 * array.ndim)(*array.shape)
        size = ctypes.c_size_t(array.nbytes)
        tensor = self._new(
            "TF_AllocateTensor", code, dimensions, array.ndim, size
        )
        data = self._new("TF_TensorData", tensor)
        ctypes.memmove(data, array.ctypes.data, array.nbytes)
        return tensor

    def _array(self, tensor):
        tensor = ctypes.c_void_p(tensor)
        library = self._library
        library.TF_Dim.restype = ctypes.c_int64
        shape = [
            library.TF_Dim(tensor, axis)
            for axis in range(library.TF_NumDims(tensor))
        ]
        dtype = np.dtype(_TYPES[library.TF_TensorType(tensor)])
        size = dtype.itemsize * int(np.prod(shape))
        data = ctypes.string_at(self._new("TF_TensorData", tensor), size)
        return np.frombuffer(data, dtype).reshape(shape)


def main(libraries, folder, source, target):
    """Runs all signatures on the arrays of a file, and on their first rows."""
    session = Session(libraries, folder)
    arrays = dict(np.load(source))
    answers = {}
    for signature in ("serving_default", "explain", "explain_class"):
        for rows in (1, len(arrays["images"])):
            inputs = {key: value[:rows] for key, value in arrays.items()}
            for key, value in session.run(signature, inputs).items():
                answers[f"{signature}-{rows}-{key}"] = value
    if {"keras", "tensorflow"} & set(sys.modules):
        raise RuntimeError("Keras or TensorFlow was imported.")
    np.savez(target, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
