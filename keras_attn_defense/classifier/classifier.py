"""One view of any Keras image classifier."""

import contextlib
import weakref
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras

from .._typing import Tensor
from ..data import known_value_range
from ..data import side_axes
from ..data import to_channels_last
from .classifier_view import ClassifierView
from .feature_map import FeatureMaps
from .feature_map import data_format
from .frozen import frozen
from .how_to_attack import declarations
from .how_to_attack import substituted
from .hub_task import check_preprocessor
from .intercept import intercept
from .logits import find_output_activation
from .signature import Signature
from .signature import Snapshot
from .structure import as_input
from .structure import layer_calls
from .structure import run_symbolically
from .token_grid import laid_out

_structures = weakref.WeakKeyDictionary()
_USUAL_SIDE = 224


class Classifier(ClassifierView):
    """Reads logits and inner features from any Keras image classifier.

    The model is not taken apart: while it runs, calls of the layers concerned
    are intercepted. So Sequential, Functional, nested and subclassed models are
    all treated alike, and a model that ends in softmax or sigmoid, or in one
    output for two classes, gives its logits too.

    Args:
        model: A built `keras.Model` with one image input and one output of
            shape `(batch, classes)`, or `(batch, 1)` for two classes.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.input_shape = input_shape(model)
        check_preprocessor(model)
        self.value_range = known_value_range(model)
        self.refresh()

    def __reduce__(self) -> Any:
        # What is known of the structure belongs to the layers of this process.
        return type(self), (self.model,)

    def refresh(self) -> None:
        """Reads the structure again if the model has changed since."""
        model = self.model
        now = Signature(model)
        known = _structures.get(model)
        if known is None or not known.matches(now):
            known = _Structure(now, *_structure(model, input_shape(model)))
            # The model has run for its structure, which may have changed what
            # its layers note down for themselves. That is no change of the
            # model.
            known.settle(Signature(model))
            _structures[model] = known
        self.calls = known.calls
        self.output_activation = known.output_activation
        self.num_outputs = known.num_outputs
        # A single output tells two classes apart.
        self.num_classes = max(known.num_outputs, 2)
        #: The layers that say how they have to be attacked, and what.
        self.declared = declarations(
            [model, *(call.layer for call in known.calls)]
        )
        if not self._takes_one_draw:
            draws = [how.draws for _, how in self.declared]
            self.draws = max(draws, default=1)

    @property
    def variables(self) -> list[Any]:
        """All variables of the model, seeds included."""
        return self.model.variables

    def check_logits(self, images: Tensor) -> None:
        """Does nothing: the logits were found."""

    def check_gradients(self) -> None:
        for tensor in getattr(self.model, "inputs", None) or ():
            dtype = keras.backend.standardize_dtype(tensor.dtype)
            if not keras.backend.is_float_dtype(dtype):
                raise ValueError(
                    f"Declare the input of the model '{self.model.name}' as "
                    f"`keras.Input({tuple(tensor.shape[1:])})`, which takes "
                    "the same values as floats: it is declared with dtype="
                    f"'{dtype}', and integers have no gradient."
                )

    def feature_layer(
        self, layer: Any = None, grid: tuple[int, int] | None = None
    ) -> Any:
        """The layer to read attention from; see `FeatureMaps.find`."""
        return self._feature_maps(grid).find(layer)

    def feature_layers(
        self, layers: Any = None, grid: tuple[int, int] | None = None
    ) -> Any:
        """Finds one layer or a list of them, in the order in which they run."""
        if not isinstance(layers, (list, tuple)):
            layers = [layers]
        found = [self.feature_layer(layer, grid) for layer in layers]
        return [
            call.layer
            for call in self.calls
            if any(call.layer is layer for layer in found)
        ]

    def feature_size(
        self,
        layer: keras.layers.Layer | str | Sequence[keras.layers.Layer | str],
        grid: tuple[int, int] | None = None,
    ) -> Any:
        """`(height, width)` of the map of a layer."""
        return self._feature_maps(grid).size(layer)

    def as_map(
        self,
        features: Tensor,
        layer: keras.layers.Layer | str | Sequence[keras.layers.Layer | str],
        grid: tuple[int, int] | None = None,
    ) -> Tensor:
        """The output of `layer` as a map `(batch, h, w, channels)`."""
        if len(features.shape) == 3:
            return laid_out(features, self.feature_size(layer, grid))
        return to_channels_last(features, data_format(self.calls, layer))

    def _feature_maps(self, grid):
        sides = self.input_shape[side_axes()]
        return FeatureMaps(self.calls, sides, grid)

    def __call__(
        self,
        images: Tensor,
        training: bool = False,
        layers: Sequence[keras.layers.Layer] = (),
        tap: Any = None,
    ) -> Any:
        """Runs the model.

        Args:
            images: `(batch, height, width, channels)`.
            training: Whether layers run in training mode.
            layers: Layers whose outputs `tap` may look at and replace, in the
                order in which they run.
            tap: Function of an output.

        Returns:
            The logits `(batch, classes)`, in float32 or wider, and what the
            model itself returns.
        """
        captured = []
        with contextlib.ExitStack() as stack:
            if self.output_activation.layer is not None:
                stack.enter_context(
                    intercept(
                        self.output_activation.layer,
                        self.output_activation.attribute,
                        _capture(captured),
                    )
                )
            for layer in layers:
                stack.enter_context(intercept(layer, "call", _tapped(tap)))
            outputs = self.model(
                as_input(self.model, images), training=training
            )
        # If the activation has run several times, the last one made the output.
        return self.output_activation.logits(
            captured[-1] if captured else None, outputs
        ), outputs

    def logits(self, images: Tensor) -> Tensor:
        """The logits in inference mode, without any trace in the model."""
        with self.stateless():
            return self(images)[0]

    def frozen_logits(self, images: Tensor) -> Tensor:
        """Computes logits with weights as constants, for image gradients."""
        with self.frozen():
            return self(images)[0]

    @contextlib.contextmanager
    def frozen(self) -> Any:
        with frozen(self.variables, self.draw), substituted(self.declared):
            yield

    def try_out(self, function: Callable[[Tensor], Tensor]) -> Any:
        """Runs a function of images without values, for its errors only."""
        with self.stateless():
            # Some operations need sizes, where the model takes any.
            sides = [side or _USUAL_SIDE for side in self.input_shape[1:]]
            run_symbolically(function, (None, *sides))

    def stateless(self) -> Any:
        """A scope that leaves the model's variables, seeds and losses alone."""
        return keras.StatelessScope(
            [(variable, variable.value) for variable in self.variables]
        )


