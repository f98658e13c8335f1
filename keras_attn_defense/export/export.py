"""Write a classifier for a server."""

import importlib.util
import os
import pathlib
import shutil
from typing import Any

import keras

from .._backend import SAVED_MODEL_OPTIONS
from .._typing import Path
from .._typing import ValueRange
from ..analysis.default_attention import default_attention
from ..attention import AttentionMethod
from ..classifier import Classifier
from ..classifier import resolve_value_range
from ..models import AttentionDefendedModel
from .endpoints import Endpoints
from .in_tensorflow import write_in_tensorflow
from .saved_model import write_saved_model
from .serving_preprocessing import ServingPreprocessing


def export(
    model: keras.Model,
    path: Path,
    *,
    explain: bool = False,
    attention: AttentionMethod | None = None,
    preprocess: bool | keras.layers.Layer | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    input_dtype: str | None = None,
    value_range: ValueRange | None = None,
    overwrite: bool = False,
) -> Any:
    """Writes a SavedModel for TensorFlow Serving and its kin.

    Its signatures take `images` and answer by name, in float32; the size of a
    batch is free. Nothing of the training is in it, and no class of this
    package is needed to load it:

    - `serving_default`: `predictions`, exactly those of the model;
    - with `explain`, `explain`: also `attention_map`, of the predicted class,
      and `explained_class`;
    - with `explain`, `explain_class`: the same for the `classes` that the
      client sends, int32 indices `(batch,)`.

    Where there is nothing to explain, as the image holds NaN or infinity or
    the model does not have the class, `attention_map` is NaN and
    `explained_class` -1; the other images of the batch are answered as ever.

    On the TensorFlow and JAX backends the model is written directly (JAX
    needs TensorFlow installed, too, and writes for CPU, CUDA and TPU; a server
    compiles what JAX wrote once for each size of a batch). On PyTorch it is
    saved as a `.keras` file and written by a process of its own on the
    TensorFlow backend: classes of your own that it holds must be registered by
    a module that can be imported.

    Args:
        model: An `AttentionDefendedModel` (its base is written) or any built
            Keras classifier.
        path: The folder to write. Servers expect a number as its name:
            `"defended/1"`. It appears at once when it is complete, so that a
            server that watches its parent never loads a part.
        explain: Whether to add the two signatures with attention maps.
        attention: The differentiable attention method of the maps. None means
            Grad-CAM divided by its maximum, at the size of the model's
            images, read from the layer that the model was defended at.
        preprocess: What stands between the clients' images and the model:
            a Keras layer, or True for `ServingPreprocessing`, which resizes
            images with values from 0 to 255 to the model's size and scales
            them to its `value_range`.
        input_shape: Shape `(height, width, channels)` of the clients' images;
            sides may be None. None means that of the model, with free sides
            where `preprocess=True` resizes them.
        input_dtype: Type of the clients' images. None means uint8 with
            `preprocess=True`, or else float32.
        value_range: `(lower, upper)` bounds of the model's images, for
            `preprocess=True`. None means the model's `value_range`, or `(0.0,
            1.0)`.
        overwrite: Whether to replace a folder that exists.

    Raises:
        ValueError: If the folder exists, or the model, the attention method
            or the shape cannot be exported.
        ImportError: If TensorFlow is not installed.

    Example:

    ```python
    kad.export(model, "defended/1", explain=True, preprocess=True)
    ```
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise ImportError(
            "A SavedModel is written by TensorFlow, whatever the backend. "
            "Install it: `pip install tensorflow`."
        )
    path = pathlib.Path(path)
    if path.exists() and not overwrite:
        raise ValueError(
            f"'{path}' exists. Choose the next version, such as "
            f"'{path.parent / '2'}', or pass `overwrite=True`."
        )
    is_defended = isinstance(model, AttentionDefendedModel)
    base = model.base if is_defended else model
    classifier = Classifier(base)
    if explain and attention is None:
        attention = default_attention(model)
    if not explain and attention is not None:
        raise ValueError(
            "`attention` is given, but no signature would use it. Pass "
            "`explain=True` too."
        )
    if attention is not None:
        attention.check(classifier)
    preprocess = _preprocess(preprocess, model, classifier, value_range)
    spec = _spec(classifier, preprocess, input_shape, input_dtype)
    endpoints = Endpoints(base, attention, preprocess, spec)
    direct = SAVED_MODEL_OPTIONS is not None
    write = write_saved_model if direct else write_in_tensorflow
    _in_one_piece(path, lambda folder: write(endpoints, folder))


def _in_one_piece(path, write):
    """A server may look at the parent folder at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # No number: servers leave it alone.
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        write(draft)
        if path.exists():
            shutil.rmtree(path)
        draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _preprocess(preprocess, model, classifier, value_range):
    if preprocess is True:
        value_range = resolve_value_range(model, value_range)
        sides = tuple(classifier.input_shape[_sides()])
        return ServingPreprocessing(
            None if None in sides else sides, value_range
        )
    if value_range is not None:
        raise ValueError(
            "`value_range` is given, but only `preprocess=True` uses it: "
            "without it clients send images as the model takes them. Pass "
            "`preprocess=True` too, or leave `value_range` out. Received: "
            f"value_range={value_range}, preprocess={preprocess!r}"
        )
    if preprocess is None or preprocess is False:
        return None
    if isinstance(preprocess, keras.layers.Layer):
        return preprocess
    raise ValueError(
        "`preprocess` should be a Keras layer, True for "
        f"`ServingPreprocessing`, or None. Received: {preprocess!r}"
    )


def _spec(classifier, preprocess, shape, dtype):
    standard = isinstance(preprocess, ServingPreprocessing)
    if shape is None:
        shape = list(classifier.input_shape)
        if standard and preprocess.size:
            shape[_sides()] = None, None
        shape = shape[1:]
    elif len(shape) != 3:
        raise ValueError(
            "`input_shape` should have three entries, such as "
            f"(None, None, 3). Received: {shape}"
        )
    dtype = dtype or ("uint8" if standard else "float32")
    return keras.InputSpec(shape=(None, *shape), dtype=dtype)


def _sides():
    """Where height and width are in the shape of a batch."""
    first = keras.config.image_data_format() == "channels_first"
    return slice(2, 4) if first else slice(1, 3)
