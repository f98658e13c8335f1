"""Export of classifiers as SavedModels."""

import importlib.util
import os
import pathlib
import shutil

import keras

from .._backend import SAVED_MODEL_OPTIONS
from .._typing import Path
from .._typing import ValueRange
from ..analysis.default_attention import default_attention
from ..attention import AttentionMethod
from ..classifier import Classifier
from ..data import resolve_value_range
from ..data import side_axes
from ..models import AttentionDefendedModel
from ..preprocessing import ServingPreprocessing
from .endpoints import Endpoints
from .endpoints import write_saved_model
from .in_tensorflow import write_in_tensorflow


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
) -> None:
    """Writes a SavedModel for TensorFlow Serving and similar servers.

    Its signatures take `images` and return named outputs in float32; batches
    may have any size. It does not contain anything that only training needs,
    and loading it does not need this package:

    - `serving_default` returns `predictions`, exactly those of the model;
    - with `explain=True`, `explain` also returns `attention_map`, of the
      predicted class, and `explained_class`;
    - with `explain=True`, `explain_class` returns predictions and maps for the
      `classes` that the client sends, int32 indices `(batch,)`.

    If an image contains NaN or infinity, or the model does not have the class,
    `attention_map` is NaN and `explained_class` is -1; the other images of the
    batch are not affected.

    On the TensorFlow and JAX backends the model is written directly. (JAX
    needs an installed TensorFlow, too, and writes for CPU, CUDA and TPU; a
    server compiles the model once for each size of a batch.) On PyTorch it is
    saved as a `.keras` file, which a separate process on the TensorFlow
    backend converts: your own classes in the model must be registered by a
    module that can be imported.

    Args:
        model: An `AttentionDefendedModel` (its base is written) or any built
            Keras classifier.
        path: The folder to write. Servers expect a number as its name:
            `"defended/1"`. It appears only when it is complete, so that a
            server that watches its parent never loads a part of it.
        explain: Whether to add the two signatures with attention maps.
        attention: The differentiable attention method of the maps. None means
            Grad-CAM divided by its maximum, at the size of the model's
            images, of the layer that the model was defended at.
        preprocess: A Keras layer that converts the clients' images to the
            model's, or True for `ServingPreprocessing`, which resizes images
            with values from 0 to 255 to the model's size and scales them to
            its `value_range`.
        input_shape: Shape `(height, width, channels)` of the clients' images;
            sides may be None. None means that of the model, with sides of any
            length if `preprocess=True` resizes images.
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
            "Writing a SavedModel needs TensorFlow on every backend. Install "
            "it: `pip install tensorflow`."
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
            "`explain=True` as well."
        )
    if attention is not None:
        attention.check(classifier)
    preprocess = _preprocess(preprocess, model, classifier, value_range)
    spec = _spec(classifier, preprocess, input_shape, input_dtype)
    endpoints = Endpoints(base, attention, preprocess, spec)
    # The PyTorch backend cannot write a SavedModel.
    direct = SAVED_MODEL_OPTIONS is not None
    write = write_saved_model if direct else write_in_tensorflow
    _write_at_once(path, lambda folder: write(endpoints, folder))


def _write_at_once(path, write):
    """Writes a folder under another name and renames it when it is complete.

    A server may look at the parent folder at any moment.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Servers ignore folders whose name is not a number.
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        write(draft)
        if path.exists():
            shutil.rmtree(path)
        draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _preprocess(preprocess, model, classifier, value_range):
    """Returns the layer before the model, or None."""
    if preprocess is True:
        value_range = resolve_value_range(model, value_range)
        sides = tuple(classifier.input_shape[side_axes()])
        return ServingPreprocessing(
            None if None in sides else sides, value_range
        )
    if value_range is not None:
        raise ValueError(
            "`value_range` is given, but only `preprocess=True` uses it: "
            "without it clients send images as the model expects them. Pass "
            "`preprocess=True` as well, or leave `value_range` out. Received: "
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
    """Returns the `keras.InputSpec` of the clients' images."""
    standard = isinstance(preprocess, ServingPreprocessing)
    if shape is None:
        shape = list(classifier.input_shape)
        if standard and preprocess.size:
            shape[side_axes()] = None, None
        shape = shape[1:]
    elif len(shape) != 3:
        raise ValueError(
            "`input_shape` should have three entries, such as "
            f"(None, None, 3). Received: {shape}"
        )
    dtype = dtype or ("uint8" if standard else "float32")
    return keras.InputSpec(shape=(None, *shape), dtype=dtype)