class _Structure(Snapshot):
    """The structure of a model, and the state that it belongs to.

    Args:
        signature: The model's signature.
        calls: What `layer_calls` returned.
        output_activation: The `OutputActivation`.
        num_outputs: The number of its outputs.
    """

    def __init__(self, signature, calls, output_activation, num_outputs):
        super().__init__(signature)
        self.calls = calls
        self.output_activation = output_activation
        self.num_outputs = num_outputs


def _capture(captured):
    def handler(original, inputs, *args, **kwargs):
        captured.append(inputs)
        return original(inputs, *args, **kwargs)

    return handler


def _tapped(tap):
    def handler(original, *args, **kwargs):
        return tap(original(*args, **kwargs))

    return handler


def input_shape(model: Any) -> tuple[int | None, ...]:
    """The shape of the batches of images that a built model takes."""
    if not isinstance(model, keras.Model):
        raise ValueError(
            "Expected a Keras model, an image classifier. "
            f"Received: {model!r} (of type {type(model).__name__})."
        )
    if not model.built:
        raise ValueError(
            f"The model '{model.name}' is not built yet, so its layers are not "
            "known. Give it a `keras.Input`, call it on a batch, or call "
            "`model.build((None, height, width, channels))` first."
        )
    shape = _recorded_shape(model)
    if shape is None or len(shape) != 4:
        raise ValueError(
            f"The model '{model.name}' {_inputs(model, shape)}. "
            "Expected one batch of images, of rank 4: (batch, height, width, "
            "channels)."
        )
    return (None, *shape[1:])


def _inputs(model, shape):
    count = len(getattr(model, "inputs", None) or ())
    if count > 1:
        names = [tensor.name for tensor in model.inputs]
        return f"has {count} inputs, {names}"
    return f"takes an input of shape {shape}"


def _recorded_shape(model):
    if hasattr(model, "inputs") and model.inputs:
        shapes = [tensor.shape for tensor in model.inputs]
    else:
        config = model.get_build_config() or {}
        shapes = [config.get("input_shape")]
        if shapes[0] is None:
            shapes = list(config.get("shapes_dict", {}).values())
    return tuple(shapes[0]) if len(shapes) == 1 and shapes[0] else None


def _structure(model, input_shape):
    calls, output_shape = layer_calls(model, input_shape)
    if output_shape is None or len(output_shape) != 2:
        outputs = getattr(model, "outputs", None) or ()
        has = f"returns an output of shape {output_shape}"
        if len(outputs) > 1:
            has = f"has {len(outputs)} outputs, {list(model.output_names)}"
        raise ValueError(
            f"The model '{model.name}' {has}. Expected the scores of one "
            "classification, (batch, classes), or (batch, 1) for two classes."
        )
    num_outputs = output_shape[-1]
    found = find_output_activation(calls, model, input_shape, num_outputs)
    if num_outputs > 1 and found.name == "sigmoid":
        raise ValueError(
            f"The model '{model.name}' ends in a sigmoid over {num_outputs} "
            "outputs, which allows several labels an image. Expected one "
            "label: softmax or logits, or a single sigmoid output."
        )
    return calls, found, num_outputs
